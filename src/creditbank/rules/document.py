"""The shape of a rule document, as a closed model, and how a text becomes one (rules/v1 sections 2 to 9).

What the language has but this bank does not evaluate yet is a field of type ``Later``: it is refused by name, never
ignored, and building it means to give the field its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import islice
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from creditbank.rules.checks import check
from creditbank.rules.faults import SENTENCES, DocumentRefused, Finding
from creditbank.rules.numbers import is_number, read_number
from creditbank.rules.source import Format, Source, Value, read_sources, with_lines

# --- Values -----------------------------------------------------------------------------------------------------------


def _fault(reason: str, **terms: object) -> PydanticCustomError:
    """A fault of ours travels through Pydantic as a custom error: its type is the reason, its context the terms."""
    return PydanticCustomError(reason, "{reason}", {**terms, "reason": reason})


def _later(_: object, info: ValidationInfo) -> None:
    raise _fault("not_built_yet", key=info.field_name)


def _one_of_built(*built: str, later: tuple[str, ...]) -> Callable[[object, ValidationInfo], object]:
    def choose(value: object, info: ValidationInfo) -> object:
        if value in built:
            return value
        if value in later:
            raise _fault("not_built_yet", key=f"{info.field_name}: {value}")
        raise _fault("not_one_of", choices=", ".join((*built, *later)))

    return choose


def _number(value: object) -> Fraction:
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return read_number(str(value))
        except ValueError:
            pass
    raise _fault("not_a_number")


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise _fault("not_a_date")


def _at_least_nothing(value: Fraction) -> Fraction:
    if value < 0:
        raise _fault("out_of_range", range=">= 0")
    return value


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


def _grade_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Later = Annotated[None, BeforeValidator(_later)]

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Path = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}(/[a-z0-9][a-z0-9_-]{0,63}){0,7}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^P([0-9]{1,4}Y)?([0-9]{1,4}M)?([0-9]{1,5}D)?$", min_length=3)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
GradeText = Annotated[Text, BeforeValidator(_grade_text)]
Number = Annotated[Fraction, PlainValidator(_number), PlainSerializer(str, return_type=str)]
Amount = Annotated[Number, AfterValidator(_at_least_nothing)]
Day = Annotated[date, BeforeValidator(_day)]
OwnLevel = Annotated[int, Field(ge=0, le=8)]

_T = TypeVar("_T")
Some = Annotated[tuple[_T, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
"""A field of type *list* also takes one value; when it is given it is not empty."""


class Closed(BaseModel):
    """An object that knows all its keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class InTwoLanguages(Closed):
    """A text for people."""

    zh: Text | None = None
    en: Text | None = None

    @model_validator(mode="after")
    def _some(self) -> InTwoLanguages:
        if self.zh is None and self.en is None:
            raise _fault("empty")
        return self


def _title_kind(value: object) -> object:
    return {"zh": value, "en": value} if isinstance(value, str) else value


Title = Annotated[InTwoLanguages, BeforeValidator(_title_kind)]
"""One text stands for both languages."""


class Titled(Closed):
    """Any object of a document may have a title."""

    title: Title | None = None


# --- Header and definitions: sections 3 and 4 -------------------------------------------------------------------------

Rounding = Literal["down", "half_up", "half_even"]


class Unit(Titled):
    """The unit of credit: amounts are multiples of its step."""

    code: Text
    step: Number = Fraction(1, 2)
    round: Rounding = "down"


class Clock(Titled):
    """Which dates govern."""

    recognition: Literal["completed", "submitted"] = "completed"
    limits: Annotated[Literal["completed"], BeforeValidator(_one_of_built("completed", later=("submitted",)))] = (
        "completed"
    )
    programme: Annotated[Literal["enrolled"], BeforeValidator(_one_of_built("enrolled", later=("applied",)))] = (
        "enrolled"
    )


class Header(Titled):
    """Which rule set and version this is, and when it governs (section 3)."""

    lcb: Literal["rules/v1"]
    id: Id
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    from_: Day = Field(alias="from")
    until: Day | None = None
    unit: Unit
    clock: Clock = Clock()
    legal_basis: Annotated[tuple[Text, ...], BeforeValidator(_as_tuple)] = ()
    layer: Annotated[
        Literal["institution"],
        BeforeValidator(_one_of_built("institution", later=("national", "authority", "bilateral"))),
    ] = "institution"
    extends: Later = None
    after_redemption: Annotated[Literal["review"], BeforeValidator(_one_of_built("review", later=("write_off",)))] = (
        "review"
    )
    migrations: Later = None


class Scale(Titled):
    """Grades by position, higher is better; empty: the grade is itself a number."""

    grades: dict[Text, Number]


class RegisterEntry(Titled):
    """What was accredited, and on which days."""

    provider: Path
    code: Text | None = None
    from_: Day | None = Field(default=None, alias="from")
    until: Day | None = None


class Register(Titled):
    """A list of what is accredited: the document's own entries, or the bank's register of that name."""

    external: Literal[True] | None = None
    entries: Annotated[tuple[RegisterEntry, ...], BeforeValidator(_as_tuple)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Register:
        if (self.external is None) == (self.entries is None):
            raise _fault("alternatives", choices="external, entries")
        return self


# --- Recognition: section 5 -------------------------------------------------------------------------------------------


class Range(Closed):
    """Values in [min, below)."""

    min: Number | None = None
    below: Number | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Range:
        if (self.min is None and self.below is None) or (
            self.min is not None and self.below is not None and self.below <= self.min
        ):
            raise _fault("empty_range")
        return self


class GradeRange(Range):
    """Grades on one scale with their position in [min, below)."""

    scale: Id


class Matcher(Titled):
    """Tests on one achievement: all that are given must hold, and an absent fact fails its test (section 5.2)."""

    kind: Some[Text] | None = None
    provider: Some[Path] | None = None
    code: Some[Text] | None = None
    category: Some[Path] | None = None
    level: Range | None = None
    grade: GradeRange | None = None
    hours: Range | None = None
    attendance: Range | None = None
    accredited: Id | None = None
    assurance: Literal["self", "provider", "verified", "signed"] | None = None
    age: Later = None
    tags: Later = None
    where: Later = None
    # Combinations (section 5.3): they will stand beside the matcher in a union chosen by the keys present.
    all: Later = None
    any: Later = None
    n: Later = None
    of: Later = None


class Formula(Closed):
    """One base, then at_most, then at_least, then one rounding."""

    fixed: Amount | None = None
    native: Number | None = None
    per_hour: Number | None = None
    bands: Later = None
    table: Later = None
    key: Later = None
    at_most: Amount | None = None
    at_least: Amount | None = None
    step: Number | None = None
    round: Literal["down", "half_up", "half_even", "none"] | None = None

    @model_validator(mode="after")
    def _one_base(self) -> Formula:
        if (self.fixed is not None) + (self.native is not None) + (self.per_hour is not None) != 1:
            raise _fault("alternatives", choices="fixed, native, per_hour, bands, table")
        return self


_BLANKET: Final = "blanket:"


def _unit_of_grant(value: str) -> str:
    if value.startswith(_BLANKET) and not value.removeprefix(_BLANKET).strip():
        raise _fault("wrong_form", form="blanket:<category>")
    return value


def _grade_of_grant(value: object) -> object:
    if isinstance(value, str) and value not in {"keep", "pass"}:
        raise _fault("not_built_yet", key=f"grade: {value} (grade_conversions)")
    return value


class Grant(Titled):
    """What a rule gives for its binding; each grant makes a lot."""

    unit: Annotated[Text, AfterValidator(_unit_of_grant)] = "same"
    category: Path | None = None
    level: Literal["mapped", "none"] | OwnLevel = "mapped"
    grade: Annotated[Literal["keep", "pass"], BeforeValidator(_grade_of_grant)] = "keep"
    credits: Formula
    pool: Later = None


class Rule(Titled):
    """What is recognised, and for how much (section 5.1)."""

    id: Id
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    match: Matcher
    effect: Annotated[
        Literal["grant"], BeforeValidator(_one_of_built("grant", later=("deny", "review", "conditional")))
    ] = "grant"
    grant: Annotated[tuple[Grant, ...], BeforeValidator(_as_tuple)] = ()
    condition: Later = None
    exception_to: Later = None
    group: Later = None
    from_: Later = Field(default=None, alias="from")
    until: Later = None

    @model_validator(mode="after")
    def _grants(self) -> Rule:
        if not self.grant:
            raise _fault("grants_missing")
        return self


class Unique(Titled):
    """No double use within the rule set (section 6)."""

    key: Annotated[Literal["unit"], BeforeValidator(_one_of_built("unit", later=("learning",)))] = "unit"
    keep: Literal["best", "latest", "first"] = "best"


# --- Tests: section 9 -------------------------------------------------------------------------------------------------


def _one_grade(value: dict[str, str]) -> dict[str, str]:
    if len(value) != 1:
        raise _fault("alternatives", choices="the scales")
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
    accredited: Annotated[tuple[Id, ...], BeforeValidator(_as_tuple)] = ()
    assurance: Literal["self", "provider", "verified", "signed"] = "verified"
    submitted: Day | None = None
    applied: Day | None = None
    recognised: Day | None = None
    shelf_life: Duration | None = None
    tags: Annotated[tuple[Text, ...], BeforeValidator(_as_tuple)] = ()
    learning: Text | None = None
    provider_type: Text | None = None
    status: Literal["valid", "revoked", "quarantined"] = "valid"
    conditions_met: Annotated[tuple[Id, ...], BeforeValidator(_as_tuple)] = ()
    facts: dict[Id, Text | int | bool | Day] = {}


Expectation = tuple[str, ...]
"""Credits or an effect; then the excess, if some is expected; then fragments of the English explanation."""

_EFFECTS: Final = frozenset({"deny", "review", "none"})


def _expectation(value: object) -> Expectation:
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, str | int) and not isinstance(item, bool) for item in items):
        raise _fault("wrong_outcome")
    texts = [str(item) for item in items]
    if texts[0] not in _EFFECTS:
        if not is_number(texts[0]):
            raise _fault("wrong_outcome")
        texts[0] = str(read_number(texts[0]))
        if len(texts) > 1 and is_number(texts[1]):
            texts[1] = str(read_number(texts[1]))
    if not all(texts):
        raise _fault("wrong_outcome")
    return tuple(texts)


class Then(BaseModel):
    """What a test expects: the total of available credits, and an outcome by achievement."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, Annotated[Expectation, BeforeValidator(_expectation)]]

    total: Number | None = None
    programme: Later = None
    convert: Later = None

    @property
    def outcomes(self) -> Mapping[str, Expectation]:
        """By key of section 9: ``a``, ``a/UNIT``, ``a/UNIT#i``."""
        return self.__pydantic_extra__


class Example(Titled):
    """A test that the document carries."""

    name: Text
    as_of: Day
    given: Some[Given]
    then: Then


class RuleSetDocument(Titled):
    """One version of one rule set (section 2)."""

    ruleset: Header
    calendars: Later = None
    scales: dict[Id, Scale] = {}
    grade_conversions: Later = None
    tables: Later = None
    levels: dict[Id, dict[Text, OwnLevel]] = {}
    registers: dict[Id, Register] = {}
    groups: Later = None
    recognition: Annotated[tuple[Rule, ...], BeforeValidator(_as_tuple)] = ()
    unique: Unique | None = None
    limits: Later = None
    validity: Later = None
    programmes: Later = None
    unit_conversions: Later = None
    transition: Later = None
    tests: Annotated[tuple[Example, ...], BeforeValidator(_as_tuple)] = ()


# --- Reading ----------------------------------------------------------------------------------------------------------


MOST_FAULTS: Final = 200
"""Nobody mends more at once, and a text of 32 MB can have a fault in every byte."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document that was taken: its model, and the plain values it was read from."""

    model: RuleSetDocument
    source: Value


def read_documents(text: str | bytes, *, format: Format = "yaml") -> list[ParsedDocument]:
    """Read and check every document of a text: shape, references, numbers (rules/v1 sections 2 and 15).

    Raises DocumentRefused with the faults that were found, at most ``MOST_FAULTS``; the faults of one stage hide those
    of the next.
    """
    sources = read_sources(text, format)
    parsed: list[ParsedDocument] = []
    for source in sources:
        if not source.findings:
            model = _shape(source)
            if model is not None:
                source.findings.extend(check(model))
                parsed.append(ParsedDocument(model, source.value))
    if len(parsed) == len(sources):
        _refuse_same_version(parsed, sources)
    if any(source.findings for source in sources):
        if format == "yaml":
            with_lines(text, sources)
        raise DocumentRefused(
            [
                finding.as_fault(source.index, source.line(finding.path))
                for source, finding in islice(
                    ((source, finding) for source in sources for finding in source.findings), MOST_FAULTS
                )
            ]
        )
    return parsed


def _refuse_same_version(parsed: list[ParsedDocument], sources: list[Source]) -> None:
    seen: set[tuple[str, int]] = set()
    for document, source in zip(parsed, sources, strict=True):
        header = document.model.ruleset
        if (header.id, header.version) in seen:
            terms = {"id": header.id, "version": header.version}
            source.findings.append(Finding(("ruleset", "version"), "same_version", terms))
        seen.add((header.id, header.version))


def _shape(source: Source) -> RuleSetDocument | None:
    try:
        return RuleSetDocument.model_validate(source.value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        source.findings.extend(_finding(detail, source.value) for detail in details)
        return None


_WANTED: Final[Mapping[str, tuple[str, str]]] = {
    "string": ("a text (perhaps quotes are missing)", "文本（可能缺少引号）"),
    "int": ("an integer", "整数"),
    "bool": ("true or false", "true 或 false"),
    "dict": ("an object", "对象"),
    "model": ("an object", "对象"),
    "tuple": ("a list", "列表"),
}


def _finding(detail: ErrorDetails, value: Value) -> Finding:
    """Our sentence for what Pydantic found, at the place in the source that it means."""
    kind = detail["type"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    path = _place(detail["loc"], value)
    if kind == "missing":
        key = str(detail["loc"][-1])
        return Finding((*path, key), "missing", {"key": key})
    if kind in SENTENCES:
        return Finding(path, kind, context)
    if kind == "extra_forbidden":
        return Finding(path, "unknown_key", {"key": str(detail["loc"][-1])})
    if kind == "string_pattern_mismatch":
        return Finding(path, "wrong_form", {"form": context["pattern"]})
    if kind == "literal_error":
        return Finding(path, "not_one_of", {"choices": context["expected"].replace("'", "").replace(" or ", ", ")})
    if kind in {"too_short", "string_too_short"}:
        return Finding(path, "empty", {})
    if kind in {"greater_than_equal", "less_than_equal", "string_too_long"}:
        limit = context.get("ge", context.get("le", context.get("max_length")))
        return Finding(path, "out_of_range", {"range": f"{'>=' if 'ge' in context else '<='} {limit}"})
    wanted, wanted_zh = _WANTED.get(kind.partition("_")[0], ("another type", "其他类型"))
    return Finding(path, "wrong_type", {"wanted": wanted, "wanted_zh": wanted_zh})


def _place(location: tuple[str | int, ...], value: Value) -> tuple[str | int, ...]:
    """The part of Pydantic's location that the source has: names of branches and of coerced lists drop out."""
    path: list[str | int] = []
    for part in location:
        is_inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if is_inside:
            value = value[part]
            path.append(part)
    return tuple(path)
