"""Rule sets from files at the command line: who did it and who approved it stand in the audit log."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from creditbank.cli import app
from creditbank.database.engine import Database
from creditbank.people import actions as people
from creditbank.people.domain import NewGrant, Place
from creditbank.people.operating import operator
from creditbank.people.passwords import Passwords
from creditbank.rules.document import read_documents
from tests.bank import SECRETS, Bank, document, granting, opened
from tests.covering import covered

PASSWORD = "seven plum-rain bridges"


@pytest.fixture
def here(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, with the settings of a bank around it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", sqlite_url)
    for name, secret in zip(("SEALING", "LOOKUP"), SECRETS, strict=True):
        monkeypatch.setenv(f"CREDITBANK_{name}_SECRET", base64.b64encode(secret).decode())
    return tmp_path


def rules(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, ["rules", *arguments], catch_exceptions=False, input=typed)


def approved(file: str, typed: str = PASSWORD) -> Result:
    """Publish a file with Anna beside, who types a password."""
    return rules("publish", file, "--approved-by", "anna@town", typed=typed + "\n")


@pytest.fixture
def anna(sqlite_url: str) -> str:
    """A registrar of the bank; answers as whom she is written down."""
    return asyncio.run(person(sqlite_url, "anna@town", "registrar"))


async def person(url: str, login: str, role: str, *, is_initial: bool = False) -> str:
    """Enter a person with a password of their own."""
    bank = Bank(url, Database(url))
    stored = await Passwords().hash(PASSWORD)
    async with bank.database.write() as connection:
        new = people.NewUser(login, "Anna", stored)
        user_id = await people.enter(connection, bank.vault, new, "test:", bank.clock())
        await people.set_password(connection, user_id, stored, "test:", bank.clock(), is_initial=is_initial)
        await people.grant(connection, user_id, NewGrant(role, Place()), None, "test:", bank.clock())
    await bank.database.close()
    return f"user:{user_id}"


def written(folder: Path, credits_: int, **parts: Any) -> str:
    """A file with a rule set."""
    file = folder / f"rules-{credits_}.json"
    plain = covered(document(granting("own", {"fixed": credits_}, kind="course"), **parts))
    file.write_text(json.dumps(plain), "utf-8")
    return str(file)


def test_a_file_is_simulated_then_published_when_a_person_approves(here: Path, sqlite_url: str, anna: str) -> None:
    async def prepare() -> None:
        async with opened(sqlite_url) as bank:
            (learner,) = await bank.open("Li Wei")
            await bank.record(learner, "E1")

    async def look() -> tuple[list[Any], int]:
        bank = Bank(sqlite_url, Database(sqlite_url))
        rows = await bank.sql("select action, details from audit_events where action like 'rule_set.%' order by at")
        waiting = await bank.sql("select count(*) from jobs where kind = 'resettle' and state = 'waiting'")
        await bank.database.close()
        return [(row.action, json.loads(row.details)) for row in rows], waiting[0][0]

    asyncio.run(prepare())
    file = written(here, 3)
    looked = rules("simulate", file)
    done = approved(file)

    assert looked.exit_code == 0, looked.output
    assert "1 learners seen, 1 evaluated: 1 gain, 0 lose" in looked.output
    assert done.exit_code == 0, done.output
    assert "town@1 published" in done.output
    events, waiting = asyncio.run(look())
    assert waiting == 1
    assert events[0][0] == "rule_set.draft"
    assert {details["by"] for _, details in events} == {operator()}
    approvals = [(action, details["approved_by"]) for action, details in events if "approved_by" in details]
    assert approvals == [("rule_set.approve", anna), ("rule_set.publish", anna)]
    assert PASSWORD not in done.output


def test_nobody_approves_their_own_file(here: Path) -> None:
    refused = rules("publish", written(here, 3))

    assert refused.exit_code == 1
    assert "may not approve" in refused.stderr


def test_the_operator_approves_what_somebody_else_drafted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = written(here, 3)
    rules("simulate", file)
    # Another account of the machine; what it calls itself in the environment makes no difference.
    monkeypatch.setenv("LOGNAME", "anna")
    assert rules("publish", file).exit_code == 1
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert operator() == f"operator:{pwd.getpwuid(1).pw_name}"
    assert rules("publish", file).exit_code == 0


@pytest.mark.parametrize(
    ("login", "role", "typed", "said"),
    [
        ("anna@town", "registrar", "not her password", "do not belong together"),
        ("nobody@town", "registrar", PASSWORD, "do not belong together"),
        ("anna@town", "auditor", PASSWORD, "rules:approve"),
        ("anna@town initial", "registrar", PASSWORD, "do not belong together"),
    ],
)
def test_who_approves_proves_who_they_are_and_that_they_may(
    login: str, role: str, typed: str, said: str, here: Path, sqlite_url: str
) -> None:
    login, _, initial = login.partition(" ")
    asyncio.run(person(sqlite_url, "anna@town", role, is_initial=bool(initial)))
    refused = rules("publish", written(here, 3), "--approved-by", login, typed=typed + "\n")

    assert (refused.exit_code, said in refused.stderr) == (1, True), refused.stderr


def other_total(plain: dict[str, Any]) -> None:
    plain["tests"][0]["then"]["total"] = "7"


GRANTED = [{"credits": {"fixed": "9"}}]
SPOILT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "two rules that clash": (
        lambda plain: plain["recognition"].append({**plain["recognition"][0], "id": "b", "grant": GRANTED}),
        "E2 /recognition/1",
    ),
    "a test that fails": (other_total, "expected 7"),
    "a rule without a test": (lambda plain: plain.update(tests=[]), "W8 /recognition/0"),
    "a category that the bank does not have": (
        lambda plain: plain["recognition"][0]["match"].update(category="arts/juggling"),
        "/recognition/0/match/category",
    ),
}


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize(("spoil", "told"), SPOILT.values(), ids=SPOILT)
def test_whatever_publishing_refuses_of_a_document_alone_a_check_finds_before(
    here: Path, spoil: Callable[[dict[str, Any]], object], told: str
) -> None:
    file = here / "rules.json"
    plain = covered(document(granting("own", {"fixed": 3}, kind="course")))
    file.write_text(json.dumps(plain), "utf-8")
    assert rules("check", str(file)).exit_code == 0
    spoil(plain)
    file.write_text(json.dumps(plain), "utf-8")

    checked, refused = rules("check", str(file)), approved(str(file))

    assert (checked.exit_code, refused.exit_code) == (1, 1)
    assert told in checked.stderr
    assert ": 0 errors" not in checked.stdout


@pytest.mark.usefixtures("anna")
def test_a_file_of_two_documents_is_published_by_nobody_and_a_check_says_so(here: Path) -> None:
    base = covered(document(granting("own", {"fixed": 3}, kind="course")))
    layer = document(granting("more", {"fixed": 1}, kind="exam"), id_="layer")
    base["ruleset"]["layer"] = "authority"
    layer["ruleset"].update(extends="town@1", layer="institution")
    layer = covered(layer, {"town@1": read_documents(json.dumps(base), format="json")[0].model})
    both = here / "both.yaml"
    both.write_text(yaml.safe_dump_all([base, layer]), "utf-8")
    apart = [here / "base.json", here / "layer.json"]
    for file, plain in zip(apart, (base, layer), strict=True):
        file.write_text(json.dumps(plain), "utf-8")

    checked, refused = rules("check", str(both)), approved(str(both))
    assert (checked.exit_code, refused.exit_code) == (1, 1)
    assert "one_document_wanted" in checked.stderr
    # What one extends is read from the files before it.
    assert rules("check", str(apart[1])).exit_code == 1
    assert rules("check", *map(str, apart)).exit_code == 0, rules("check", *map(str, apart)).output
    assert [approved(str(file)).exit_code for file in apart] == [0, 0]


@pytest.mark.usefixtures("anna")
def test_what_is_wrong_is_said_with_its_place(here: Path) -> None:
    file = here / "bare.yaml"
    file.write_text(
        "ruleset: {lcb: rules/v1, id: town, version: 1, from: 2020-01-01, unit: {code: CR}}\n"
        "recognition: {id: own, match: {kind: course}, grant: {credits: {fixed: 2}}}\n",
        "utf-8",
    )

    done = approved(str(file))

    assert done.exit_code == 1
    assert "W8 /recognition/0" in done.stderr
    assert "exercised by no test" in done.stderr
