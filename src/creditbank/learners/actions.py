"""Opening and mending accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, rising
from creditbank.database.statements import insert_new, insert_rows, update_rows
from creditbank.identifiers import new_id, new_number
from creditbank.learners.domain import (
    ACTIVE,
    NO_POSTING,
    PENDING,
    AccountConfirmed,
    AccountState,
    AccountStateSame,
    Application,
    ClaimedIdentityDiffers,
    Identity,
    IdentityHeld,
    IdentityTaken,
    Learner,
    NumberForm,
    Profile,
    Residence,
    birth_date_of,
)
from creditbank.learners.queries import (
    MERGED_KEY,
    LockedLearner,
    absence,
    find,
    likeness_key,
    lock,
    merged_keys_of,
    resolve,
    seal_profile,
)
from creditbank.learners.tables import learner_identities, learner_keys, learners, merged_keys, residences
from creditbank.providers.domain import UnknownProvider
from creditbank.providers.queries import by_code
from creditbank.regions.domain import UnknownRegion
from creditbank.regions.queries import by_code as regions_by_code
from creditbank.sealing import LearnerKey, Vault


@dataclass(frozen=True, slots=True)
class Opened:
    """An account just opened."""

    learner: Learner
    key: LearnerKey


NotOpened = IdentityTaken | UnknownProvider | UnknownRegion
"""Why there is no account for an application."""


async def open_accounts(
    connection: AsyncConnection, vault: Vault, form: NumberForm, applications: Sequence[Application], now: datetime
) -> list[Opened | NotOpened]:
    """Open an account for each application, or say why not: an identity is another's, or of no institution, or the
    region is none of the bank's divisions.

    One bad one harms no other. Of two applications that name one identity the first has it, and of the other nothing
    is looked at: beside an identity that is taken anyway nobody may ask after others.
    """
    ids = [new_id() for _ in applications]
    claims: dict[bytes, tuple[UUID, str]] = {}
    refused: dict[UUID, NotOpened] = await _of_nowhere(connection, ids, applications)
    for learner_id, application in zip(ids, applications, strict=True):
        keys = {vault.lookup_key(*identity.parts()): identity.type for identity in _found_by(application)}
        if learner_id in refused:
            continue
        if keys.keys() & claims.keys():
            refused[learner_id] = IdentityTaken()
            continue
        claims.update((key, (learner_id, type_)) for key, type_ in keys.items())
    mine = await _claim(connection, claims)
    numbers = await _claim_numbers(connection, vault, form, ids)
    outcomes: list[Opened | NotOpened] = []
    accounts: list[tuple[Learner, LearnerKey, bytes]] = []
    lost: list[UUID] = []
    for learner_id, application in zip(ids, applications, strict=True):
        if learner_id in refused:
            outcomes.append(refused[learner_id])
            lost.append(learner_id)
            continue
        if any(vault.lookup_key(*identity.parts()) not in mine for identity in _found_by(application)):
            outcomes.append(IdentityTaken())
            lost.append(learner_id)
            continue
        key, wrapped = vault.new_key(learner_id)
        own, given = application.is_own_word, application.identities
        known, claimed = ((), given) if own else (given, ())
        profile = Profile(numbers[learner_id], application.name, application.birth_date, known, claimed, own)
        state: AccountState = PENDING if own else ACTIVE
        learner = Learner(learner_id, profile, application.region, application.provider, 1, state)
        accounts.append((learner, key, wrapped))
        outcomes.append(Opened(learner, key))
    for learner_id in lost:
        # What was claimed for an account that is not opened must not stay behind.
        await connection.execute(delete(learner_identities).where(learner_identities.c.learner_id == learner_id))
    await _insert(connection, vault, accounts, now)
    return outcomes


def _found_by(application: Application) -> tuple[Identity, ...]:
    """The identities by which the account will be found: none that nobody but their bearer speaks of."""
    return () if application.is_own_word else application.identities


async def _of_nowhere(
    connection: AsyncConnection, ids: Sequence[UUID], applications: Sequence[Application]
) -> dict[UUID, NotOpened]:
    """Those applications with a student number of an institution, or a region, that the bank does not know."""
    regions = sorted({a.region for a in applications if a.region is not None})
    known = await regions_by_code(connection, regions)
    issuers = {i.issuer for a in applications for i in a.identities if i.issuer not in {None, a.provider}}
    unknown = issuers - (await by_code(connection, sorted(filter(None, issuers)))).keys()
    refused: dict[UUID, NotOpened] = {}
    for learner_id, application in zip(ids, applications, strict=True):
        if application.region is not None and application.region not in known:
            refused[learner_id] = UnknownRegion(given=application.region, pointer=application.region_at)
        for place, identity in enumerate(application.identities):
            if identity.issuer in unknown and learner_id not in refused:
                refused[learner_id] = UnknownProvider(pointer=f"{application.identity_at.format(place)}/issuer")
    return refused


async def _insert(
    connection: AsyncConnection, vault: Vault, accounts: Sequence[tuple[Learner, LearnerKey, bytes]], now: datetime
) -> None:
    await insert_rows(
        connection,
        learners,
        [
            {
                "id": learner.id,
                "profile": seal_profile(key, learner.profile),
                "provider": learner.provider,
                "revision": learner.revision,
                "seq": 0,
                "head": NO_POSTING,
                "recorded_at": now,
                "evaluated_as_of": None,
                "evaluated_epoch": None,
                "created_at": now,
                "state": learner.state,
                "likeness": likeness_key(vault, learner.profile),
            }
            for learner, key, _ in accounts
        ],
    )
    await insert_rows(
        connection, learner_keys, [{"learner_id": learner.id, "wrapped": wrapped} for learner, _, wrapped in accounts]
    )
    await _settle_in(connection, [(a.id, Residence(a.region, None)) for a, *_ in accounts if a.region is not None], now)


async def _settle_in(connection: AsyncConnection, moves: Sequence[tuple[UUID, Residence]], now: datetime) -> None:
    rows = [
        {"learner_id": id_, "id": new_id(), "region": one.region, "since": one.since, "recorded_at": now}
        for id_, one in moves
    ]
    await insert_rows(connection, residences, rows)


async def _check_region(connection: AsyncConnection, region: str) -> None:
    if region not in await regions_by_code(connection, [region]):
        raise UnknownRegion(given=region)


async def move(connection: AsyncConnection, learner_id: UUID, residence: Residence, now: datetime) -> None:
    """Write down where a learner lives or lived from a day on. The caller has locked the learner.

    Raises UnknownRegion.
    """
    await _check_region(connection, residence.region)
    await _settle_in(connection, [(learner_id, residence)], now)
    await connection.execute(
        update(learners).where(learners.c.id == learner_id).values(revision=learners.c.revision + 1)
    )


async def _claim(connection: AsyncConnection, claims: dict[bytes, tuple[UUID, str]]) -> set[bytes]:
    rows = [{"key": key, "type": type_, "learner_id": owner} for key, (owner, type_) in sorted(claims.items())]
    return {bytes(key) for key in await insert_new(connection, learner_identities, rows)}


async def _claim_numbers(
    connection: AsyncConnection, vault: Vault, form: NumberForm, ids: Sequence[UUID]
) -> dict[UUID, str]:
    numbers: dict[UUID, str] = {}
    while len(numbers) < len(ids):
        # A number that somebody has already is made again.
        wanted = {new_number(form.prefix, form.digits): id_ for id_ in ids if id_ not in numbers}
        by_key = {vault.lookup_key("number", number): number for number in wanted}
        mine = await _claim(connection, {key: (wanted[number], "number") for key, number in by_key.items()})
        numbers.update({wanted[by_key[key]]: by_key[key] for key in mine})
    return numbers


async def confirm(
    connection: AsyncConnection, vault: Vault, learner_id: UUID, seen: Identity, *, instead_of_claimed: bool
) -> tuple[Learner, LearnerKey]:
    """Take as confirmed who a person is, by an identity that somebody has seen: from now on they are found by it.

    What they claimed is no more, and where that was another identity it is to be said: ``instead_of_claimed``. Raises
    LearnerNotFound, LearnerErased, AccountEnded, AccountStateSame, ClaimedIdentityDiffers, IdentityHeld,
    BirthDateDiffers.
    """
    look_up = vault.lookup_key(*seen.parts())
    # Whoever claims identities and locks learners does it in this order, so that no two wait for each other.
    is_mine = look_up in await _claim(connection, {look_up: (learner_id, seen.type)})
    locked = await lock(connection, vault, [learner_id])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    locked[learner_id].check_active()
    if locked[learner_id].state != PENDING:
        raise AccountStateSame(state=locked[learner_id].state)
    learner, key = await find(connection, vault, learner_id)
    claimed = learner.profile.claimed
    if claimed and seen not in claimed and not instead_of_claimed:
        raise ClaimedIdentityDiffers(claimed=", ".join(one.type for one in claimed))
    if not is_mine:
        raise IdentityHeld(type=seen.type, learner=(await resolve(connection, [look_up]))[look_up])
    profile = replace(
        learner.profile,
        identities=(*learner.profile.identities, seen),
        claimed=(),
        birth_date=birth_date_of(learner.profile.birth_date, [seen]),
        is_own_word=False,
    )
    confirmed = replace(learner, profile=profile, revision=learner.revision + 1, state=ACTIVE)
    values = {"profile": seal_profile(key, profile), "revision": confirmed.revision, "state": confirmed.state}
    statement = update(learners).where(learners.c.id == learner_id).values(likeness=likeness_key(vault, profile))
    await connection.execute(statement.values(values))
    return confirmed, key


async def claim_identity(
    connection: AsyncConnection, vault: Vault, learner_id: UUID, claimed: Identity | None
) -> tuple[Learner, LearnerKey]:
    """Write down another identity that a person claims, or none, in place of what they claimed before.

    Raises LearnerNotFound, LearnerErased, AccountEnded, AccountConfirmed, UnknownProvider, BirthDateDiffers.
    """
    locked = await lock(connection, vault, [learner_id])
    if learner_id not in locked:
        raise await absence(connection, learner_id)
    locked[learner_id].check_active()
    learner, key = await find(connection, vault, learner_id)
    if not learner.profile.is_own_word:
        raise AccountConfirmed
    given = () if claimed is None else (claimed,)
    if claimed is not None and claimed.issuer is not None and not await by_code(connection, [claimed.issuer]):
        raise UnknownProvider(pointer="/identity/issuer")
    born = birth_date_of(learner.profile.birth_date, given, "/identity/value")
    profile = replace(learner.profile, claimed=given, birth_date=born)
    values = {"profile": seal_profile(key, profile), "revision": learner.revision + 1}
    await connection.execute(update(learners).where(learners.c.id == learner_id).values(values))
    return replace(learner, profile=profile, revision=learner.revision + 1), key


@dataclass(frozen=True, slots=True)
class Mending:
    """What changes of an account; None leaves a field as it is."""

    name: str | None = None
    birth_date: date | None = None
    region: str | None = None


async def mend(
    connection: AsyncConnection, vault: Vault, learner_id: UUID, mending: Mending, today: date, now: datetime
) -> Learner:
    """Change an account's own fields; another region is a move today. The caller has locked the learner.

    Raises BirthDateDiffers for a birth date that the account's own card contradicts, UnknownRegion.
    """
    learner, key = await find(connection, vault, learner_id)
    former = learner.profile
    born = birth_date_of(mending.birth_date, former.identities) if mending.birth_date else former.birth_date
    profile = replace(former, name=mending.name or former.name, birth_date=born)
    mended = replace(learner, profile=profile, region=mending.region or learner.region, revision=learner.revision + 1)
    moved_to = mended.region if mended.region != learner.region else None
    if moved_to is not None:
        await _check_region(connection, moved_to)
    await connection.execute(
        update(learners)
        .where(learners.c.id == learner_id)
        .values(profile=seal_profile(key, profile), revision=mended.revision, likeness=likeness_key(vault, profile))
    )
    if moved_to is not None:
        await _settle_in(connection, [(learner_id, Residence(moved_to, today))], now)
    return mended


async def keep_merged_keys(
    connection: AsyncConnection, wanted: Mapping[UUID, tuple[LearnerKey, set[UUID]]]
) -> dict[tuple[UUID, UUID], LearnerKey]:
    """The keys under which these accounts, with their own keys, hold what is of those merged accounts; made where there
    is none yet. The accounts are locked."""
    known = await merged_keys_of(connection, {id_: key for id_, (key, _) in wanted.items()})
    rows = []
    for id_, (key, others) in wanted.items():
        for other in sorted(others):
            if (id_, other) not in known:
                known[id_, other], sealed = key.new_key(MERGED_KEY)
                rows.append({"learner_id": id_, "id": new_id(), "merged_id": other, "sealed": sealed})
    await insert_rows(connection, merged_keys, rows)
    return known


async def stamp(connection: AsyncConnection, learner: LockedLearner, clock: Clock) -> datetime:
    """The instant at which something is recorded of a locked learner: strictly after all that was recorded before."""
    now = learner.recorded_at = rising(clock(), learner.recorded_at)
    await advance(connection, [learner])
    return now


async def advance(connection: AsyncConnection, learners_: Sequence[LockedLearner]) -> None:
    """Write back where locked learners stand, if they moved: chain, last record, day and epoch of evaluation."""
    await update_rows(
        connection,
        learners,
        [
            {
                "id": learner.id,
                "seq": learner.seq,
                "head": learner.head,
                "recorded_at": learner.recorded_at,
                "evaluated_as_of": learner.evaluated_as_of,
                "evaluated_epoch": learner.evaluated_epoch,
            }
            for learner in learners_
            if learner.is_changed
        ],
        ("id",),
    )
