"""What publishing a document would change: both sets of rules evaluated for learners, and the effects added up.

Nothing is settled and nobody is locked. The counting stands in the job's progress, which is written in the transaction
of each step: a step that was not kept is counted again from where the last kept one ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock
from creditbank.enrolments.queries import count_enrolled, page_of_enrolled
from creditbank.jobs.domain import Job, Step
from creditbank.learners.queries import LockedLearner, load, page_of_ids
from creditbank.learners.tables import learners
from creditbank.publishing.domain import Tally, effect_of
from creditbank.publishing.queries import touched_learners
from creditbank.recognition.domain import evaluate_achievements
from creditbank.recognition.reach import load_all
from creditbank.rules.compile import CompiledVersion, compile_version
from creditbank.rules.difference import EVERYTHING, Touched, difference
from creditbank.rules.layers import Layered
from creditbank.rules.outcome import Decision
from creditbank.rulesets.actions import end_simulation
from creditbank.rulesets.domain import MUTABLE, Book, Interval, Simulation, StoredVersion, VersionOverlaps, succeed
from creditbank.rulesets.queries import find_simulation, find_version, layered_of, publications_of, versions_of
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault

LEARNERS_A_STEP: Final = 50
"""Learners in one transaction: few enough that a publication, which waits for the step, waits but a moment."""

BOXES_MAX: Final = 200
"""Beyond so many boxes asking which learners they meet costs more than evaluating everybody."""

WALKED_A_STEP: Final = 10_000
"""Of a sample so many are walked past in one transaction, at most."""


@dataclass(frozen=True, slots=True)
class Compared:
    """The lines of one rule set as it is and as it would be; ``book`` is the present one over the versions of both."""

    code: str
    book: Book
    before: Sequence[CompiledVersion]
    after: Sequence[CompiledVersion]
    # What the change can touch; EVERYTHING among them: no learner can be left out.
    touched: Sequence[Touched]


async def compared(connection: AsyncConnection, shelf: Shelf, version: StoredVersion) -> Compared:
    """What is compared when this version is simulated now. Raises VersionOverlaps.

    Until this transaction ends nobody publishes. Whose decisions are compared is for whoever asks: of a rule set for
    the enrolled those who were ever enrolled in one of its programmes, since nobody else is settled by it.
    """
    book = await shelf.book(connection)
    code = version.rule_set.code
    standing = {entry.version_id: entry.compiled for (rule_set, _), entry in book.entries.items() if rule_set == code}
    layered = await layered_of(connection, version.document)
    draft = compile_version(layered, sha256=version.sha256)
    valid = Interval(draft.valid_from, draft.valid_until)
    after = [draft]
    publications = await publications_of(connection, [version.rule_set.id], standing=True)
    changed = {change.former.version_id: change.rest for change in succeed(publications, valid)}
    for version_id, compiled in standing.items():
        rest = changed.get(version_id, Interval(compiled.valid_from, compiled.valid_until))
        if rest is not None:
            after.append(replace(compiled, valid_from=rest.start, valid_until=rest.until))
    before = list(standing.values())
    touched = await _touched(connection, version, layered, list(changed))
    return Compared(code, replace(book, versions=[*before, *after]), before, after, touched)


async def _touched(
    connection: AsyncConnection, version: StoredVersion, layered: Layered, replaced: Sequence[UUID]
) -> Sequence[Touched]:
    """What publishing can touch beside what the one version said that it takes days from.

    A version without such a one, or one that reaches back or lets itself be elected, touches everybody. The days
    themselves make no difference: before and after the first day of a successor its days were the former's.
    """
    transition = layered.own.transition
    if len(replaced) != 1 or transition.applies_to != "new_only" or transition.elect_until is not None:
        return (EVERYTHING,)
    (former,) = [v for v in await versions_of(connection, [version.rule_set]) if v.id == replaced[0]]
    old = await layered_of(connection, former.document)
    days = {"from_": layered.header.from_, "until": layered.header.until}
    same_days = old.own.model_copy(update={"ruleset": old.header.model_copy(update=days)})
    found = difference(Layered((same_days, *old.documents[1:])), layered).touched
    return found if len(found) <= BOXES_MAX else (EVERYTHING,)


@dataclass(frozen=True, slots=True)
class Case:
    """One learner's decisions of a rule set, as it is and as it would be, with the ids behind the facts' keys."""

    before: Sequence[Decision]
    after: Sequence[Decision]
    ids: Mapping[str, UUID]


async def cases(
    connection: AsyncConnection, shelf: Shelf, lines: Compared, simulation: Simulation, whose: Sequence[LockedLearner]
) -> dict[UUID, Case]:
    """Evaluate these learners under both lines as of the simulation's day."""
    found: dict[UUID, Case] = {}
    for id_, touched in (await load_all(connection, shelf, whose, lines.book, simulation.as_of)).items():
        achievements = list(touched.achievements.values())
        both = []
        for line in (lines.before, lines.after):
            book, day = replace(lines.book, versions=line), simulation.as_of
            # What was redeemed stays what it is under either line.
            standing = touched.standing(book, day, of=lines.code)
            made = evaluate_achievements(achievements, book, day, touched.known, standing, touched.rulings)
            both.append(made.decisions)
        found[id_] = Case(both[0], both[1], {a.key: a.id for a in achievements})
    return found


class Simulating:
    """The job that simulates: some learners a step, from the first to the last.

    When a publication or an accreditation changes the rules meanwhile, it begins anew: half a report under one set of
    rules and half under another would be of neither.
    """

    def __init__(self, vault: Vault, shelf: Shelf, clock: Clock) -> None:
        self._vault = vault
        self._shelf = shelf
        self._clock = clock
        # Of the simulation under way: compiling once a step would be most of the work.
        self._lines: tuple[tuple[UUID, str, int], Compared] | None = None

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Look at the next learners."""
        found = await find_simulation(connection, UUID(job.payload["simulation"]))
        if found is None:
            return Step({"outcome": "discarded"}, is_done=True)
        simulation, rule_set_id, number = found
        version = await find_version(connection, rule_set_id, number)
        if version.sha256 != simulation.sha256 or version.state not in MUTABLE:
            return Step({"outcome": "outdated"}, is_done=True)
        try:
            lines = await self._compared(connection, simulation, version)
        except VersionOverlaps as refusal:
            return Step({"outcome": refusal.code}, is_done=True)
        is_same = job.progress.get("epoch") == lines.book.epoch
        progress = job.progress if is_same else await self._begin(connection, version, lines)
        return await self._look(connection, simulation, version, lines, progress)

    async def _compared(self, connection: AsyncConnection, simulation: Simulation, version: StoredVersion) -> Compared:
        key = (simulation.id, simulation.sha256, (await self._shelf.book(connection)).epoch)
        if self._lines is None or self._lines[0] != key:
            self._lines = (key, await compared(connection, self._shelf, version))
        return self._lines[1]

    async def _begin(self, connection: AsyncConnection, version: StoredVersion, lines: Compared) -> dict[str, Any]:
        if version.rule_set.audience == "enrolled":
            count = await count_enrolled(connection, version.rule_set.id)
        else:
            count = (await connection.execute(select(func.count()).select_from(learners))).scalar_one()
        return {"epoch": lines.book.epoch, "all": count, "walked": 0, "tally": Tally().as_json()}

    async def _look(
        self,
        connection: AsyncConnection,
        simulation: Simulation,
        version: StoredVersion,
        lines: Compared,
        progress: Mapping[str, Any],
    ) -> Step:
        stride = 1
        if simulation.sample is not None:
            stride = max(1, progress["all"] // simulation.sample)
        limit = stride * max(1, min(LEARNERS_A_STEP, WALKED_A_STEP // stride))
        after = UUID(progress["after"]) if "after" in progress else None
        ids = (
            await page_of_enrolled(connection, version.rule_set.id, after=after, limit=limit)
            if version.rule_set.audience == "enrolled"
            else await page_of_ids(connection, after=after, limit=limit)
        )
        # Every so many-th in the order of opening is a fair sample, and the same one after a crash.
        chosen = ids[::stride]
        tally = Tally.from_json(progress["tally"])
        if simulation.sample is not None:
            chosen = chosen[: max(simulation.sample - tally.seen, 0)]
        tally.seen += len(chosen)
        met = await touched_learners(connection, chosen, lines.touched)
        whose = list((await load(connection, self._vault, met)).values()) if met else []
        for id_, case in (await cases(connection, self._shelf, lines, simulation, whose)).items():
            tally.add(id_, effect_of(case.before, case.after))
        walked = {"epoch": progress["epoch"], "all": progress["all"], "walked": progress["walked"] + len(ids)}
        full = simulation.sample is not None and tally.seen >= simulation.sample
        if len(ids) == limit and not full:
            return Step({**walked, "after": str(ids[-1]), "tally": tally.as_json()}, is_done=False)
        await end_simulation(connection, simulation, version, tally.report(), self._clock())
        return Step({**walked, "outcome": "ended"}, is_done=True)
