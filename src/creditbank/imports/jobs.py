"""Working through a file, each chunk in one transaction, and forgetting files that have been kept long enough."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM, Actor
from creditbank.claims.files import EvidenceFolder
from creditbank.clock import Clock, learning_day
from creditbank.database.engine import was_locked_out
from creditbank.database.savepoints import apart, undone
from creditbank.errors import Fault, Refusal
from creditbank.imports import actions, queries
from creditbank.imports.domain import OPEN, Counts, Import, RowProblem, Speaker
from creditbank.imports.files import ROWS_A_PIECE, Given, Pieces
from creditbank.imports.rows import place_of, read_row
from creditbank.intake.actions import Desk, Outcome, Recorded, submit
from creditbank.intake.domain import Submission, TryAgain
from creditbank.intake.reading import known_pointer, read_submission
from creditbank.jobs.actions import enqueue
from creditbank.jobs.domain import Job, Step
from creditbank.learners.domain import NAMING_REFUSED, UnknownLearner
from creditbank.web.bodies import check_repeated
from creditbank.web.problems import EdgeRefusal

FORGETTING_IMPORTS: Final = "forget_imports"

# A quarter of what a batch may hold: whoever posts meanwhile waits so much shorter for the same learners.
_ROWS_A_STEP: Final = 250
# After so many steps what is due besides comes first.
_STEPS_A_TURN: Final = 20
_EVERY: Final = timedelta(days=1)
# Terms of refusals that are the bank's own words; of all others a problem keeps nothing, for they repeat what was sent.
_OWN: Final = frozenset({"today", "most", "least", "minutes", "seconds", "state", "type", "wanted"})
_PROBLEMS_A_ROW: Final = 20

_log = structlog.get_logger()

_Looked = Submission | list[RowProblem]
"""A row as it was read: what is submitted, or all that is wrong in it."""


class _Refused(Exception):
    """A row was refused of an import that stops there: the chunk is done again without it and those behind it."""

    def __init__(self, place: int, became: Outcome | list[RowProblem]) -> None:
        self.place = place
        self.became = became


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What became of the rows of one step, in their order; ``is_cut`` when the import stops behind them."""

    became: Sequence[Outcome | list[RowProblem]]
    is_cut: bool


class Importing:
    """Submits the next rows of a file. The position is written in the same transaction, so that none is done twice."""

    def __init__(self, desk: Desk, folder: EvidenceFolder, zone: ZoneInfo) -> None:
        self._desk = desk
        self._folder = folder
        self._zone = zone

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Take one step of an import. Raises what a lost file, a lost seal, or a lost database raises."""
        one = await queries.lock(connection, UUID(job.payload["import"]))
        if one.state != OPEN or one.job_id != job.id or one.wrapped is None:
            # It was cancelled.
            return Step(job.progress, is_done=True)
        given = await self._next_rows(connection, one)
        chunk = await self._chunk(connection, one, given)
        await self._note_unknown(connection, one, chunk)
        counts, problems = self._told(one, given, chunk)
        one = await actions.advance(connection, one, counts, problems)
        steps = int(job.progress.get("steps", 0)) + 1
        if chunk.is_cut or one.counts.rows == one.rows:
            await self._end(connection, one, "stopped" if chunk.is_cut else "done")
        elif steps == _STEPS_A_TURN:
            await actions.hand_over(connection, one, self._desk.clock())
        else:
            return Step({"steps": steps}, is_done=False)
        return Step({"rows": one.counts.rows}, is_done=True)

    async def _note_unknown(self, connection: AsyncConnection, one: Import, chunk: _Chunk) -> None:
        """Write down how many people the bank does not know: a file of names is a way to fish for them too."""
        unknown = sum(isinstance(became, UnknownLearner) for became in chunk.became)
        if unknown:
            actor = _actor_of(one.speaker)
            details = {"refused": unknown}
            await record(connection, actor.by, NAMING_REFUSED, actor.identity, details, self._desk.clock())

    async def _end(self, connection: AsyncConnection, one: Import, state: str) -> None:
        now, counts = self._desk.clock(), one.counts
        await actions.end(connection, one, state, now)
        details = {"recorded": counts.recorded, "unchanged": counts.unchanged, "refused": counts.refused}
        await record(connection, SYSTEM, f"import.{state}", f"import:{one.id}", details, now, one.owned)

    async def _next_rows(self, connection: AsyncConnection, one: Import) -> list[Given]:
        number, place = divmod(one.counts.rows, ROWS_A_PIECE)
        # Of a table the first piece is its headings.
        name = await queries.piece_of(connection, one.id, number + (one.format != "ndjson"))
        pieces = Pieces(self._folder, self._desk.vault.unwrap(one.id, one.wrapped or b""))
        rows = await asyncio.to_thread(pieces.rows, name)
        return rows[place : place + _ROWS_A_STEP]

    # --- What is submitted --------------------------------------------------------------------------------------------

    async def _chunk(self, connection: AsyncConnection, one: Import, given: Sequence[Given]) -> _Chunk:
        today, actor = learning_day(self._desk.clock(), self._zone), _actor_of(one.speaker)
        looked = [_look_guarded(one, row, what, actor, today) for row, what in given]
        if one.on_error == "skip":
            return _Chunk(await self._submit(connection, one, looked, today), is_cut=False)
        wrong = next((place for place, row in enumerate(looked) if isinstance(row, list)), None)
        tried = looked if wrong is None else looked[: wrong + 1]
        try:
            async with apart(connection):
                became = await self._submit(connection, one, tried, today)
                refused = next((place for place, row in enumerate(became) if not isinstance(row, Recorded)), None)
                if refused is not None:
                    raise _Refused(refused, became[refused])
        except _Refused as stopped:
            before = await self._submit(connection, one, tried[: stopped.place], today)
            return _Chunk([*before, stopped.became], is_cut=True)
        return _Chunk(became, is_cut=False)

    async def _submit(
        self, connection: AsyncConnection, one: Import, looked: Sequence[_Looked], today: date
    ) -> list[Outcome | list[RowProblem]]:
        submissions = [row for row in looked if isinstance(row, Submission)]
        try:
            outcomes = iter(await self._try(connection, one, submissions, today))
        except Exception as error:
            if isinstance(error, TryAgain) or was_locked_out(error):
                # It passes: the chunk is tried again, whole, after a while.
                raise
            _log.warning("chunk_retried", rows=len(submissions), error=type(error).__name__)
            outcomes = iter([await self._alone(connection, one, row, today) for row in submissions])
        return [next(outcomes) if isinstance(row, Submission) else row for row in looked]

    async def _try(
        self, connection: AsyncConnection, one: Import, submissions: Sequence[Submission], today: date
    ) -> list[Outcome]:
        if not submissions:
            return []
        async with undone(connection) if one.is_dry else apart(connection):
            return await submit(connection, self._desk, submissions, today)

    async def _alone(self, connection: AsyncConnection, one: Import, submission: Submission, today: date) -> Outcome:
        """One row by itself, so that none fails for its neighbour's sake."""
        try:
            return (await self._try(connection, one, [submission], today))[0]
        except Exception as error:
            if was_locked_out(error):
                raise
            _log.error("row_failed", imported=str(one.id), error=type(error).__name__)
            return TryAgain()

    # --- What is told of it -------------------------------------------------------------------------------------------

    def _told(self, one: Import, given: Sequence[Given], chunk: _Chunk) -> tuple[Counts, list[RowProblem]]:
        recorded = unchanged = refused = 0
        problems: list[RowProblem] = []
        for (row, _), became in zip(given, chunk.became, strict=False):
            if isinstance(became, Recorded):
                recorded, unchanged = recorded + became.is_new, unchanged + (not became.is_new)
                continue
            refused += 1
            found = became if isinstance(became, list) else _problems_of(became, row, one.columns)
            problems += sorted(found, key=lambda problem: problem.column or 0)[:_PROBLEMS_A_ROW]
        return Counts(recorded, unchanged, refused), problems


def _actor_of(speaker: Speaker) -> Actor:
    """Whoever handed the file in, with the rights that they had."""
    scopes = {"achievements:write"} | ({"learners:write"} if speaker.opens_accounts else set())
    return Actor(speaker.client_id, speaker.provider, frozenset(scopes), speaker.assurance)


def _look_guarded(one: Import, row: int, what: object, actor: Actor, today: date) -> _Looked:
    try:
        return _look(one, row, what, actor, today)
    except Exception as error:
        # One row that cannot be read holds up none behind it.
        _log.error("row_unreadable", imported=str(one.id), row=row, error=type(error).__name__)
        return [RowProblem(row, None, "", "wrong_value")]


def _look(one: Import, row: int, what: object, actor: Actor, today: date) -> _Looked:
    if one.format == "ndjson":
        return _look_at_line(row, str(what), actor, today)
    cells = what if isinstance(what, list) else []
    stated, problems = read_row(row, one.columns, cells, opens_accounts=one.speaker.opens_accounts)
    read = read_submission(orjson.dumps(stated), actor, today)
    if isinstance(read, Submission):
        return problems or read
    # What could not be taken from its cell is missing in the statement: it is wrong once.
    columns, pointers = {p.column for p in problems if p.column is not None}, {p.pointer for p in problems}
    told = _problems_of(read, row, one.columns)
    further = [p for p in told if p.column not in columns and p.pointer not in pointers]
    return [*problems, *further] or [RowProblem(row, None, "", "wrong_value")]


def _look_at_line(row: int, line: str, actor: Actor, today: date) -> _Looked:
    raw = line.encode()
    try:
        check_repeated(raw)
    except EdgeRefusal as repeated:
        return _problems_of(repeated, row, ())
    read = read_submission(raw, actor, today)
    return read if isinstance(read, Submission) else _problems_of(read, row, ())


def _problems_of(refusal: Refusal | EdgeRefusal, row: int, columns: Sequence[str]) -> list[RowProblem]:
    """The problems that a refusal tells, without what was sent."""
    if refusal.faults:
        placed = [place_of(fault, row, columns) for fault in refusal.faults]
        return [replace(problem, pointer=known_pointer(problem.pointer)) for problem in placed]
    if isinstance(refusal, EdgeRefusal):
        return [RowProblem(row, None, "", refusal.code)]
    terms = {name: term if name in _OWN else "…" for name, term in refusal.terms().items()}
    return [place_of(Fault(refusal.pointer, refusal.code, "", says=refusal.says, terms=terms), row, columns)]


class ForgettingImports:
    """One round; each round asks for the next."""

    def __init__(self, clock: Clock, kept: timedelta) -> None:
        self._clock = clock
        self._kept = kept

    async def __call__(self, connection: AsyncConnection, job: Job) -> Step:
        """Destroy the keys of files whose imports ended so long ago."""
        now = self._clock()
        forgotten = await actions.forget_old(connection, now - self._kept, now)
        following = now + _EVERY
        key = f"{FORGETTING_IMPORTS}:{following:%Y%m%d}"
        await enqueue(connection, FORGETTING_IMPORTS, {}, now, dedup_key=key, run_at=following)
        return Step({"forgotten": forgotten}, is_done=True)


async def ask_forgetting_imports(connection: AsyncConnection, clock: Clock) -> None:
    """Ask for a round now, unless one is asked for already."""
    now = clock()
    await enqueue(connection, FORGETTING_IMPORTS, {}, now, dedup_key=f"{FORGETTING_IMPORTS}:{now:%Y%m%d}")
