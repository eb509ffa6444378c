"""Reads of accounts; whatever names the person is opened here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.database.statements import among, for_update
from creditbank.errors import Refusal
from creditbank.learners.domain import (
    ENDED,
    ERASED,
    MERGED,
    PENDING,
    AccountEnded,
    AccountUnconfirmed,
    Application,
    Found,
    Identity,
    Learner,
    LearnerErased,
    LearnerNotFound,
    Profile,
    Reference,
    Residence,
    likeness_of,
)
from creditbank.learners.tables import learner_identities, learner_keys, learners, merged_keys, residences
from creditbank.sealing import LearnerKey, Vault

PROFILE = b"learners.profile"
MERGED_KEY = b"merged_keys.sealed"


@dataclass(slots=True)
class LockedLearner:
    """A learner whose row this transaction holds: proof that what follows is serial for this learner."""

    id: UUID
    key: LearnerKey
    seq: int
    head: bytes
    recorded_at: datetime
    evaluated_as_of: date | None
    evaluated_epoch: int | None
    state: str
    # As it stood when it was locked.
    _stored: tuple[object, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._stored = self._standing()

    def _standing(self) -> tuple[object, ...]:
        return self.seq, self.head, self.recorded_at, self.evaluated_as_of, self.evaluated_epoch

    def check_active(self, pointer: str = "") -> None:
        """Hold the account to be one of which something new may be recorded. Raises AccountEnded."""
        if self.state in ENDED:
            raise AccountEnded(state=self.state, pointer=pointer)

    def check_unmerged(self, pointer: str = "") -> None:
        """Hold the account not to be merged, where one that has otherwise ended will do. Raises AccountEnded."""
        if self.state == MERGED:
            raise AccountEnded(state=self.state, pointer=pointer)

    def check_confirmed(self) -> None:
        """Hold somebody to have confirmed whose account it is. Raises AccountUnconfirmed."""
        if self.state == PENDING:
            raise AccountUnconfirmed

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to be written back."""
        return self._standing() != self._stored


def seal_profile(key: LearnerKey, profile: Profile) -> bytes:
    """The profile as it is stored."""
    plain = {
        "number": profile.number,
        "name": profile.name,
        "birth_date": profile.birth_date.isoformat() if profile.birth_date else None,
        "identities": [{"type": i.type, "value": i.value, "issuer": i.issuer} for i in profile.identities],
        "claimed": [{"type": i.type, "value": i.value, "issuer": i.issuer} for i in profile.claimed],
        "is_own_word": profile.is_own_word,
    }
    return key.seal(orjson.dumps(plain), PROFILE)


def open_profile(key: LearnerKey, sealed: bytes) -> Profile:
    """The profile that was stored. Raises SealBroken."""
    plain = orjson.loads(key.open(sealed, PROFILE))
    born = plain["birth_date"]
    return Profile(
        plain["number"],
        plain["name"],
        date.fromisoformat(born) if born else None,
        tuple(Identity(**identity) for identity in plain["identities"]),
        # Profiles sealed before anybody could claim anything have neither.
        tuple(Identity(**identity) for identity in plain.get("claimed", ())),
        plain.get("is_own_word", False),
    )


def lookup_key(vault: Vault, reference: Reference) -> bytes | None:
    """The key in ``learner_identities`` that finds this learner; None when it is given by id."""
    if reference.number is not None:
        return vault.lookup_key("number", reference.number)
    if reference.identity is not None:
        return vault.lookup_key(*reference.identity.parts())
    return None


def likeness_key(vault: Vault, profile: Profile) -> bytes:
    """By what an account is like another of the same person, as it is stored."""
    parts = likeness_of(profile.name, profile.birth_date)
    return vault.lookup_key(*parts) if parts is not None else b""


async def found_by(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, Found]:
    """Whom these look-up keys mean; of a merged account the one that stands for it, beside the one that was named."""
    if not keys:
        return {}
    columns = learner_identities.c
    statement = select(columns.key, columns.learner_id, columns.merged_id).where(among(connection, columns.key, keys))
    return {bytes(row.key): Found(row.learner_id, row.merged_id) for row in await connection.execute(statement)}


async def resolve(connection: AsyncConnection, keys: Sequence[bytes]) -> dict[bytes, UUID]:
    """The learners found under these look-up keys."""
    return {key: found.learner_id for key, found in (await found_by(connection, keys)).items()}


async def meant(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, Found]:
    """Whom these ids mean, as ``found_by`` says it; ids of nobody and of erased people are left out."""
    if not learner_ids:
        return {}
    mine = among(connection, learners.c.id, learner_ids)
    statement = select(learners.c.id, learners.c.merged_into).where(mine, learners.c.state != ERASED)
    return {id_: Found(id_) if into is None else Found(into, id_) for id_, into in await connection.execute(statement)}


async def taken(connection: AsyncConnection, vault: Vault, applications: Sequence[Application]) -> list[bool]:
    """Of each application, whether an identity that it names is an account's already."""
    keys = [{vault.lookup_key(*identity.parts()) for identity in one.identities} for one in applications]
    found = (await resolve(connection, sorted(set().union(*keys)))).keys()
    return [not found.isdisjoint(mine) for mine in keys]


async def existing(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that are accounts, of people who were not erased."""
    if not learner_ids:
        return set()
    mine = among(connection, learners.c.id, learner_ids)
    return set((await connection.execute(select(learners.c.id).where(mine, learners.c.state != ERASED))).scalars())


@dataclass(frozen=True, slots=True)
class ErasedLearner:
    """An account that nobody can open any more; its chain still stands."""

    id: UUID
    seq: int
    head: bytes
    key: None = None


async def erased(connection: AsyncConnection, learner_ids: Sequence[UUID]) -> dict[UUID, ErasedLearner]:
    """Those of the ids whose people were erased."""
    if not learner_ids:
        return {}
    mine = among(connection, learners.c.id, learner_ids)
    statement = select(learners.c.id, learners.c.seq, learners.c.head).where(mine, learners.c.state == ERASED)
    return {row.id: ErasedLearner(row.id, row.seq, bytes(row.head)) for row in await connection.execute(statement)}


async def absence(connection: AsyncConnection, learner_id: UUID) -> Refusal:
    """Why there is no account under an id: whoever holds the id of an erased person may know that it is gone."""
    return LearnerErased() if await erased(connection, [learner_id]) else LearnerNotFound()


async def check_there(connection: AsyncConnection, learner_id: UUID) -> None:
    """Hold an id to be an account's. Raises LearnerNotFound, LearnerErased."""
    if not await existing(connection, [learner_id]):
        raise await absence(connection, learner_id)


_WITH_KEY = select(learners, learner_keys.c.wrapped).join(learner_keys, learner_keys.c.learner_id == learners.c.id)


async def load(connection: AsyncConnection, vault: Vault, learner_ids: Sequence[UUID]) -> dict[UUID, LockedLearner]:
    """The learners as ``lock`` gives them, but not held: for whoever only looks."""
    rows = await connection.execute(_WITH_KEY.where(among(connection, learners.c.id, learner_ids)))
    return {row.id: _locked_of(row, vault) for row in rows}


def _locked_of(row: Row[Any], vault: Vault) -> LockedLearner:
    return LockedLearner(
        row.id,
        vault.unwrap(row.id, row.wrapped),
        row.seq,
        bytes(row.head),
        row.recorded_at,
        row.evaluated_as_of,
        row.evaluated_epoch,
        row.state,
    )


async def find_key(connection: AsyncConnection, vault: Vault, learner_id: UUID) -> LearnerKey | None:
    """The key to what is sealed of a learner; None when there is none (any more)."""
    statement = select(learner_keys.c.wrapped).where(learner_keys.c.learner_id == learner_id)
    wrapped = (await connection.execute(statement)).scalar_one_or_none()
    return vault.unwrap(learner_id, wrapped) if wrapped is not None else None


async def key_of(connection: AsyncConnection, vault: Vault, learner_id: UUID) -> LearnerKey:
    """The key to what is sealed of a learner who is there. Raises LearnerNotFound."""
    found = await find_key(connection, vault, learner_id)
    if found is None:
        raise LearnerNotFound
    return found


async def merged_into(connection: AsyncConnection, learner_id: UUID) -> list[UUID]:
    """The accounts for which this one stands."""
    statement = select(learners.c.id).where(learners.c.merged_into == learner_id).order_by(learners.c.id)
    return list((await connection.execute(statement)).scalars())


async def merged_keys_of(
    connection: AsyncConnection, keys: Mapping[UUID, LearnerKey]
) -> dict[tuple[UUID, UUID], LearnerKey]:
    """The keys to what these accounts hold of others, by (account, merged account); of erased people there is none."""
    statement = select(merged_keys).where(among(connection, merged_keys.c.learner_id, list(keys)))
    return {
        (row.learner_id, row.merged_id): keys[row.learner_id].open_key(bytes(row.sealed), MERGED_KEY)
        for row in await connection.execute(statement)
    }


async def lock(connection: AsyncConnection, vault: Vault, learner_ids: Sequence[UUID]) -> dict[UUID, LockedLearner]:
    """Lock the learners in the order of their ids, so that two transactions never wait for each other."""
    if not learner_ids:
        return {}
    statement = _WITH_KEY.where(among(connection, learners.c.id, learner_ids)).order_by(learners.c.id)
    rows = await connection.execute(for_update(connection, statement, learners))
    return {row.id: _locked_of(row, vault) for row in rows}


def _learner_of(row: Row[Any], key: LearnerKey) -> Learner:
    profile = open_profile(key, row.profile)
    return Learner(row.id, profile, row.region, row.provider, row.revision, row.state, row.merged_into)


# Where somebody lives now: where they moved last, and of two records of one day as the later says.
_PRESENT = (
    select(residences.c.region)
    .where(residences.c.learner_id == learners.c.id)
    .order_by(residences.c.since.desc().nulls_last(), residences.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("region")
)
_ACCOUNT = _WITH_KEY.add_columns(_PRESENT)


async def find(connection: AsyncConnection, vault: Vault, learner_id: UUID) -> tuple[Learner, LearnerKey]:
    """The account and the key to what is sealed of it. Raises LearnerNotFound, LearnerErased."""
    row = (await connection.execute(_ACCOUNT.where(learners.c.id == learner_id))).one_or_none()
    if row is None:
        raise await absence(connection, learner_id)
    key = vault.unwrap(row.id, row.wrapped)
    return _learner_of(row, key), key


async def accounts_of(connection: AsyncConnection, vault: Vault, learner_ids: Sequence[UUID]) -> dict[UUID, Learner]:
    """The accounts of many; of those who were erased, and of nobody, there is none."""
    if not learner_ids:
        return {}
    rows = await connection.execute(_ACCOUNT.where(among(connection, learners.c.id, learner_ids)))
    return {row.id: _learner_of(row, vault.unwrap(row.id, row.wrapped)) for row in rows}


async def residences_of(connection: AsyncConnection, learner_id: UUID) -> list[Residence]:
    """Where a learner lived, in order; of two records of one day the last counts."""
    statement = (
        select(residences.c.region, residences.c.since)
        .where(residences.c.learner_id == learner_id)
        .order_by(residences.c.since.nulls_first(), residences.c.id)
    )
    return [Residence(region, since) for region, since in await connection.execute(statement)]


async def page_of_ids(connection: AsyncConnection, *, after: UUID | None, limit: int) -> list[UUID]:
    """Learners' ids in order, those beyond ``after``: how jobs and checks walk through everybody."""
    statement = select(learners.c.id).order_by(learners.c.id).limit(limit)
    if after is not None:
        statement = statement.where(learners.c.id > after)
    return list((await connection.execute(statement)).scalars())


async def last_record(connection: AsyncConnection, learner_id: UUID) -> datetime:
    """The instant of the last record of a learner who is there."""
    statement = select(learners.c.recorded_at).where(learners.c.id == learner_id)
    found: datetime = (await connection.execute(statement)).scalar_one()
    return found
