"""`creditbank users`: the first people of a bank are entered by whoever runs it."""

from __future__ import annotations

import csv
import io
import secrets
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.activations.actions import issue
from creditbank.activations.domain import GuardianMissing, Issued
from creditbank.activations.queries import waiting
from creditbank.cli.running import done, fail, migrated, opened, out, print_table
from creditbank.clock import learning_day, system_clock
from creditbank.errors import Refusal
from creditbank.people import actions, queries
from creditbank.people.domain import GrantNotFound, NewGrant, Place, UserNotFound
from creditbank.people.operating import at_command_line, operator
from creditbank.people.passwords import Passwords
from creditbank.people.roles import ROLES
from creditbank.providers.domain import ProviderNotFound
from creditbank.providers.queries import by_code
from creditbank.sealing import Vault

T = TypeVar("T")

# Without what is mistaken for something else when it is read aloud or written down.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_ROLE: Final = typer.Option(
    help=f"a role to begin with: NAME for the bank, NAME@PROVIDER, learner@ACCOUNT-ID; there are {', '.join(ROLES)}"
)


def _fresh_password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def _grant_of(text: str, days: int | None = None) -> NewGrant:
    role, _, where = text.partition("@")
    until = system_clock() + timedelta(days=days) if days else None
    if role != "learner":
        return NewGrant(role, Place(provider=where or None), until)
    try:
        return NewGrant(role, Place(learner_id=UUID(where)), until)
    except ValueError:
        return fail("a learner is named by the id of the account: learner@01900000-…")


commands = typer.Typer(no_args_is_help=True, help="People who may sign in, and their roles.")


def _run(work: Callable[[AsyncConnection, Vault], Coroutine[Any, Any, T]]) -> T:
    """Do the work in one transaction; a refusal ends the program with its sentence."""
    settings = migrated()

    async def worked() -> T:
        async with opened(settings) as database, database.write() as connection:
            return await work(connection, Vault(*settings.secrets()))

    return done(worked())


def _show(login: str, password: str) -> None:
    out.print(f"initial password of {login}: {password}", highlight=False, markup=False)


@commands.command("create")
def create(
    login: Annotated[str, typer.Argument(help="what the person types to sign in")],
    name: Annotated[str, typer.Option(help="the person's name")],
    role: Annotated[list[str] | None, _ROLE] = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="the person signs in at an identity provider only")
    ] = False,
) -> None:
    """Enter a person. The first password is printed once, and must be changed before anything else is done."""
    wanted = [_grant_of(text) for text in role or ()]
    password = None if no_password else _fresh_password()

    async def work(connection: AsyncConnection, vault: Vault) -> UUID:
        now, by = system_clock(), operator()
        stored = await Passwords().hash(password) if password else None
        id = await actions.enter(connection, vault, actions.NewUser(login, name, stored), by, now)
        for one in wanted:
            await actions.grant(connection, id, one, None, by, now)
        return id

    out.print(f"user {_run(work)}", highlight=False)
    if password is not None:
        _show(login, password)


@commands.command("grant")
def grant(
    login: Annotated[str, typer.Argument(help="what the person types to sign in")],
    role: Annotated[str, typer.Argument(help="NAME for the bank, NAME@PROVIDER, or learner@ACCOUNT-ID")],
    days: Annotated[int | None, typer.Option(min=1, help="days until it runs out")] = None,
) -> None:
    """Give a person a role."""
    wanted = _grant_of(role, days)

    async def work(connection: AsyncConnection, vault: Vault) -> UUID:
        user_id = await _known(connection, vault, login)
        return await actions.grant(connection, user_id, wanted, None, operator(), system_clock())

    out.print(f"grant {_run(work)}", highlight=False)


@commands.command("revoke")
def revoke(
    login: Annotated[str, typer.Argument(help="what the person types to sign in")],
    role: Annotated[str, typer.Argument(help="the role as it was given: NAME, NAME@PROVIDER, learner@ACCOUNT-ID")],
) -> None:
    """Take a role back."""
    former = _grant_of(role)

    async def work(connection: AsyncConnection, vault: Vault) -> int:
        user_id = await _known(connection, vault, login)
        now, by = system_clock(), operator()
        held = (await queries.grants_of(connection, [user_id]))[user_id]
        found = [one for one in held if (one.role, one.place) == (former.role, former.place) and one.holds(now)]
        if not found:
            raise GrantNotFound
        for one in found:
            await actions.revoke(connection, user_id, one.id, None, by, now)
        return len(found)

    out.print(f"{_run(work)} revoked", highlight=False)


@commands.command("password")
def password(login: Annotated[str, typer.Argument(help="what the person types to sign in")]) -> None:
    """Give a person a fresh initial password, printed once. Whoever is signed in with the old one is signed out."""
    fresh = _fresh_password()

    async def work(connection: AsyncConnection, vault: Vault) -> None:
        user_id = await _known(connection, vault, login)
        stored = await Passwords().hash(fresh)
        await actions.set_password(connection, user_id, stored, operator(), system_clock(), is_initial=True)

    _run(work)
    _show(login, fresh)


@commands.command("close")
def close(login: Annotated[str, typer.Argument(help="what the person types to sign in")]) -> None:
    """Close an account: the person is signed out, and signs in no more."""

    async def work(connection: AsyncConnection, vault: Vault) -> None:
        await actions.close(connection, await _known(connection, vault, login), operator(), system_clock())

    _run(work)


@commands.command("link")
def link(
    login: Annotated[str, typer.Argument(help="what the person types to sign in")],
    issuer: Annotated[str, typer.Argument(help="the issuer of the identity provider, as its settings name it")],
    subject: Annotated[str, typer.Argument(help="the `sub` under which it knows the person")],
) -> None:
    """Let a person sign in at an identity provider."""

    async def work(connection: AsyncConnection, vault: Vault) -> bool:
        user_id = await _known(connection, vault, login)
        return await actions.know_as(connection, vault, user_id, issuer, subject, system_clock())

    if not _run(work):
        fail("somebody is known there under this subject already", 1)


@commands.command("codes")
def codes(
    provider: Annotated[str, typer.Argument(help="the code of the institution that opened the accounts")],
) -> None:
    """Print a CSV of codes with which learners come into the accounts that an institution opened.

    Those into whose accounts nobody has come get one; codes that were issued to them before are dead.
    """
    settings = migrated()

    async def work(connection: AsyncConnection, vault: Vault) -> list[Issued | Refusal]:
        if not await by_code(connection, [provider]):
            raise ProviderNotFound
        now = system_clock()
        ids = await waiting(connection, provider, now)
        lasting, today = settings.activation_lasting, learning_day(now, settings.zone)
        by = at_command_line()
        return await issue(connection, vault, ids, lambda _: True, by, now, lasting, today) if ids else []

    outcomes = _run(work)
    issued = [one for one in outcomes if isinstance(one, Issued)]
    # Spreadsheets take UTF-8 for what it is when a byte order mark stands before it.
    sheet = io.StringIO("\ufeff", newline="")
    sheet.seek(0, io.SEEK_END)
    writer = csv.writer(sheet)
    writer.writerow(("number", "name", "code", "expires_at"))
    # A name must be no formula to the spreadsheet that opens it.
    plain = [(f"'{one.name}" if one.name[:1] in "=+-@" else one.name, one) for one in issued]
    writer.writerows((one.number, name, one.code, one.expires_at.isoformat()) for name, one in plain)
    typer.echo(sheet.getvalue(), nl=False)
    alone = sum(isinstance(one, GuardianMissing) for one in outcomes)
    unasked = f"{len(outcomes) - len(issued) - alone} accounts of which nothing can be asked"
    typer.echo(f"{len(issued)} codes, {unasked}, {alone} of children without a guardian", err=True)


@commands.command("list")
def list_() -> None:
    """Print everybody who may sign in, with the roles in force."""
    now = system_clock()
    table = Table("login", "name", "status", "roles", box=None, pad_edge=False)

    async def work(connection: AsyncConnection, vault: Vault) -> None:
        after: UUID | None = None
        while found := await queries.page(connection, vault, seen_from=None, after=after, limit=500):
            for user in found:
                roles = [
                    f"{g.role}@{g.place.provider or g.place.learner_id or 'bank'}" for g in user.grants if g.holds(now)
                ]
                table.add_row(Text(user.login), Text(user.name), user.status, " ".join(roles))
            after = found[-1].id

    _run(work)
    print_table(table)


async def _known(connection: AsyncConnection, vault: Vault, login: str) -> UUID:
    account = await queries.find_account(connection, vault, login)
    if account is None:
        raise UserNotFound
    return account.id
