"""Whether a login and a password belong together, counted and written down, and as slow for whoever is not there."""

from __future__ import annotations

from creditbank.access.actions import record
from creditbank.access.domain import SYSTEM
from creditbank.clock import Clock
from creditbank.database.engine import Database
from creditbank.people import actions, queries
from creditbank.people.domain import Account, LoginRefused
from creditbank.people.passwords import LENGTH_MAX, Passwords
from creditbank.sealing import Vault


async def prove(
    database: Database, vault: Vault, passwords: Passwords, clock: Clock, login: str, password: str, address: str
) -> Account:
    """The account that login and password open. Raises LoginRefused, TooManyAttempts."""
    async with database.write() as connection:
        # Counted before it is looked at, so that many at once are no way round the count.
        attempt = await actions.note_attempt(connection, vault, login, address, clock())
        account = await queries.find_account(connection, vault, login)
    stored = account.password if account is not None and account.is_active else None
    fits = len(password) <= LENGTH_MAX
    is_right = await passwords.is_right(stored, password if fits else "") and fits
    async with database.write() as connection:
        if is_right and account is not None:
            await actions.forget_attempt(connection, attempt)
            return account
        # Of a login that nobody has as well: who guesses names is seen, and does not learn by the time which there are.
        subject = "login:unknown" if account is None else f"user:{account.id}"
        await record(connection, SYSTEM, "session.refuse", subject, {}, clock())
    raise LoginRefused
