"""The first people of a bank, at the command line."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from creditbank.cli import app
from creditbank.clock import system_clock
from creditbank.database.engine import Database
from creditbank.identifiers import code_of
from creditbank.learners.actions import open_accounts
from creditbank.learners.domain import Application, NumberForm
from creditbank.people.operating import operator
from creditbank.sealing import Vault
from tests.bank import SCHOOL, SECRETS, Bank, opened, settings_for

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder, with the settings of a bank around it and one school in the bank."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", sqlite_url)
    for name, secret in zip(("SEALING", "LOOKUP"), SECRETS, strict=True):
        monkeypatch.setenv(f"CREDITBANK_{name}_SECRET", base64.b64encode(secret).decode())

    async def prepare() -> None:
        async with opened(sqlite_url):
            pass

    asyncio.run(prepare())


def users(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["users", *arguments], catch_exceptions=False, env={"COLUMNS": "200"})


def stored(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def look() -> list[tuple[Any, ...]]:
        bank = Bank(url, Database(url))
        rows = await bank.sql(statement)
        await bank.database.close()
        return [tuple(row) for row in rows]

    return asyncio.run(look())


def test_a_person_is_entered_given_roles_and_loses_them(sqlite_url: str) -> None:
    created = users("create", "li@town", "--name", "Li [bold]Wei", "--role", f"assessor@{SCHOOL}")
    granted = users("grant", "LI@TOWN", "auditor", "--days", "3")
    listed = users("list")
    revoked = users("revoke", "li@town", f"assessor@{SCHOOL}")
    again = users("revoke", "li@town", f"assessor@{SCHOOL}")

    assert [done.exit_code for done in (created, granted, listed, revoked, again)] == [0, 0, 0, 0, 1]
    assert "initial password of li@town: " in created.output
    narrow = CliRunner().invoke(app, ["users", "list"], env={"COLUMNS": "30"})
    assert "li@town  Li [bold]Wei  active  auditor@bank" in narrow.output
    assert f"li@town  Li [bold]Wei  active  assessor@{SCHOOL} auditor@bank" in listed.output
    assert "no such grant" in again.stderr
    by = operator()
    rows = stored(sqlite_url, "select role, granted_by, revoked_by, until is null from user_roles order by id")
    assert rows == [("assessor", by, by, 1), ("auditor", by, None, 0)]
    audited = stored(sqlite_url, "select action from audit_events order by at, id")
    assert [action for (action,) in audited] == ["user.enter", "role.grant", "role.grant", "role.revoke"]


def test_nothing_that_names_a_person_is_stored_in_the_clear(sqlite_url: str) -> None:
    created = users("create", "zhang.sanfeng@town", "--name", "Zhang Sanfeng", "--role", "auditor")
    password = created.output.rpartition(": ")[2].strip()

    file = Path(sqlite_url.split("///", 1)[1])
    for part in (file, file.with_name(file.name + "-wal")):
        if part.exists():
            kept = part.read_bytes().lower()
            assert not [word for word in (b"sanfeng", password.encode()) if word in kept]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "li@town", "--name", "Li", "--role", "king"), 1, "no role king"),
        (("create", "li@town", "--name", "Li", "--role", "learner"), 2, "named by the id"),
        (("create", "li@town", "--name", "Li", "--role", "provider_staff"), 1, "not held for such a place"),
        (("create", "li@town", "--name", "Li", "--role", "assessor@cq/nowhere"), 1, "is not there"),
        (("grant", "nobody@town", "auditor"), 1, "no such user"),
        (("password", "nobody@town"), 1, "no such user"),
        (("codes", "no/such"), 1, "no such provider"),
    ],
)
def test_what_is_wrong_is_refused_and_nobody_is_entered(
    arguments: tuple[str, ...], code: int, said: str, sqlite_url: str
) -> None:
    done = users(*arguments)

    assert (done.exit_code, said in done.stderr) == (code, True), done.stderr
    assert stored(sqlite_url, "select count(*) from users") == [(0,)]


def test_a_login_is_one_person_s(sqlite_url: str) -> None:
    assert users("create", "li@town", "--name", "Li", "--no-password").exit_code == 0
    twice = users("create", "Li@Town", "--name", "Other")

    assert (twice.exit_code, "already" in twice.stderr) == (1, True)
    assert stored(sqlite_url, "select count(*), count(password) from users") == [(1, 0)]


def test_codes_are_printed_for_those_whom_the_institution_opened_and_nobody_has_come_in_as(sqlite_url: str) -> None:
    settings = settings_for(sqlite_url)

    async def open_them() -> None:
        database, vault = Database(sqlite_url), Vault(*settings.secrets())
        new = [
            Application("=1+1", date(2001, 2, 3), None, (), SCHOOL),
            Application("Nobody knows when", None, None, (), SCHOOL),
            Application("A child", system_clock().date() - timedelta(days=4000), None, (), SCHOOL),
            Application("Not theirs", date(2001, 2, 3), None, (), None),
        ]
        async with database.write() as connection:
            await open_accounts(connection, vault, NumberForm("CQ", 9), new, system_clock())
        await database.close()

    asyncio.run(open_them())
    first, second = users("codes", SCHOOL), users("codes", SCHOOL)
    assert "1 codes, 1 accounts of which nothing can be asked, 1 of children without a guardian" in first.stderr
    rows = [list(csv.DictReader(io.StringIO(one.stdout.removeprefix("\ufeff")))) for one in (first, second)]
    assert [[row["name"] for row in one] for one in rows] == [["'=1+1"], ["'=1+1"]]
    codes = [code_of(one[0]["code"]) for one in rows]
    assert None not in codes
    assert codes[0] != codes[1]
    # The first sheet is worthless: who has two has one.
    vault = Vault(*settings.secrets())
    assert stored(sqlite_url, "select key from activation_codes") == [(vault.lookup_key("activation", codes[1] or ""),)]
