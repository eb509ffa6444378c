"""Commands on programs that may call the API."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from creditbank.access.actions import NewClient, add_key, create_client, revoke_key
from creditbank.access.commands import list_clients
from creditbank.access.domain import SCOPES
from creditbank.cli.running import done, fail, migrated, opened, out, print_table
from creditbank.clock import system_clock
from creditbank.people.operating import at_command_line

commands = typer.Typer(no_args_is_help=True, help="Programs that may call the API.")


@commands.command("create")
def create(
    name: Annotated[str, typer.Argument(help="what the client is called")],
    provider: Annotated[str | None, typer.Option(help="code of the provider it acts for; none: the bank")] = None,
    scope: Annotated[list[str] | None, typer.Option(help="a scope it carries; all when left out for the bank")] = None,
    assurance: Annotated[str, typer.Option(help="the most its achievements may be assured")] = "provider",
    days: Annotated[int | None, typer.Option(min=1, help="days until the key expires")] = None,
    network: Annotated[list[str] | None, typer.Option(help="where it may call from; from everywhere without")] = None,
    test: Annotated[bool, typer.Option("--test", help="make a key of the sandbox instead")] = False,
) -> None:
    """Let a program in. The key is printed once."""
    if assurance not in {"self", "provider", "verified", "signed"}:
        fail("assurance is one of self, provider, verified, signed")
    if scope is None and provider is not None:
        fail("name the scopes of a provider's client with --scope; there are: " + ", ".join(SCOPES))
    settings = migrated()

    async def create() -> tuple[UUID, str]:
        now = system_clock()
        expires = now + timedelta(days=days) if days else None
        async with opened(settings) as database, database.write() as connection:
            client_id, key = await create_client(
                connection,
                NewClient(name, provider, scope or SCOPES, assurance, expires, network or (), test),
                now,
                at_command_line(),
            )
        return client_id, str(key)

    client_id, key = done(create())
    out.print(f"client {client_id}", highlight=False)
    out.print(key, highlight=False, soft_wrap=True)


@commands.command("rotate")
def rotate(
    client: Annotated[UUID, typer.Argument(help="the client's id")],
    days: Annotated[int | None, typer.Option(min=1, help="days until the key expires")] = None,
    test: Annotated[bool, typer.Option("--test", help="make a key of the sandbox instead")] = False,
) -> None:
    """Make a further key for a client, which has two at most. Revoke the old one when nobody uses it any more."""
    settings = migrated()

    async def rotate() -> str:
        async with opened(settings) as database, database.write() as connection:
            now = system_clock()
            expires = now + timedelta(days=days) if days else None
            return str(await add_key(connection, client, now, expires, at_command_line(), is_test=test))

    out.print(done(rotate()), highlight=False, soft_wrap=True)


@commands.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="the key's id: the part after cb_live_")]) -> None:
    """Make a key worthless. Running servers honour it some seconds longer (credential_cache_seconds)."""
    settings = migrated()

    async def revoke() -> bool:
        async with opened(settings) as database, database.write() as connection:
            return await revoke_key(connection, key, system_clock(), at_command_line())

    if not asyncio.run(revoke()):
        fail("there is no such key, or it is revoked already", 1)


@commands.command("list")
def show() -> None:
    """List the programs that may call the API, with their keys."""
    settings = migrated()

    async def listed() -> Table:
        async with opened(settings) as database:
            return await list_clients(database, system_clock())

    print_table(asyncio.run(listed()))
