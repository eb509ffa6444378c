"""Reads of achievements; their content is opened here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.domain import VALID, Achievement, Content, Figure, Level, Version, is_hidden
from creditbank.achievements.tables import achievement_keys, achievement_versions, achievements
from creditbank.database.statements import among, pairs_among, under
from creditbank.learners.domain import ERASED
from creditbank.learners.queries import merged_keys_of
from creditbank.learners.tables import learners
from creditbank.providers.queries import codes_under
from creditbank.sealing import LearnerKey, Vault

CONTENT = b"achievement_versions.content"
REASON = b"achievement_versions.reason"


def lookup_key(vault: Vault, provider_code: str, external_id: str) -> bytes:
    """The key that claims a provider's external id."""
    return vault.lookup_key("achievement", provider_code, external_id)


def seal_content(key: LearnerKey, content: Mapping[str, Any]) -> bytes:
    """The statement as it is stored; equal statements have equal plain bytes."""
    return key.seal(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), CONTENT)


async def claimed(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, tuple[UUID, UUID]]:
    """Learner and achievement by claimed key."""
    if not keys:
        return {}
    statement = select(achievement_keys).where(among(connection, achievement_keys.c.key, keys))
    return {bytes(row.key): (row.learner_id, row.achievement_id) for row in await connection.execute(statement)}


async def owner(connection: AsyncConnection, achievement_id: UUID) -> UUID | None:
    """Whose achievement this is; None when there is none."""
    statement = select(achievement_keys.c.learner_id).where(achievement_keys.c.achievement_id == achievement_id)
    return (await connection.execute(statement)).scalar_one_or_none()


async def owners(connection: AsyncConnection, achievement_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Whose these achievements are, by their ids."""
    if not achievement_ids:
        return {}
    statement = select(achievement_keys.c.achievement_id, achievement_keys.c.learner_id).where(
        among(connection, achievement_keys.c.achievement_id, achievement_ids)
    )
    return {id_: learner_id for id_, learner_id in await connection.execute(statement)}


async def named(connection: AsyncConnection, learner_id: UUID, named_id: UUID) -> set[UUID]:
    """A learner's achievements whose providers named this merged account."""
    statement = select(achievements.c.id).where(
        achievements.c.learner_id == learner_id, achievements.c.named_id == named_id
    )
    return set((await connection.execute(statement)).scalars())


_stored = achievement_versions.c
_VERSIONS = select(
    _stored.id,
    _stored.learner_id,
    _stored.achievement_id,
    _stored.number,
    _stored.status,
    _stored.content,
    _stored.reason,
    _stored.effective,
    _stored.client_id,
    _stored.recorded_at,
    _stored.merged_id,
).order_by(_stored.achievement_id, _stored.number)


async def of_learners(connection: AsyncConnection, keys: Mapping[UUID, LearnerKey]) -> dict[UUID, list[Achievement]]:
    """Every achievement of the learners whose keys are given, with all versions, in the order of their ids."""
    statement = _VERSIONS.where(among(connection, achievement_versions.c.learner_id, list(keys)))
    found: dict[UUID, dict[UUID, Achievement]] = {learner_id: {} for learner_id in keys}
    for version in await _read(connection, statement, keys):
        _add(found[version.learner_id], version)
    return {learner_id: list(mine.values()) for learner_id, mine in found.items()}


async def of_pairs(
    connection: AsyncConnection, keys: Mapping[UUID, LearnerKey], pairs: Sequence[tuple[UUID, UUID]]
) -> list[Achievement]:
    """The achievements that (learner, achievement) pairs name, with all versions."""
    if not pairs:
        return []
    columns = (achievement_versions.c.learner_id, achievement_versions.c.achievement_id)
    found: dict[UUID, Achievement] = {}
    for version in await _read(connection, _VERSIONS.where(pairs_among(connection, columns, pairs)), keys):
        _add(found, version)
    return list(found.values())


async def given_back(connection: AsyncConnection, learner_id: UUID, achievements_: Sequence[Achievement]) -> set[UUID]:
    """Which of the achievements that stand at an account are another's: a merge brought them, its undoing took them.

    Versions stay for ever, so a withdrawn copy lies here of what may be another person's. Nobody is shown it.
    """
    withdrawn = [one.id for one in achievements_ if one.current.status != VALID]
    if not withdrawn:
        return set()
    stands_for = select(learners.c.merged_into).where(learners.c.id == learner_id)
    # Of a merged account it is the person's own that stands at the account which stands for it.
    theirs = {learner_id, (await connection.execute(stands_for)).scalar_one_or_none()}
    led = await owners(connection, withdrawn)
    return {id_ for id_ in withdrawn if led.get(id_) not in theirs - {None}}


async def shown_of(connection: AsyncConnection, learner_id: UUID, key: LearnerKey) -> list[Achievement]:
    """A learner's achievements as they are shown: all but those that were given back to another account."""
    mine = (await of_learners(connection, {learner_id: key}))[learner_id]
    gone = await given_back(connection, learner_id, mine)
    return [one for one in mine if one.id not in gone]


async def forgotten(connection: AsyncConnection, achievement_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these stand at the account of an erased person too, with whom their external ids were forgotten."""
    if not achievement_ids:
        return set()
    statement = (
        select(achievements.c.id)
        .join_from(achievements, learners)
        .where(learners.c.state == ERASED, among(connection, achievements.c.id, achievement_ids))
    )
    return set((await connection.execute(statement)).scalars())


async def learners_at(connection: AsyncConnection, top: str, *, after: UUID | None, limit: int) -> list[UUID]:
    """Learners with an achievement of ``top`` or of one below it, in the order of their ids, those beyond ``after``.

    Walking through all of them looks at every learner once.
    """
    theirs = exists().where(achievements.c.learner_id == learners.c.id, under(achievements.c.provider, top))
    statement = select(learners.c.id).where(theirs).order_by(learners.c.id).limit(limit)
    if after is not None:
        statement = statement.where(learners.c.id > after)
    return list((await connection.execute(statement)).scalars())


async def shown_figure(connection: AsyncConnection, code: str, start: date, until: date, least: int) -> Figure | None:
    """What ``code`` and all below it did in a period; None where that, or what could be computed from it and from the
    figures of others, would be of fewer learners than ``least``."""
    steps = code.split("/")
    path = ["/".join(steps[: number + 1]) for number in range(len(steps))]
    figure = await served(connection, code, start, until)
    if figure.is_small(least):
        return None
    levels = [await _level(connection, above, start, until) for above in path[:-1]]
    return None if is_hidden(levels, path, least) else figure


async def _level(connection: AsyncConnection, code: str, start: date, until: date) -> Level:
    below = [one for one in await codes_under(connection, code) if one.rpartition("/")[0] == code]
    return Level(
        await served(connection, code, start, until),
        await served(connection, code, start, until, is_alone=True),
        {one: await served(connection, one, start, until) for one in below},
    )


async def served(connection: AsyncConnection, top: str, start: date, until: date, *, is_alone: bool = False) -> Figure:
    """How many achievements of ``top`` and all below it, or of it alone, were completed from ``start`` until before
    ``until`` and hold still, and how many learners they are of."""
    later = achievement_versions.alias("later")
    statement = (
        select(func.count(), func.count(achievements.c.learner_id.distinct()))
        .join_from(
            achievements,
            achievement_versions,
            (_stored.learner_id == achievements.c.learner_id) & (_stored.achievement_id == achievements.c.id),
        )
        .where(
            achievements.c.provider == top if is_alone else under(achievements.c.provider, top),
            _stored.status == VALID,
            _stored.completed >= start,
            _stored.completed < until,
            ~exists().where(
                later.c.learner_id == _stored.learner_id,
                later.c.achievement_id == _stored.achievement_id,
                later.c.number > _stored.number,
            ),
        )
    )
    count, of_learners = (await connection.execute(statement)).one()
    return Figure(count, of_learners)


def _add(mine: dict[UUID, Achievement], version: Version) -> None:
    held = mine.get(version.achievement_id)
    versions = [*held.versions, version] if held else [version]
    mine[version.achievement_id] = Achievement(version.learner_id, version.achievement_id, versions)


async def _read(connection: AsyncConnection, statement: Select[Any], keys: Mapping[UUID, LearnerKey]) -> list[Version]:
    """The versions, opened; of those that are an erased person's, what stands in the clear."""
    rows = (await connection.execute(statement)).all()
    foreign = {row.learner_id for row in rows if row.merged_id is not None}
    if not foreign:
        return [_version_of(row, keys[row.learner_id]) for row in rows]
    others = await merged_keys_of(connection, {id_: keys[id_] for id_ in foreign})
    lost = [row.id for row in rows if row.merged_id is not None and (row.learner_id, row.merged_id) not in others]
    clear = await _clear(connection, lost)
    found = []
    for row in rows:
        if row.id in clear:
            found.append(_lost_version_of(row, clear[row.id]))
        else:
            key = keys[row.learner_id] if row.merged_id is None else others[row.learner_id, row.merged_id]
            found.append(_version_of(row, key))
    return found


async def _clear(connection: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Content]:
    """What stands in the clear of these versions, as a statement that names nobody."""
    if not ids:
        return {}
    statement = (
        select(
            _stored.id, _stored.achievement_id, _stored.kind, _stored.code, _stored.completed, achievements.c.provider
        )
        .join_from(
            achievement_versions,
            achievements,
            (_stored.learner_id == achievements.c.learner_id) & (_stored.achievement_id == achievements.c.id),
        )
        .where(among(connection, _stored.id, ids))
    )
    found: dict[UUID, Content] = {}
    for row in await connection.execute(statement):
        said = {"kind": row.kind, "completed": row.completed.isoformat(), "provider": row.provider}
        coded = {"code": row.code} if row.code is not None else {}
        # No two facts have one key, though nobody knows any more what its provider called it.
        found[row.id] = {**said, **coded, "external_id": str(row.achievement_id)}
    return found


def _version_of(row: Row[Any], key: LearnerKey) -> Version:
    content = orjson.loads(key.open(row.content, CONTENT))
    return _version(row, content, key.open(row.reason, REASON).decode() if row.reason is not None else None)


def _lost_version_of(row: Row[Any], clear: Content) -> Version:
    """A version of which the key is destroyed with the person of whom it was stated: a copy, withdrawn for ever."""
    return _version(row, clear, None)


def _version(row: Row[Any], content: Content, reason: str | None) -> Version:
    return Version(
        row.learner_id,
        row.achievement_id,
        row.number,
        row.status,
        content,
        reason,
        row.effective,
        row.client_id,
        row.recorded_at,
        row.merged_id,
    )
