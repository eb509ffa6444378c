"""Rule sets as the bank keeps them: registration, versions, and which version governs which days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.identifiers import lineage
from creditbank.providers.domain import Accreditation
from creditbank.rules.compile import CompiledVersion


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A registration: the document's own id and its owner; None: the bank."""

    id: UUID
    code: str
    provider: str | None


@dataclass(frozen=True, slots=True)
class Interval:
    """Half-open days: ``until`` is the first day outside, None when open."""

    start: date
    until: date | None

    def overlaps(self, other: Interval) -> bool:
        """Whether some day lies in both."""
        return (self.until is None or other.start < self.until) and (other.until is None or self.start < other.until)


@dataclass(frozen=True, slots=True)
class Publication:
    """This version governs these days; ``known_until`` is None while the bank still holds it so."""

    id: UUID
    version_id: UUID
    valid: Interval
    known_from: datetime
    known_until: datetime | None


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of a rule set with its document as canonical JSON."""

    id: UUID
    rule_set: RuleSet
    number: int
    state: str
    document: str
    sha256: str
    revision: int
    created_at: datetime
    publications: Sequence[Publication]

    @property
    def is_superseded(self) -> bool:
        """Published once, and governing no day any more."""
        return self.state == "published" and all(p.known_until is not None for p in self.publications)


@dataclass(frozen=True, slots=True)
class Succession:
    """What a publication does to an earlier one: its known time closes, and ``rest`` goes on being governed by it."""

    former: Publication
    rest: Interval | None


def succeed(standing: Sequence[Publication], new: Interval) -> tuple[Succession, ...]:
    """What publishing ``new`` does to the publications that stand.

    A correction has the very days of the former, which then governs none. A successor begins inside a version without
    an end, which then governs the days before it. Any other overlap is refused, for nobody could say which was meant:
    raises VersionOverlaps (E7).
    """
    changes = []
    for former in standing:
        if not former.valid.overlaps(new):
            continue
        if former.valid == new:
            changes.append(Succession(former, None))
        elif former.valid.until is None and former.valid.start < new.start and new.until is None:
            changes.append(Succession(former, Interval(former.valid.start, new.start)))
        else:
            raise VersionOverlaps(start=former.valid.start, until=former.valid.until or "open")
    return tuple(changes)


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the book: its compiled form and the ids under which it is stored."""

    rule_set_id: UUID
    version_id: UUID
    compiled: CompiledVersion


@dataclass(frozen=True)
class Book:
    """Everything that settling reads beside the facts: the versions in force, compiled, and the registers.

    A book is never changed; a new ``epoch`` makes a new one.
    """

    epoch: int
    entries: Mapping[tuple[str, int], Entry]
    registers: Mapping[str, Mapping[str, Sequence[Accreditation]]]

    # The compiled versions, for the engine; the same as in the entries.
    versions: Sequence[CompiledVersion]

    @cached_property
    def is_local(self) -> bool:
        """Whether a learner's achievements meet only through the units of their lots (``CompiledVersion.is_local``)."""
        return all(version.is_local for version in self.versions)

    def reads(self, fact: str) -> bool:
        """Whether some version reads this fact of the bank's own."""
        return any(fact in version.reads for version in self.versions)

    def same_rules(self, one: date, other: date) -> bool:
        """Whether an evaluation as of either day reads the same rules: no version begins or ends between them."""
        first, last = min(one, other), max(one, other)
        return not any(
            first < edge <= last
            for version in self.versions
            for edge in (version.valid_from, version.valid_until)
            if edge is not None
        )

    def accredited(self, provider_code: str, offering: str | None, on: date) -> frozenset[str]:
        """The registers in which an achievement of this provider, completed on that day, was accredited."""
        return frozenset(
            register
            for register, by_provider in self.registers.items()
            if any(entry.covers(offering, on) for code in lineage(provider_code) for entry in by_provider.get(code, ()))
        )


@dataclass(eq=False, kw_only=True)
class DocumentRejected(Refusal):
    """The document is no rule set that the bank could publish; ``faults`` says where and why."""

    code = "rule_document_rejected"
    kind = Kind.INVALID
    count: int


@dataclass(eq=False, kw_only=True)
class TestsFailed(Refusal):
    """The document's own tests do not hold; ``faults`` says what was expected and what came."""

    code = "rule_tests_failed"
    kind = Kind.INVALID
    count: int


@dataclass(eq=False, kw_only=True)
class RuleSetNotFound(Refusal):
    """There is no such rule set, or no such version of it."""

    code = "rule_set_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class VersionExists(Refusal):
    """This version number of the rule set is taken by another document."""

    code = "rule_set_version_exists"
    kind = Kind.CONFLICT
    rule_set: str
    number: int
    pointer: str = "/ruleset/version"


@dataclass(eq=False, kw_only=True)
class VersionOverlaps(Refusal):
    """The days of the version overlap those of a published one, and it is neither its correction nor its successor."""

    code = "rule_set_version_overlaps"
    kind = Kind.CONFLICT
    start: date
    until: date | str
    pointer: str = "/ruleset/from"


@dataclass(eq=False, kw_only=True)
class NotADraft(Refusal):
    """A published or withdrawn version is immutable."""

    code = "rule_set_version_immutable"
    kind = Kind.CONFLICT
    state: str


@dataclass(eq=False, kw_only=True)
class ForeignRuleSet(Refusal):
    """The rule set is another owner's."""

    code = "foreign_rule_set"
    kind = Kind.FORBIDDEN
    rule_set: str


@dataclass(eq=False, kw_only=True)
class VersionMoved(Refusal):
    """The document is of another rule set or version than the draft in whose place it is put."""

    code = "rule_set_version_moved"
    kind = Kind.INVALID
    rule_set: str
    number: int
    pointer: str = "/ruleset/version"
