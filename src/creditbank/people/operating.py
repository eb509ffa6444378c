"""Who works at the command line, and a person beside them who proves who they are there."""

from __future__ import annotations

import getpass
import os

from creditbank.access.domain import By, MissingScope
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.people import queries
from creditbank.people.domain import LoginRefused, Place, actor_of
from creditbank.people.login.proving import prove
from creditbank.people.passwords import Passwords
from creditbank.sealing import Vault
from creditbank.settings import Settings

# Where passwords typed at the machine itself are counted.
_HERE = "command line"


def operator() -> str:
    """Who works at the command line, as the records name them: the account of the machine, whatever it calls itself."""
    try:
        import pwd
    except ImportError:
        return f"operator:{getpass.getuser()}"
    try:
        return f"operator:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        # In a container the account may have no name.
        return f"operator:uid-{os.getuid()}"


def at_command_line() -> By:
    """Whoever works at the command line, as the audit log names them."""
    return By("command_line", operator())


async def prove_person(settings: Settings, login: str, password: str, scope: str) -> str:
    """A person who types their password at the command line and carries ``scope`` for the bank; answers who they are.

    Raises LoginRefused, TooManyAttempts, MissingScope.
    """
    database = Database(settings.database_url, pool_size=settings.database_pool_size, pooler=settings.database_pooler)
    try:
        vault = Vault(*settings.secrets())
        account = await prove(database, vault, Passwords(), system_clock, login, password, _HERE)
        if account.is_password_initial:
            # Whoever gave it knows it too.
            raise LoginRefused
        async with database.read() as connection:
            grants = (await queries.grants_of(connection, [account.id]))[account.id]
    finally:
        await database.close()
    now = system_clock()
    actor = actor_of(account.id, grants, Place(), now, now)
    if scope not in actor.scopes:
        raise MissingScope(scope=scope)
    return actor.identity
