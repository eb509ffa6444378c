"""The main job on real input: the Open University's published results go in, credits with reasons come out.

The whole needs the data set, in the folder that CREDITBANK_TEST_DATA names or in shared/data beside the repository.
Invented tables of the same shape are always loaded. What should come out is worked out here from the files alone, with
nothing of the loader or the bank.
"""

from __future__ import annotations

import csv
import gzip
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import SCOPES
from creditbank.achievements.queries import of_learners
from creditbank.app import create_app
from creditbank.clock import learning_day, system_clock
from creditbank.database.engine import Database
from creditbank.learners.queries import load as load_learners
from creditbank.learners.queries import page_of_ids
from creditbank.ledger.domain import Account
from creditbank.ledger.queries import lots_of
from creditbank.recognition.verify import Finding, verify_bank
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import Vault
from examples.open_university import load as example
from tests.bank import SECRETS, ZONE, settings_for

WRITTEN = ("achievements", "achievement_versions", "evaluations", "decisions", "lots", "postings", "learners")

Row = Mapping[str, str]
Lot = tuple[str, str, int, int, str]
"""External id, unit, available and excess in thousandths, and the result: what a lot is, whatever its database id."""


def data_folder() -> Path:
    """Where the data set lies; skips the test where it does not."""
    given = os.environ.get("CREDITBANK_TEST_DATA")
    beside = [above / "shared/data/oulad" for above in Path(__file__).resolve().parents[2:]]
    for folder in [Path(given)] if given else beside:
        if (folder / "studentInfo.csv.gz").exists() or (folder / "studentInfo.csv").exists():
            return folder
    pytest.skip("the Open University's data set is not here; CREDITBANK_TEST_DATA names its folder")


def read(folder: Path, name: str) -> list[Row]:
    """A table, read plainly."""
    packed = folder / f"{name}.csv.gz"
    if packed.exists():
        with gzip.open(packed, "rt", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))
    with (folder / f"{name}.csv").open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# --- What should come out, from the files alone -----------------------------------------------------------------------


def expected_credits(rows: Iterable[Row]) -> int:
    """All credits in thousandths of ECTS: each module that a student passed, once, at half its CATS points."""
    rows = list(rows)
    points = {
        m: min(int(r["studied_credits"]) for r in rows if r["code_module"] == m)
        for m in {r["code_module"] for r in rows}
    }
    passed = {(r["id_student"], r["code_module"]) for r in rows if r["final_result"] in {"Pass", "Distinction"}}
    return sum(points[module] * 500 for _, module in passed)


def expected_lots(rows: Iterable[Row]) -> set[Lot]:
    """A lot for each pass; of several for one module the better, then the earlier, is available and the rest excess."""
    rows = list(rows)
    points = {
        m: min(int(r["studied_credits"]) for r in rows if r["code_module"] == m)
        for m in {r["code_module"] for r in rows}
    }
    attempts: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["final_result"] in {"Pass", "Distinction"}:
            attempts.setdefault((row["id_student"], row["code_module"]), []).append(row)
    lots = set()
    for (student, module), mine in attempts.items():
        # 2013B lies before 2013J, in the alphabet as in the year.
        best = min(mine, key=lambda r: (r["final_result"] != "Distinction", r["code_presentation"]))
        for row in mine:
            milli = points[module] * 500
            available, excess = (milli, 0) if row is best else (0, milli)
            key = f"open-university {module}-{row['code_presentation']}-{student}"
            lots.add((key, module, available, excess, row["final_result"]))
    return lots


# --- The bank ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The application on this database, spoken to over HTTP with a key of the bank itself."""
    async with reading(url) as database, database.write() as connection:
        _, key = await create_client(connection, NewClient("loader", None, SCOPES, "provider"), system_clock())
        approver = NewClient("approver", None, ("rules:approve",), "provider")
        _, approver_key = await create_client(connection, approver, system_clock())
    app = create_app(settings_for(url))
    async with app.router.lifespan_context(app):
        headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bank", headers=headers) as client:
            await example.prepare(client, str(approver_key))
            yield client


async def post_all(client: httpx.AsyncClient, results: list[example.Result], size: int = 1000) -> example.Tally:
    """What the example's command does, without printing."""
    advanced: list[int] = []
    tally = await example.post(client, results, size, advanced.append)
    assert sum(advanced) == len(results)
    return tally


async def credits_of(client: httpx.AsyncClient, results: list[example.Result], tally: example.Tally) -> int:
    """All credits in thousandths, as the example's command counts them."""
    await example.ask_again(client, results, tally)
    return int(sum(tally.credits.values()) * 1000)


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Database]:
    """The database, beside the application."""
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


async def lots_in(url: str) -> set[Lot]:
    """Every lot in the database."""
    vault = Vault(*SECRETS)
    found: list[Lot] = []
    async with reading(url) as database, database.snapshot() as connection:
        ids = await page_of_ids(connection, after=None, limit=1_000_000)
        for at in range(0, len(ids), 500):
            some = ids[at : at + 500]
            loaded = await load_learners(connection, vault, some)
            facts = await of_learners(connection, {id_: one.key for id_, one in loaded.items()})
            keys = {str(a.id): a.key for mine in facts.values() for a in mine}
            for lot in (lot for mine in (await lots_of(connection, some)).values() for lot in mine):
                available, excess = lot.positions[Account.AVAILABLE], lot.positions[Account.EXCESS]
                # Nothing lies anywhere else.
                assert available + excess == -lot.positions[Account.ISSUED]
                found.append((keys[lot.key.binding], lot.key.unit, available, excess, str(lot.terms.grade)))
    assert len(found) == len(set(found))
    return set(found)


async def counts_in(url: str) -> dict[str, int]:
    """How many rows each table has that recording writes to."""
    async with reading(url) as database, database.read() as connection:
        counts = [(await connection.execute(text(f"select count(*) from {name}"))).scalar_one() for name in WRITTEN]
    return dict(zip(WRITTEN, counts, strict=True))


async def verify(url: str) -> list[Finding]:
    """What `creditbank verify` finds."""
    today = learning_day(system_clock(), ZONE)
    async with reading(url) as database:
        pages = [page async for page in verify_bank(database, Vault(*SECRETS), Shelf(ZONE), today)]
    return [finding for page in pages for finding in page.findings]


# --- The whole --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_every_result_is_recorded_and_the_credits_are_those_of_the_files(database_url: str) -> None:
    folder = data_folder()
    rows, results = read(folder, "studentInfo"), example.read_results(folder)
    async with serving(database_url) as client:
        tally = await post_all(client, results)
        assert tally.by_outcome == Counter(row["final_result"] for row in rows)
        assert (tally.new, tally.unchanged, tally.refused.total()) == (len(rows), 0, 0)
        assert len(tally.learners) == len({row["id_student"] for row in rows})
        assert await credits_of(client, results, tally) == expected_credits(rows)
        written = await counts_in(database_url)
        assert written["achievements"] == len(rows)
        # The lots are compared with those of the files by what they are; so are those of the other database, and of
        # another order, which makes them equal to these.
        assert await lots_in(database_url) == expected_lots(rows)

        again = await post_all(client, results)
        assert (again.new, again.unchanged, again.refused.total()) == (0, len(rows), 0)
        assert await counts_in(database_url) == written
    assert await verify(database_url) == []


@pytest.mark.slow
async def test_the_order_of_arrival_changes_no_lot(sqlite_url: str) -> None:
    folder = data_folder()
    rows, results = read(folder, "studentInfo"), example.read_results(folder)
    random.Random(171).shuffle(results)
    async with serving(sqlite_url) as client:
        tally = await post_all(client, results, 700)
    assert tally.new == len(rows)
    assert await lots_in(sqlite_url) == expected_lots(rows)


# --- Invented tables of the same shape --------------------------------------------------------------------------------

INVENTED = """\
code_module,code_presentation,id_student,gender,region,highest_education,imd_band,age_band,num_of_prev_attempts,studied_credits,disability,final_result
QQQ,2013B,1,F,Scotland,HE Qualification,20-30%,35-55,0,60,N,Pass
QQQ,2013J,1,F,Scotland,HE Qualification,20-30%,35-55,1,60,N,Pass
QQQ,2013B,2,M,Wales,HE Qualification,20-30%,35-55,0,90,N,Pass
QQQ,2013J,2,M,Wales,HE Qualification,20-30%,35-55,1,60,N,Distinction
QQQ,2013B,3,F,Ireland,Lower Than A Level,,0-35,0,120,Y,Withdrawn
QQQ,2013J,3,F,Ireland,Lower Than A Level,,0-35,1,120,Y,Pass
ZZZ,2014J,3,F,Ireland,Lower Than A Level,,0-35,0,45,Y,Distinction
QQQ,2013J,4,M,Scotland,A Level or Equivalent,0-10%,55<=,0,60,N,Fail
ZZZ,2014J,4,M,Scotland,A Level or Equivalent,0-10%,55<=,0,15,N,Fail
ZZZ,2014J,5,M,Wales,A Level or Equivalent,0-10%,55<=,0,75,N,Pass
"""
COURSES = """\
code_module,code_presentation,module_presentation_length
QQQ,2013B,240
QQQ,2013J,268
ZZZ,2014J,262
"""


@pytest.fixture
def invented(tmp_path: Path) -> Path:
    """A folder with tables that hold every case: two passes, a pass then a distinction, a return, only failures."""
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "studentInfo.csv").write_text(INVENTED, "utf-8")
    (folder / "courses.csv").write_text(COURSES, "utf-8")
    return folder


@pytest.mark.parametrize("seed", [None, 1, 2])
async def test_any_modules_are_loaded_in_any_order(database_url: str, invented: Path, seed: int | None) -> None:
    rows, results = read(invented, "studentInfo"), example.read_results(invented)
    if seed is not None:
        random.Random(seed).shuffle(results)
    async with serving(database_url) as client:
        tally = await post_all(client, results, 3)
        assert (tally.new, tally.refused.total()) == (10, 0)
        assert await credits_of(client, results, tally) == expected_credits(rows) == 105_000
        # 1, 2 and 3 have QQQ's 30 once; 3 and 5 have ZZZ's 7.5; 4 has nothing.
        assert {student: str(amount) for student, amount in tally.credits.items()} == {
            "1": "30", "2": "30", "3": "37.5", "4": "0", "5": "7.5"
        }  # fmt: skip
        assert await lots_in(database_url) == expected_lots(rows)
        written = await counts_in(database_url)
        again = await post_all(client, results)
        assert (again.new, again.unchanged) == (0, 10)
        assert await credits_of(client, results, again) == 105_000
        assert await counts_in(database_url) == written
    assert await verify(database_url) == []


async def test_a_second_pass_says_why_it_earns_nothing(sqlite_url: str, invented: Path) -> None:
    async with serving(sqlite_url) as client:
        tally = await post_all(client, example.read_results(invented))
        transcript = (await client.get(f"/v1/learners/{tally.learners['1']}/transcript")).json()
    first, second = ([c["credits"], c["reason"]] for line in transcript["achievements"] for c in line["recognised"])
    assert first == ["30", "30 credits: the provider's own 60 credits, each counted as 0.5"]
    assert second[0] == "0"
    assert "QQQ counts once, and already counts through" in second[1]
    assert "(completed 29 September 2013), the better result, so none counts here" in second[1]


def test_a_result_is_dated_on_the_last_day_of_its_presentation(invented: Path) -> None:
    completed = {(r.module, r.presentation): r.completed for r in example.read_results(invented)}
    assert completed["QQQ", "2013B"] == date(2013, 2, 1) + timedelta(days=240)
    assert completed["QQQ", "2013J"] == date(2013, 10, 1) + timedelta(days=268)


def test_the_samples_tell_different_things(invented: Path) -> None:
    assert example.choose_samples(example.read_results(invented)) == [
        ("1", "passed a module twice: it counts once"),
        ("2", "a distinction"),
        ("4", "nothing passed"),
    ]


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("studentInfo", None, "neither studentInfo.csv.gz nor studentInfo.csv"),
        ("studentInfo", ("final_result", "result"), "no column final_result"),
        ("studentInfo", ("Withdrawn", "Vanished"), "'Vanished' of student 3"),
        ("studentInfo", ("ZZZ,2014J,5", "ZZZ,2014X,5"), "courses says nothing of ZZZ 2014X"),
        ("courses", ("module_presentation_length", "length"), "no column module_presentation_length"),
    ],
)
def test_a_folder_that_is_not_the_data_set_is_refused_in_words(
    invented: Path, file: str, change: tuple[str, str] | None, said: str
) -> None:
    path = invented / f"{file}.csv"
    if change is None:
        path.unlink()
    else:
        path.write_text(path.read_text("utf-8").replace(*change), "utf-8")
    with pytest.raises(example.Unusable, match=said):
        example.read_results(invented)


@pytest.mark.slow
def test_the_command_starts_a_bank_and_changes_nothing_the_second_time(invented: Path, tmp_path: Path) -> None:
    command = typer.Typer()
    command.command()(example.main)
    order = ["--data", str(invented), "--folder", str(tmp_path / "bank"), "--batch", "4"]
    first = CliRunner().invoke(command, order)
    assert first.exit_code == 0, first.output
    second = CliRunner().invoke(command, [*order, "--shuffle", "5"])
    assert second.exit_code == 0, second.output
    for printed, counted in ((first.output, "10 new, 0 already there"), (second.output, "0 new, 10 already there")):
        assert "10 results of 5 students: 2 Distinction, 5 Pass, 2 Fail, 1 Withdrawn" in printed
        assert counted in printed
        assert "105 ECTS credits in all" in printed
        assert "achievements per second" in printed
        assert "QQQ counts once, and already counts through" in printed
    assert (tmp_path / "bank/.env").stat().st_mode & 0o077 == 0
