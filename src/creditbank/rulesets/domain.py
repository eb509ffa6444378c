"""Rule sets as the bank keeps them: registration, versions and their life, and which version governs which days.

``draft -> validated -> simulated -> approved -> published -> superseded | withdrawn`` (rules/v1 section 13): another
document makes a draft of anything that is not published; what is published never changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from typing import Any, Final, Literal
from uuid import UUID

from creditbank.errors import Kind, Refusal
from creditbank.identifiers import lineage
from creditbank.providers.domain import Accreditation
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.standing import VersionName
from creditbank.rules.telling.names import Wording
from creditbank.webhooks.domain import NOBODY, Listeners

Audience = Literal["everyone", "enrolled"]
"""Who is settled by a rule set. ``enrolled``: learners who were ever enrolled in one of its programmes."""

MUTABLE: Final = ("draft", "validated", "simulated", "approved")
"""The states of a version whose document may still be replaced."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A registration: the document's own id, its owner (a provider's code; None: the bank) and its audience."""

    id: UUID
    code: str
    owner: str | None
    audience: Audience = "everyone"


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
class Chapter:
    """A publication as the bank holds it or once held it, with whose it is and the number of its version."""

    rule_set_id: UUID
    code: str
    number: int
    publication: Publication


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
    approved_by: str | None = None
    approved_at: datetime | None = None

    @property
    def ref(self) -> str:
        """How documents name it that extend it: ``id@version``."""
        return f"{self.rule_set.code}@{self.number}"

    @property
    def tag(self) -> str:
        """Changes with everything that is shown of it: document, state, and its publications as the bank holds them."""
        closed = sum(publication.known_until is not None for publication in self.publications)
        return f"{self.revision}.{len(self.publications)}.{closed}" if self.publications else str(self.revision)

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


def governing(publications: Sequence[Publication], on: date, known: datetime) -> Publication | None:
    """Which publication governed a day as the bank held it at an instant; None when none did (section 12)."""
    for one in publications:
        is_known = one.known_from <= known and (one.known_until is None or known < one.known_until)
        if is_known and one.valid.start <= on and (one.valid.until is None or on < one.valid.until):
            return one
    return None


@dataclass(frozen=True, slots=True)
class Simulation:
    """What publishing a document would change, as far as it was asked for and is known.

    ``sample`` is about how many learners were looked at, None for all. ``report`` is None until it is whole.
    """

    id: UUID
    version_id: UUID
    sha256: str
    sample: int | None
    as_of: date
    job_id: UUID | None
    asked_at: datetime
    report: Mapping[str, Any] | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A version in the book: its compiled form and the ids under which it is stored."""

    rule_set_id: UUID
    version_id: UUID
    compiled: CompiledVersion

    @property
    def named(self) -> tuple[str, int]:
        """The rule set's code and the version's number."""
        return self.compiled.rule_set, self.compiled.version


Days = tuple[int, date, date | None]
"""A version by its number, its first day and the first after its last."""

_OF_ALL: Final = ("every_version", "codes", "lines_in_force", "names", "ever_changed")
"""What a book knows whomever it is for."""


@dataclass(frozen=True)
class Book:
    """Everything that settling reads beside the facts: the versions in force, compiled, and the registers.

    A book is never changed; a new ``epoch`` makes a new one.
    """

    epoch: int
    entries: Mapping[tuple[str, int], Entry]
    registers: Mapping[str, Mapping[str, Sequence[Accreditation]]]

    # The compiled versions by which everybody is settled, for the engine; those of the entries that are not restricted.
    versions: Sequence[CompiledVersion]

    # By provider: who is on a black list.
    barred: Mapping[str, Sequence[Accreditation]] = field(default_factory=dict)

    # What their documents call things, for whoever tells people of decisions; found as the entries are.
    wordings: Mapping[tuple[str, int], Wording] = field(default_factory=dict)

    # The rule sets by which only learners enrolled in one of their programmes are settled (rules/v1 section 9).
    restricted: frozenset[UUID] = frozenset()

    # Every publication there ever was, by rule set: what governed when somebody's credits were redeemed.
    history: Mapping[UUID, Sequence[Chapter]] = field(default_factory=dict)

    # Versions that govern nothing any more, compiled, by version: of one learner whose redeemed credits rest on them.
    former: Mapping[UUID, Entry] = field(default_factory=dict)

    # Where the bank counts its days: there a version's first day begins.
    zone: tzinfo = UTC

    # Who is told what settling brings about.
    listeners: Listeners = NOBODY

    @cached_property
    def every_version(self) -> Sequence[CompiledVersion]:
        """The compiled versions of all rule sets, whomever they concern."""
        return [entry.compiled for entry in self.entries.values()]

    def for_enrolled(self, rule_sets: Collection[UUID]) -> Book:
        """The book by which a learner is settled who is enrolled in programmes of these rule sets; often this one."""
        mine = self.restricted.intersection(rule_sets)
        if not mine:
            return self
        made = self._for_enrolled.get(mine)
        if made is None:
            more = [entry.compiled for entry in self.entries.values() if entry.rule_set_id in mine]
            made = self._for_enrolled[mine] = self._knowing(replace(self, versions=[*self.versions, *more]), _OF_ALL)
        return made

    def with_former(self, former: Mapping[UUID, Entry]) -> Book:
        """The book by which a learner is settled whose redeemed credits rest on these versions; often this one."""
        return self._knowing(replace(self, former=former), (*_OF_ALL, "is_local")) if former else self

    def told_to(self, listeners: Listeners) -> Book:
        """The same book, of which others are told."""
        return self._knowing(replace(self, listeners=listeners), (*_OF_ALL, "is_local"))

    @cached_property
    def _for_enrolled(self) -> dict[frozenset[UUID], Book]:
        return {}

    def _knowing(self, made: Book, names: Iterable[str]) -> Book:
        """A book made of this one, with what was found out about both once."""
        made.__dict__.update({name: getattr(self, name) for name in names})
        return made

    @cached_property
    def codes(self) -> Mapping[UUID, str]:
        """What each rule set that ever published is called, by its id."""
        return {id_: chapters[0].code for id_, chapters in self.history.items()}

    @cached_property
    def lines_in_force(self) -> Mapping[str, Sequence[Days]]:
        """By rule set its versions with their days, in their order; those for the enrolled too, whomever it is for.

        A simulation's book has the lines of before and of after as its ``versions``: no line of the past is like them.
        """
        found: dict[str, list[Days]] = {}
        plain = {version.rule_set for version in self.versions}
        others = [one.compiled for one in self.entries.values() if one.rule_set_id in self.restricted]
        for version in (*self.versions, *[one for one in others if one.rule_set not in plain]):
            days = (version.version, version.valid_from, version.valid_until)
            found.setdefault(version.rule_set, []).append(days)
        return {code: sorted(line, key=lambda one: (one[1], one[0])) for code, line in found.items()}

    def entry(self, code: str, number: int) -> Entry:
        """A version in force, or a former one of the learner's. Raises KeyError."""
        found = self.entries.get((code, number))
        if found is None:
            found = next((e for e in self.former.values() if e.named == (code, number)), None)
        if found is None:
            raise KeyError((code, number))
        return found

    @cached_property
    def names(self) -> Mapping[UUID, VersionName]:
        """What each version that was ever published is called, by its id."""
        return {
            one.publication.version_id: VersionName(one.number, one.publication.valid.start)
            for chapters in self.history.values()
            for one in chapters
        }

    @cached_property
    def ever_changed(self) -> bool:
        """Whether some rule set had other publications, or one that was withdrawn: other rules may have governed."""
        return any(
            len(chapters) > 1 or chapters[0].publication.known_until is not None for chapters in self.history.values()
        )

    def line_known(self, rule_set_id: UUID, at: datetime) -> list[Chapter]:
        """What governed the days of a rule set as the bank held it at an instant."""
        return [
            one
            for one in self.history.get(rule_set_id, ())
            if one.publication.known_from <= at
            and (one.publication.known_until is None or at < one.publication.known_until)
        ]

    @cached_property
    def is_local(self) -> bool:
        """Whether a learner's achievements meet only through the units of their lots (``CompiledVersion.is_local``)."""
        return all(version.is_local for version in self.versions)

    @cached_property
    def waiving(self) -> frozenset[UUID]:
        """The rule sets under which a debt after redemption is written off at once: as their last version says."""
        last = {
            entry.rule_set_id: entry
            for entries in (self.former, self.entries)
            for entry in sorted(entries.values(), key=lambda e: e.compiled.valid_from)
        }
        return frozenset(id_ for id_, entry in last.items() if entry.compiled.waives)

    def reads(self, fact: str) -> bool:
        """Whether some version reads this fact of the bank's own."""
        return any(
            fact in entry.compiled.reads for entries in (self.entries, self.former) for entry in entries.values()
        )

    def same_rules(self, one: date, other: date) -> bool:
        """Whether an evaluation as of either day reads the same rules: no version begins or ends between them."""
        first, last = min(one, other), max(one, other)
        return not any(
            first < edge <= last
            for version in self.every_version
            for edge in (version.valid_from, version.valid_until)
            if edge is not None
        )

    def accredited(self, provider_code: str, offering: str | None, on: date) -> frozenset[str]:
        """The registers in which an achievement of this provider, completed on that day, was accredited."""
        return frozenset(
            register
            for register, by_provider in self.registers.items()
            if _is_listed(by_provider, provider_code, offering, on)
        )

    def is_barred(self, provider_code: str, offering: str | None, on: date) -> bool:
        """Whether an achievement of this provider, completed on that day, counts as accredited in no register."""
        return _is_listed(self.barred, provider_code, offering, on)


def _is_listed(
    entries: Mapping[str, Sequence[Accreditation]], provider_code: str, offering: str | None, on: date
) -> bool:
    return any(entry.covers(offering, on) for code in lineage(provider_code) for entry in entries.get(code, ()))


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
class WrongState(Refusal):
    """The version is not as far as this step needs it to be."""

    code = "rule_set_version_wrong_state"
    kind = Kind.CONFLICT
    state: str
    wanted: str


@dataclass(eq=False, kw_only=True)
class ChecksFailed(Refusal):
    """The static checks of the document find errors; ``faults`` says where and why."""

    code = "rule_checks_failed"
    kind = Kind.INVALID
    count: int


@dataclass(eq=False, kw_only=True)
class NotCovered(Refusal):
    """A recognition rule or a limit is exercised by no test of the document; ``faults`` names each."""

    code = "rule_coverage_missing"
    kind = Kind.INVALID
    count: int


@dataclass(eq=False, kw_only=True)
class EditorApproves(Refusal):
    """Whoever edited a version may not approve it."""

    code = "approver_is_editor"
    kind = Kind.FORBIDDEN


@dataclass(eq=False, kw_only=True)
class NotSimulated(Refusal):
    """There is no simulation of this very document over all learners."""

    code = "rule_simulation_missing"
    kind = Kind.CONFLICT


@dataclass(eq=False, kw_only=True)
class SimulationStale(Refusal):
    """The simulation is older than the bank lets it be."""

    code = "rule_simulation_stale"
    kind = Kind.CONFLICT
    days: int


@dataclass(eq=False, kw_only=True)
class SimulationNotFound(Refusal):
    """Nobody asked for a simulation of this version, or it is not ended."""

    code = "simulation_not_found"
    kind = Kind.NOT_FOUND


@dataclass(eq=False, kw_only=True)
class RetroactiveNeeded(Refusal):
    """The version reaches back and takes from credits that stand, without saying that it is retroactive."""

    code = "rule_retroactive_missing"
    kind = Kind.INVALID
    count: int
    pointer: str = "/transition/retroactive"


@dataclass(eq=False, kw_only=True)
class VersionExtended(Refusal):
    """A version that governs extends this one, which therefore cannot be withdrawn."""

    code = "rule_set_version_extended"
    kind = Kind.CONFLICT
    by: str


@dataclass(eq=False, kw_only=True)
class RegistrationFixed(Refusal):
    """Owner and audience of a rule set are given with its first version and stay."""

    code = "rule_set_registration_fixed"
    kind = Kind.CONFLICT
    rule_set: str


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
