"""Composition root of `backup` and `restore`: the database, the files of evidence, and what says that they are whole.

A backup is a folder. It holds the learners' wrapped keys and never the secrets that unwrap them, nor the roll of
erasures: the roll must be newer than the backup to be of use (decision 41).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select

from creditbank.access.actions import record
from creditbank.access.policy import Owned
from creditbank.claims.files import EvidenceFolder
from creditbank.claims.tables import evidence_files
from creditbank.clock import learning_day, system_clock
from creditbank.database import schema
from creditbank.database.copies import bring_back, copy_database, kind_of, tools_missing
from creditbank.database.engine import Database, opened
from creditbank.imports.tables import import_pieces
from creditbank.people.operating import at_command_line
from creditbank.privacy.actions import SWEPT, Eraser, check_roll, replay
from creditbank.privacy.queries import still_there
from creditbank.privacy.roll import Entry
from creditbank.sealing import Vault
from creditbank.settings import Settings

_FORMAT: Final = "creditbank.backup/v1"
_DATABASE: Final = "database"
_EVIDENCE: Final = "evidence"
_MANIFEST: Final = "manifest.json"
_TOLD_EVERY_SECONDS: Final = 0.2

Telling = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is done, and of how much if that is known."""


class BackupUnusable(Exception):
    """There is no whole backup of this bank there; the message is a sentence for an operator."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself, under a keyed hash: nobody without the bank's secrets can write one."""

    format: str
    database: str
    schema: str
    taken_at: str
    database_bytes: int
    database_sha256: str
    evidence_files: int

    def mac(self, vault: Vault) -> str:
        """The keyed hash of all of it."""
        return vault.lookup_key("backup", json.dumps(asdict(self), sort_keys=True)).hex()


@dataclass(frozen=True, slots=True)
class Kept:
    """Files of evidence that were copied, were there already, and were not to be had whole."""

    copied: int
    present: int
    lost: Sequence[str]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, but for the proof of it."""

    manifest: Manifest
    schema: str
    listed: int
    erased_again: int
    evidence: Kept


# --- Taking one -------------------------------------------------------------------------------------------------------


def take(settings: Settings, to: Path, telling: Telling) -> tuple[Manifest, Kept]:
    """Write a backup to a folder that is not there yet. It has its name only once it is whole and on the disk.

    Raises BackupUnusable, CannotCopy, OSError.
    """
    if to.exists():
        raise BackupUnusable(f"{to} is there already: each backup is a folder of its own")
    missing = tools_missing(settings.database_url)
    if missing is not None:
        raise BackupUnusable(missing)
    passing = to.with_name(f"{to.name}.part")
    shutil.rmtree(passing, ignore_errors=True)
    passing.mkdir(parents=True, mode=0o700)
    file = passing / _DATABASE
    at = system_clock()
    _watched(lambda: copy_database(settings.database_url, file), file, telling)
    # After the database: whatever it names was written before it was named.
    evidence = EvidenceFolder(passing / _EVIDENCE)
    kept = _keep_evidence(settings, EvidenceFolder(settings.evidence_folder), evidence, telling)
    size, digest = _hashed(file, telling)
    manifest = Manifest(
        _FORMAT, kind_of(settings.database_url), schema.head(), at.isoformat(), size, digest, kept.copied
    )
    text = json.dumps({**asdict(manifest), "mac": manifest.mac(Vault(*settings.secrets()))}, indent=1)
    _write(passing / _MANIFEST, text.encode())
    passing.rename(to)
    _to_disk(to.resolve().parent)
    return manifest, kept


def _watched(work: Callable[[], None], file: Path, telling: Telling) -> None:
    """Do the work beside, and tell meanwhile how far the file has grown."""
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        while True:
            try:
                return working.result(_TOLD_EVERY_SECONDS)
            except NotYet:
                telling("bytes of the database", file.stat().st_size if file.exists() else 0, None)


def _keep_evidence(settings: Settings, source: EvidenceFolder, target: EvidenceFolder, telling: Telling) -> Kept:
    kept = _copy_evidence(asyncio.run(_named(settings)), source, target, telling)
    # Whose files went while they were being copied has been erased meanwhile: nothing is lost.
    still = set(asyncio.run(_named(settings))) if kept.lost else set()
    return Kept(kept.copied, kept.present, [name for name in kept.lost if name in still])


async def _named(settings: Settings) -> list[str]:
    """The names of all files that a row of the database names: evidence, and the rows of imports."""
    async with opened(settings) as database, database.read() as connection:
        statement = select(evidence_files.c.stored_as).union(select(import_pieces.c.stored_as))
        return sorted((await connection.execute(statement)).scalars())


def _copy_evidence(names: Sequence[str], source: EvidenceFolder, target: EvidenceFolder, telling: Telling) -> Kept:
    copied, present, lost = 0, 0, []
    for number, name in enumerate(names):
        telling("files of evidence", number, len(names))
        if target.is_whole(name):
            present += 1
            continue
        try:
            target.keep(source.read(name))
            copied += 1
        except (FileNotFoundError, ValueError):
            lost.append(name)
    return Kept(copied, present, lost)


def _hashed(file: Path, telling: Telling) -> tuple[int, str]:
    whole, size, digest = file.stat().st_size, 0, hashlib.sha256()
    with file.open("rb") as read:
        while part := read.read(1 << 20):
            size += len(part)
            digest.update(part)
            telling("bytes hashed", size, whole)
    return size, digest.hexdigest()


def _write(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    _to_disk(file.parent)


def _to_disk(folder: Path) -> None:
    entry = os.open(folder, os.O_RDONLY)
    os.fsync(entry)
    os.close(entry)


# --- Bringing one back ------------------------------------------------------------------------------------------------


def check(settings: Settings, backup: Path, telling: Telling) -> Manifest:
    """What a backup says of itself, once it was seen to be whole, this bank's, and of a kind that can be brought back.

    Raises BackupUnusable, OSError.
    """
    try:
        plain: dict[str, Any] = json.loads((backup / _MANIFEST).read_text("utf-8"))
        mac = str(plain.pop("mac"))
        manifest = Manifest(**plain)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise BackupUnusable(f"{backup} is no whole backup: `creditbank backup` ends with its {_MANIFEST}") from wrong
    if not hmac.compare_digest(manifest.mac(Vault(*settings.secrets())).encode(), mac.encode()):
        raise BackupUnusable("it was made with other secrets than these, or its manifest was changed")
    if manifest.format != _FORMAT or not schema.knows(manifest.schema):
        raise BackupUnusable(f"it is of schema {manifest.schema}, which this version does not know: use a newer one")
    if manifest.database != kind_of(settings.database_url):
        raise BackupUnusable(f"it is of {manifest.database}, and CREDITBANK_DATABASE_URL leads to another kind")
    missing = tools_missing(settings.database_url)
    if missing is not None:
        raise BackupUnusable(missing)
    if _hashed(backup / _DATABASE, telling) != (manifest.database_bytes, manifest.database_sha256):
        raise BackupUnusable("its database is not what was backed up: the file was changed or cut")
    return manifest


def restore(settings: Settings, backup: Path, manifest: Manifest, eraser: Eraser, telling: Telling) -> Restored:
    """Bring a backup that was checked into the database, and erase again whoever was erased since.

    The database bears the mark of what is not whole until ``take_mark_away``. Raises CannotCopy, RollBroken, OSError.
    """
    url = settings.database_url
    # Before anything is replaced: with a roll that cannot be read nothing could be finished.
    listed = eraser.roll.read()
    _watched(lambda: asyncio.run(bring_back(url, backup / _DATABASE)), backup / _DATABASE, telling)
    schema.upgrade(url)

    async def forget() -> int:
        async with opened(settings) as database:
            async with database.write() as connection:
                await schema.make_month_partitions(connection, "audit_events", system_clock())
            today = learning_day(system_clock(), settings.zone)
            return await replay_all(
                database, eraser, listed, today, lambda n, of: telling("people erased again", n, of)
            )

    again = asyncio.run(forget())
    # After the erasures: the files of whoever was erased are named no more and do not come back.
    source, target = EvidenceFolder(backup / _EVIDENCE), EvidenceFolder(settings.evidence_folder)
    kept = _copy_evidence(asyncio.run(_named(settings)), source, target, telling)
    return Restored(manifest, schema.head(), len(listed), again, kept)


async def replay_all(
    database: Database, eraser: Eraser, entries: Sequence[Entry], today: date, told: Callable[[int, int], None]
) -> int:
    """Erase again whoever of a roll is there, each in a transaction of their own; answers how many those were.

    ``told`` learns how many are done, and of how many. Raises ErasuresPending, RollBroken, OSError.
    """
    async with database.read() as connection:
        back = await still_there(connection, sorted({entry.learner_id for entry in entries}))
    for number, learner_id in enumerate(back):
        told(number, len(back))
        async with database.write() as connection:
            await replay(connection, eraser, learner_id, today)
            owned, at = Owned(learner_id=learner_id), eraser.counter.clock()
            await record(connection, at_command_line(), "erasure.replay", f"learner:{learner_id}", {}, at, owned)
    if back:
        await database.sweep(*SWEPT)
    async with database.read() as connection:
        await check_roll(connection, eraser.roll)
    return len(back)
