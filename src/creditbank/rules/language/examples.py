"""The tests that a document carries (rules/v1 section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from creditbank.rules.language.recognition import AssuranceName
from creditbank.rules.language.values import (
    Amount,
    Closed,
    Day,
    Duration,
    GradeText,
    Id,
    Listed,
    Number,
    Path,
    Text,
    Titled,
    fault,
)
from creditbank.rules.numbers import is_number, read_number


def _one_grade(value: dict[str, str]) -> dict[str, str]:
    if len(value) != 1:
        raise fault("alternatives", choices="the scales")
    return value


class Given(Closed):
    """An achievement of a test."""

    id: Id
    kind: Text
    provider: Path
    completed: Day
    code: Text | None = None
    unit: Text | None = None
    category: Path | None = None
    credits: Amount | None = None
    hours: Amount | None = None
    attendance: Amount | None = None
    grade: Annotated[dict[Text, GradeText], AfterValidator(_one_grade)] | None = None
    level: dict[Text, GradeText] = {}
    accredited: Listed[Id] = ()
    assurance: AssuranceName = "verified"
    submitted: Day | None = None
    applied: Day | None = None
    recognised: Day | None = None
    shelf_life: Duration | None = None
    tags: Listed[Text] = ()
    learning: Text | None = None
    provider_type: Text | None = None
    status: Literal["valid", "revoked", "quarantined"] = "valid"
    conditions_met: Listed[Id] = ()
    facts: dict[Id, Text | int | bool | Day] = {}


Expectation = tuple[str, ...]
"""Credits or an effect; then the excess, if some is expected; then fragments of the English explanation."""

_EFFECTS: Final = frozenset({"deny", "review", "none"})


def _expectation(value: object) -> Expectation:
    items = list(value) if isinstance(value, list | tuple) else [value]
    if not items or not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise fault("wrong_outcome")
    texts = [str(item) for item in items]
    if texts[0] not in _EFFECTS:
        if not is_number(texts[0]):
            raise fault("wrong_outcome")
        texts[0] = str(read_number(texts[0]))
        if len(texts) > 1 and is_number(texts[1]):
            texts[1] = str(read_number(texts[1]))
    if not all(texts):
        raise fault("wrong_outcome")
    return tuple(texts)


class ProgrammeExpected(Closed):
    """What an allocation to a programme must come to: credits recognised, missing by requirement, used by lot.

    What is left out is not compared; of what is given, all that is not named must be nothing.
    """

    id: Id
    recognised: Amount
    missing: dict[Id, Amount] | None = None
    use: dict[Text, Amount] | None = None


class ConversionExpected(Closed):
    """What converting an amount must give, and what stays in the old unit."""

    id: Id
    amount: Amount
    gives: Amount
    rest: Amount


class Then(BaseModel):
    """What a test expects: the total of available credits, and an outcome by achievement."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Annotated[Expectation, BeforeValidator(_expectation)]]

    total: Number | None = None
    programme: Listed[ProgrammeExpected] = ()
    convert: Listed[ConversionExpected] = ()

    @property
    def outcomes(self) -> Mapping[str, Expectation]:
        """By key of section 9: ``a``, ``a+b``, ``a/UNIT``, ``a/UNIT#i``."""
        return self.__pydantic_extra__


class Example(Titled):
    """A test that the document carries."""

    name: Text
    as_of: Day
    given: Listed[Given]
    then: Then
