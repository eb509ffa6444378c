"""API shapes of programmes, enrolments and audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Final, Literal, NotRequired
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypedDict

from creditbank.catalogue.domain import Offering
from creditbank.credits import Credits
from creditbank.enrolments.domain import Enrolment
from creditbank.programmes.auditing import Audit, Use
from creditbank.programmes.domain import ProgrammeRef, leaves_of
from creditbank.programmes.planning import Gap, Ways
from creditbank.programmes.stakes import SetAside
from creditbank.rules.allocate.allocation import Idle
from creditbank.rules.compile import CompiledVersion
from creditbank.rules.language.programmes import (
    AllRequirements,
    AnyRequirement,
    NRequirements,
    Requirement,
)
from creditbank.rules.language.values import Titled
from creditbank.rules.numbers import decimal_text
from creditbank.rules.outcome import Decision
from creditbank.web.fields import Body, Number, at_most
from creditbank.web.sentences import Language, sentence

Reference = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9_-]{0,63}$"),
    Field(description="rule-set.programme", examples=["acbs-like.bachelor"]),
]
RequirementId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class AdmissionIn(Body):
    """What a programme asks for before it takes a learner; what is left out is not asked for."""

    credits: Annotated[Number, at_most(100_000)] | None = Field(
        default=None, description="banked in the programme's unit"
    )
    award: Reference | None = Field(default=None, description="the programme whose award is asked for")


class EnrolmentIn(Body):
    """A learner enters a programme."""

    programme: Reference
    enrolled: date | None = Field(default=None, description="today where nothing is said")
    applied: date | None = Field(default=None, description="the day of the application, if another")


class InterruptionIn(Body):
    """The learner pauses; the catalogue right waits."""

    kind: Literal["interruption"]
    day: date | None = Field(default=None, description="today where nothing is said")


class ResumptionIn(Body):
    """The learner goes on."""

    kind: Literal["resumption"]
    day: date | None = None


class EndingIn(Body):
    """The enrolment ends; this is the first day on which it no longer holds."""

    kind: Literal["ending"]
    day: date | None = None


class ElectionIn(Body):
    """The learner elects a later version, as a whole."""

    kind: Literal["election"]
    version: Annotated[int, Field(ge=1, le=10**9)]


class PinsIn(Body):
    """What the learner chooses, in the place of all that was chosen before."""

    kind: Literal["pins"]
    lots: Annotated[dict[UUID, RequirementId], Field(default_factory=dict, max_length=500)]
    requirements: Annotated[
        list[RequirementId], Field(default_factory=list, max_length=200, description="alternatives that are to apply")
    ]


ChangeIn = Annotated[
    InterruptionIn | ResumptionIn | EndingIn | ElectionIn | PinsIn,
    Field(discriminator="kind"),
]


class EnrolmentOut(BaseModel):
    """A learner in a programme."""

    id: UUID
    programme: str
    enrolled: date
    applied: date | None
    ended: date | None
    is_interrupted: bool
    interruptions: list[dict[str, date | None]]
    pins: Mapping[str, Any]
    changes: list[dict[str, Any]]

    @classmethod
    def from_domain(cls, enrolment: Enrolment, rule_set: str) -> EnrolmentOut:
        """The shape of an enrolment in a programme of this rule set."""
        return cls(
            id=enrolment.id,
            programme=str(ProgrammeRef(rule_set, enrolment.programme)),
            enrolled=enrolment.enrolled_on,
            applied=enrolment.applied_on,
            ended=enrolment.ended_on,
            is_interrupted=enrolment.is_interrupted,
            interruptions=[{"from": begun, "until": ended} for begun, ended in enrolment.interruptions],
            pins=enrolment.pins,
            changes=[{"kind": c.kind.value, "day": c.day, **c.detail} for c in enrolment.changes],
        )


# --- Programmes -------------------------------------------------------------------------------------------------------


class AdmissionOut(TypedDict):
    """What a programme asks for before it takes a learner; null: not asked for."""

    credits: str | None
    award: str | None


class ProgrammeOut(TypedDict):
    """A programme as one version has it."""

    id: str
    rule_set: str
    programme: str
    title: dict[str, str | None] | None
    version: int
    starts: Annotated[str, Field(alias="from")]
    until: str | None
    unit: str
    total: str


class WholeProgrammeOut(ProgrammeOut):
    """A programme with its requirements, caps and terms, as its document has them."""

    requirements: list[dict[str, Any]]
    caps: list[dict[str, Any]]
    prefer: list[str]
    whole: str
    reuse: Any
    catalogue_right: str | None
    owner: str | None
    admission: AdmissionOut


def show_programme(ref: ProgrammeRef, version: CompiledVersion) -> dict[str, Any]:
    """The shape of a programme as one version has it."""
    programme = version.programmes[ref.programme]
    return {
        "id": str(ref),
        "rule_set": ref.rule_set,
        "programme": ref.programme,
        "title": _title(programme),
        "version": version.version,
        "from": version.valid_from.isoformat(),
        "until": version.valid_until.isoformat() if version.valid_until is not None else None,
        "unit": version.credit_unit,
        "total": decimal_text(programme.total),
    }


def show_whole_programme(ref: ProgrammeRef, version: CompiledVersion) -> dict[str, Any]:
    """The shape of a programme with its requirements, caps and terms."""
    programme = version.programmes[ref.programme]
    plain = programme.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {
        **show_programme(ref, version),
        "requirements": plain.get("requirements", []),
        "caps": plain.get("caps", []),
        "prefer": list(programme.prefer),
        "whole": programme.whole,
        "reuse": plain.get("reuse", "never"),
        "catalogue_right": programme.catalogue_right,
    }


def _title(titled: Titled) -> dict[str, str | None] | None:
    return {"zh": titled.title.zh, "en": titled.title.en} if titled.title is not None else None


def name_of(titled: Titled, id_: str, language: Language) -> str:
    """What people call a part of a document: its title in their language, else its id."""
    if titled.title is None:
        return id_
    zh, en = titled.title.zh, titled.title.en
    return (zh or en if language == "zh-Hans" else en or zh) or id_


# --- The audit --------------------------------------------------------------------------------------------------------


class ShareOut(TypedDict):
    """Credits of one lot; a planned lot has the key of what would give it."""

    lot: str
    credits: str


class NextOut(TypedDict):
    """An offering that may be taken next."""

    offering: UUID
    code: str
    provider: str
    title: dict[str, str]
    starts: str | None
    ends: str | None
    hours: str | None
    fee: str | None
    places: int | None


class WayOut(NextOut):
    """An offering that brings a gap nearer to its end."""

    gives: str
    closes: bool
    sentence: str


class RequirementOut(TypedDict):
    """A requirement, or a group of them (``all``, or ``n`` ``of``), with how it stands.

    Where something is missing ``ways`` names several offerings, each a step by itself, and ``together`` as many as it
    takes; ``left`` is what even these leave.
    """

    id: str
    title: dict[str, str | None] | None
    is_met: bool
    need: NotRequired[dict[str, Any]]
    exclusive: NotRequired[bool]
    applies: NotRequired[bool]
    lots: NotRequired[list[ShareOut]]
    missing: NotRequired[str | int | None]
    all: NotRequired[list[RequirementOut]]
    n: NotRequired[int]
    of: NotRequired[list[RequirementOut]]
    sentence: NotRequired[str]
    ways: NotRequired[list[WayOut]]
    together: NotRequired[list[NextOut]]
    left: NotRequired[str]


class ElectivesOut(TypedDict):
    """The free electives: what is left of the total after the requirements."""

    lots: list[ShareOut]
    missing: str
    sentence: NotRequired[str]
    ways: NotRequired[list[WayOut]]
    together: NotRequired[list[NextOut]]
    left: NotRequired[str]


class UseOut(ShareOut):
    """What is used of a lot; of that held for this programme already, and counted once more from a lower award."""

    unit: str
    provider: str
    reserved: str
    stacked: str
    is_planned: bool


class UnusedOut(ShareOut):
    """What is not used of a lot, and why."""

    reason: str
    names: list[str]
    sentence: str


class AuditOut(TypedDict):
    """How a learner stands in a programme. ``is_best`` is false when the solver ran out of time."""

    programme: ProgrammeOut
    enrolment: UUID | None
    catalogue_right_lapsed: str | None
    recognised: str
    missing: str
    is_complete: bool
    is_best: bool
    waived: list[str]
    requirements: list[RequirementOut]
    free_electives: ElectivesOut
    uses: list[UseOut]
    unused: list[UnusedOut]
    inputs_sha256: str


def show_audit(audit: Audit, ways: Sequence[Ways], language: Language) -> dict[str, Any]:
    """The shape of an audit, with its sentences."""
    found, ref = audit.allocation, audit.place.ref
    by_gap = {one.gap.requirement.id if one.gap.requirement is not None else None: one for one in ways}
    rest = by_gap.get(None)
    return {
        "programme": {**show_programme(ref, audit.version), "total": str(Credits(found.total))},
        "enrolment": str(audit.enrolment.id) if audit.enrolment is not None else None,
        "catalogue_right_lapsed": audit.lapsed_on.isoformat() if audit.lapsed_on is not None else None,
        "recognised": str(Credits(found.recognised)),
        "missing": str(Credits(max(found.total - found.recognised, 0))),
        "is_complete": found.is_complete,
        "is_best": found.is_best,
        "waived": list(audit.waived),
        "requirements": [_show(one, audit, by_gap, language) for one in audit.programme.requirements],
        "free_electives": {
            "lots": _shares(audit, ""),
            "missing": str(Credits(rest.gap.milli)) if rest is not None else "0",
            **(_show_ways(rest, None, audit, language) if rest is not None else {}),
        },
        "uses": [_show_use(use) for use in audit.uses],
        "unused": [
            *[_show_idle(one, audit, language) for one in found.idle],
            *[_show_aside(one, language) for one in audit.set_aside],
        ],
        "inputs_sha256": audit.inputs.hex(),
    }


def _show(
    requirement: AnyRequirement, audit: Audit, by_gap: Mapping[str | None, Ways], language: Language
) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": requirement.id, "title": _title(requirement)}
    match requirement:
        case AllRequirements():
            parts = [_show(part, audit, by_gap, language) for part in requirement.all]
            return {**shown, "all": parts, "is_met": all(part["is_met"] for part in parts)}
        case NRequirements():
            parts = [_show(part, audit, by_gap, language) for part in requirement.of]
            met = sum(part["is_met"] for part in parts)
            return {**shown, "n": requirement.n, "of": parts, "is_met": met >= requirement.n}
    return {**shown, **_show_leaf(requirement, audit, by_gap.get(requirement.id), language)}


def _show_leaf(requirement: Requirement, audit: Audit, ways: Ways | None, language: Language) -> dict[str, Any]:
    missing = audit.allocation.missing.get(requirement.id)
    need = requirement.need
    asked = {"credits": decimal_text(need.credits)} if need.credits is not None else {"count": need.count}
    shown: dict[str, Any] = {
        "need": asked,
        "exclusive": requirement.exclusive,
        "applies": missing is not None,
        "is_met": missing is not None and missing.is_met,
        "lots": _shares(audit, requirement.id),
        "missing": None,
    }
    if missing is not None:
        shown["missing"] = missing.count if need.credits is None else str(Credits(missing.milli))
    return {**shown, **(_show_ways(ways, requirement, audit, language) if ways is not None else {})}


def _shares(audit: Audit, requirement: str) -> list[dict[str, str]]:
    shares = sorted((lot, milli) for (lot, of), milli in audit.shares.items() if of == requirement)
    return [{"lot": lot, "credits": str(Credits(milli))} for lot, milli in shares]


def _show_use(use: Use) -> dict[str, Any]:
    return {
        "lot": use.stake.lot_name,
        "credits": str(Credits(use.milli)),
        "unit": use.stake.unit,
        "provider": use.stake.candidate.provider,
        "reserved": str(Credits(use.reserved)),
        "stacked": str(Credits(use.stacked)),
        "is_planned": use.is_planned,
    }


_UNUSED: Final[Mapping[str, str]] = {
    "cap": "unused_cap",
    "full": "unused_full",
    "unfit": "unused_unfit",
    "total": "unused_total",
    "whole": "unused_whole",
    "already_used": "unused_already_used",
    "other_unit": "unused_other_unit",
    "pending": "unused_pending",
    "excess": "unused_excess",
    "expired": "unused_expired",
    "reserved": "unused_reserved",
    "redeemed": "unused_redeemed",
}
"""The sentence of each reason for which a part of a lot is not used."""


def _show_idle(idle: Idle, audit: Audit, language: Language) -> dict[str, Any]:
    reason = "unfit" if idle.reason == "full" and not idle.names else idle.reason
    terms = {"names": _names(idle.names, audit, language), "total": str(Credits(audit.allocation.total))}
    return {
        "lot": audit.stakes[idle.lot].lot_name,
        "credits": str(Credits(idle.milli)),
        "reason": reason,
        "names": list(idle.names),
        "sentence": sentence(_UNUSED[reason], language, terms),
    }


def _show_aside(aside: SetAside, language: Language) -> dict[str, Any]:
    terms = {"unit": aside.lot.terms.credit_unit}
    return {
        "lot": str(aside.lot.id),
        "credits": str(Credits(aside.candidate.milli)),
        "reason": aside.reason,
        "names": [],
        "sentence": sentence(_UNUSED[aside.reason], language, terms),
    }


def _names(names: Sequence[str], audit: Audit, language: Language) -> str:
    """The titles of requirements and caps; a cap for each provider has the provider behind it."""
    titled: dict[str, Titled] = {cap.id: cap for cap in audit.programme.caps}
    titled |= {leaf.id: leaf for leaf in leaves_of(audit.programme.requirements)}
    shown = []
    for name in names:
        id_, comma, provider = name.partition(", ")
        shown.append((name_of(titled[id_], id_, language) if id_ in titled else id_) + comma + provider)
    return ("、" if language == "zh-Hans" else ", ").join(shown)


def _show_ways(ways: Ways, requirement: Requirement | None, audit: Audit, language: Language) -> dict[str, Any]:
    gap = ways.gap
    name = name_of(requirement, requirement.id, language) if requirement is not None else ""
    terms = {"name": name, "missing": amount_of(gap)}
    code = "gap_total" if requirement is None else ("gap_count" if gap.count else "gap_credits")
    shown: dict[str, Any] = {"sentence": sentence(code, language, terms), "ways": [], "together": []}
    for way in ways.ways:
        gives = str(way.count) if gap.count else str(Credits(way.milli))
        shown["ways"].append(
            {**show_offering(way.offering), "gives": gives, "closes": way.closes,
             "sentence": sentence_of_way(way.offering, gives, language)}
        )  # fmt: skip
    shown["together"] = [show_offering(one) for one in ways.together]
    shown["left"] = amount_of(ways.left)
    if not ways.ways:
        owner = audit.place.ref.rule_set
        shown["sentence"] += " " + sentence("gap_no_way", language, {"rule_set": owner})
    return shown


def amount_of(gap: Gap) -> str:
    """What a gap lacks, in credits or in lots."""
    return str(gap.count) if gap.count else str(Credits(gap.milli))


def show_offering(offering: Offering) -> dict[str, Any]:
    """What whoever chooses wants to know of an offering."""
    return {
        "offering": str(offering.id),
        "code": offering.code,
        "provider": offering.provider,
        "title": {"zh": offering.title_zh, "en": offering.title_en},
        "starts": offering.starts_on.isoformat() if offering.starts_on is not None else None,
        "ends": offering.ends_on.isoformat() if offering.ends_on is not None else None,
        "hours": str(Credits(offering.hours_milli)) if offering.hours_milli is not None else None,
        "fee": str(Credits(offering.fee_milli)) if offering.fee_milli is not None else None,
        "places": offering.places,
    }


def sentence_of_way(offering: Offering, gives: str, language: Language) -> str:
    """A way in a sentence: what, where, how much and when."""
    title = offering.title_zh if language == "zh-Hans" else offering.title_en
    terms = {"title": title, "provider": offering.provider, "gives": gives}
    if offering.ends_on is None:
        return sentence("way_any_time", language, terms)
    return sentence("way_by", language, {**terms, "ends": offering.ends_on.isoformat()})


# --- What an offering is worth ----------------------------------------------------------------------------------------


class WorthLotOut(TypedDict):
    """A lot that completing the offering would give."""

    unit: str
    category: str | None
    level: int | None
    credits: str
    excess: str
    expires: str | None


class RuleWorthOut(TypedDict):
    """What one rule set makes of it. The effect ``none`` names the nearest rule, which did not take it."""

    rule_set: str | None
    version: int | None
    rule: str | None
    effect: str
    credit_unit: str | None
    lots: list[WorthLotOut]
    sentence: str


class WorthOut(TypedDict):
    """What completing an offering would give, by itself."""

    offering: UUID
    as_of: date
    completed: date
    assumed: dict[str, Any]
    worth: list[RuleWorthOut]


def show_worth(made: Decision, told: str) -> dict[str, Any]:
    """The shape of what one rule set makes of an offering."""
    return {
        "rule_set": made.rule_set or None,
        "version": made.version or None,
        "rule": made.rule,
        "effect": made.effect,
        "credit_unit": made.credit_unit or None,
        "lots": [
            {
                "unit": lot.unit,
                "category": lot.category,
                "level": lot.level,
                "credits": str(lot.recognised),
                "excess": str(lot.excess),
                "expires": lot.expires.isoformat() if lot.expires is not None else None,
            }
            for lot in made.lots
        ],
        "sentence": told,
    }
