"""Put the published results of the Open University into a learning credit bank, over its HTTP API.

A partner's program would look like this: it knows the API and nothing of the bank's insides. Without ``--url`` it
starts a bank of its own with the bank's own commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import gzip
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

PROVIDER: Final = "open-university"
RULE_SET: Final = "open-university"
RULES: Final = Path(__file__).with_name("rules.yaml")
UNIT: Final = "ECTS"
EARNING: Final = frozenset({"Pass", "Distinction"})
OUTCOMES: Final = ("Distinction", "Pass", "Fail", "Withdrawn")

_FIRST_MONTH: Final = {"B": 2, "J": 10}
"""A presentation is named by its year and month: B begins in February, J in October."""

_PATIENCE_SECONDS: Final = 60
_POLL_SECONDS: Final = 0.05

# A file or a pipe has no width of its own; the reasons should not be broken for one that nobody sees.
out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False, markup=False)


class Unusable(Exception):
    """The folder, the bank or an answer is not what it should be; the text says how."""


# --- The tables -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Result:
    """How a student's enrolment in one presentation of a module ended. ``points`` are the module's own CATS points."""

    module: str
    presentation: str
    student: str
    outcome: str
    points: int
    started: date
    completed: date

    @property
    def external_id(self) -> str:
        """What the university calls this result: the same in every run, so that a second run changes nothing."""
        return f"{self.module}-{self.presentation}-{self.student}"

    @property
    def earns(self) -> bool:
        """Whether the module was passed."""
        return self.outcome in EARNING

    def as_achievement(self) -> dict[str, Any]:
        """The result as the API takes it. Whoever has no account yet gets one."""
        return {
            "external_id": self.external_id,
            "provider": PROVIDER,
            "kind": "course",
            "code": self.module,
            "title": {
                "zh": f"模块 {self.module}（{self.presentation}）",
                "en": f"Module {self.module} ({self.presentation})",
            },
            "credits": self.points,
            "grade": {"ou-result": self.outcome},
            "started": self.started.isoformat(),
            "completed": self.completed.isoformat(),
            "learner": {"identity": {"type": "student_number", "value": self.student, "issuer": PROVIDER}},
            "open_account": {"name": f"Student {self.student}"},
        }


def read_table(folder: Path, name: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of ``name.csv.gz`` or ``name.csv``. Raises Unusable when there is neither or a column is missing."""
    packed, plain = folder / f"{name}.csv.gz", folder / f"{name}.csv"
    if packed.exists():
        file = gzip.open(packed, "rt", encoding="utf-8-sig", newline="")  # noqa: SIM115 (closed below)
    elif plain.exists():
        file = plain.open(encoding="utf-8-sig", newline="")
    else:
        raise Unusable(f"{folder} has neither {packed.name} nor {plain.name}")
    with file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or [])]
        if missing:
            raise Unusable(f"{name} in {folder} has no column {', '.join(missing)}")
        return list(reader)


def first_day(presentation: str) -> date:
    """The day a presentation begins: 2013J is 1 October 2013. Raises Unusable."""
    match = re.fullmatch(r"(\d{4})([BJ])", presentation)
    if match is None:
        raise Unusable(f"{presentation!r} is not a presentation such as 2013J or 2014B")
    return date(int(match[1]), _FIRST_MONTH[match[2]], 1)


def read_results(folder: Path) -> list[Result]:
    """Every result in the folder, by completion. Raises Unusable.

    ``studied_credits`` is what a student studied at the time in all, so the least that anybody in a module studied is
    the value of the module itself. No table dates a result: all are dated on the last day of their presentation.
    """
    rows = read_table(
        folder, "studentInfo", ("code_module", "code_presentation", "id_student", "studied_credits", "final_result")
    )
    lengths = {
        (row["code_module"], row["code_presentation"]): int(row["module_presentation_length"])
        for row in read_table(folder, "courses", ("code_module", "code_presentation", "module_presentation_length"))
    }
    points: dict[str, int] = {}
    for row in rows:
        load = int(row["studied_credits"])
        points[row["code_module"]] = min(load, points.get(row["code_module"], load))
    results = []
    for row in rows:
        module, presentation, outcome = row["code_module"], row["code_presentation"], row["final_result"]
        if (module, presentation) not in lengths:
            raise Unusable(f"courses says nothing of {module} {presentation}")
        if outcome not in OUTCOMES:
            raise Unusable(f"{outcome!r} of student {row['id_student']} in {module} {presentation} is no result")
        started = first_day(presentation)
        completed = started + timedelta(days=lengths[module, presentation])
        results.append(Result(module, presentation, row["id_student"], outcome, points[module], started, completed))
    return sorted(results, key=lambda r: (r.completed, r.module, int(r.student)))


# --- The bank's API ---------------------------------------------------------------------------------------------------


def _said(answer: httpx.Response) -> str:
    problem = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    said = f"{answer.status_code} {problem.get('code', '')} {problem.get('detail', '')}".strip()
    return f"{answer.request.method} {answer.request.url.path}: {said}"


async def _ask(client: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
    answer = await client.request(method, path, **options)
    if answer.is_error:
        raise Unusable(_said(answer))
    return answer.json()


async def prepare(client: httpx.AsyncClient, approver_key: str) -> None:
    """Enter the university and publish the rules, unless they are there; another client's key approves them.

    Raises Unusable.
    """
    university = {
        "code": PROVIDER,
        "name": {"zh": "英国开放大学", "en": "The Open University"},
        "provider_type": "university",
    }
    entered = await client.post("/v1/providers", json=university)
    if entered.is_error and entered.json().get("code") != "provider_code_taken":
        raise Unusable(_said(entered))
    listed = await _ask(client, "GET", "/v1/rule-sets", params={"limit": 500})
    versions = [version for one in listed["items"] if one["code"] == RULE_SET for version in one["versions"]]
    if not versions:
        media_type = {"Content-Type": "application/yaml"}
        versions = [await _ask(client, "POST", "/v1/rule-sets", content=RULES.read_bytes(), headers=media_type)]
    for version in versions:
        if version["state"] not in {"published", "superseded", "withdrawn"}:
            await _lead(client, f"/v1/rule-sets/{version['rule_set']}/versions/{version['version']}", approver_key)


async def _lead(client: httpx.AsyncClient, version: str, approver_key: str) -> None:
    """Lead a version from draft to published: nobody approves what they wrote themselves. Raises Unusable."""
    await _ask(client, "POST", f"{version}/validate")
    await _ask(client, "POST", f"{version}/simulate")
    simulation = await _ask(client, "GET", f"{version}/simulation")
    for _ in range(int(_PATIENCE_SECONDS / _POLL_SECONDS)):
        if simulation["state"] not in {"waiting", "running"}:
            break
        await asyncio.sleep(_POLL_SECONDS)
        simulation = await _ask(client, "GET", f"{version}/simulation")
    if simulation["report"] is None:
        raise Unusable(f"the simulation is {simulation['state']}")
    for step in ("approve", "publish"):
        await _ask(client, "POST", f"{version}/{step}", headers={"Authorization": f"Bearer {approver_key}"})


@dataclass
class Tally:
    """What came of posting: counts by result and by what the bank did with it, and every student's credits."""

    by_outcome: Counter[str] = field(default_factory=Counter)
    new: int = 0
    unchanged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0  # A stop-watch's, not an amount.
    learners: dict[str, str] = field(default_factory=dict)
    credits: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def posted(self) -> int:
        """How many achievements were sent."""
        return self.new + self.unchanged + self.refused.total()

    def add(self, result: Result, item: dict[str, Any]) -> None:
        """Count what the bank answered about one result."""
        self.by_outcome[result.outcome] += 1
        if "problem" in item:
            self.refused[item["problem"]["code"]] += 1
            return
        self.new += item["status"] == 201
        self.unchanged += item["status"] == 200
        self.learners[result.student] = item["achievement"]["learner_id"]
        self.credits[result.student] += sum(
            (
                Decimal(lot["positions"].get("available", "0"))
                for lot in item["outcome"]["lots"]
                if lot["credit_unit"] == UNIT
            ),
            Decimal(),
        )


async def post(
    client: httpx.AsyncClient, results: Sequence[Result], size: int, advance: Callable[[int], None]
) -> Tally:
    """Post the results in batches of ``size`` and count what the bank makes of them. Raises Unusable."""
    tally = Tally()
    started = time.perf_counter()
    for at in range(0, len(results), size):
        batch = results[at : at + size]
        answer = await _ask(client, "POST", "/v1/achievements/batch", json=[r.as_achievement() for r in batch])
        for result, item in zip(batch, answer["results"], strict=True):
            tally.add(result, item)
        advance(len(batch))
    tally.seconds = time.perf_counter() - started
    return tally


async def ask_again(client: httpx.AsyncClient, results: Sequence[Result], tally: Tally) -> None:
    """Ask for the balance of everybody with several results: a later one may have changed what an earlier one gave."""
    several = [student for student, count in Counter(r.student for r in results).items() if count > 1]
    for student in several:
        if student not in tally.learners:
            continue
        balance = await _ask(client, "GET", f"/v1/learners/{tally.learners[student]}/balance")
        mine = [unit["total"] for unit in balance["units"] if unit["unit"] == UNIT]
        tally.credits[student] = Decimal(mine[0]) if mine else Decimal()


# --- What is printed --------------------------------------------------------------------------------------------------


def choose_samples(results: Sequence[Result]) -> list[tuple[str, str]]:
    """Up to three students whose transcripts tell something, each with what it tells."""
    by_student: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_student[result.student].append(result)

    def passed_twice(mine: Sequence[Result]) -> bool:
        passed = Counter(r.module for r in mine if r.earns)
        return any(count > 1 for count in passed.values())

    def came_back(mine: Sequence[Result]) -> bool:
        lost = {r.module: r.completed for r in mine if not r.earns}
        return any(r.earns and r.module in lost and lost[r.module] < r.completed for r in mine)

    wanted: list[tuple[str, Callable[[Sequence[Result]], bool]]] = [
        ("passed a module twice: it counts once", passed_twice),
        ("came back to a module and passed it", came_back),
        ("a distinction", lambda mine: any(r.outcome == "Distinction" for r in mine)),
        ("nothing passed", lambda mine: not any(r.earns for r in mine)),
    ]
    # Whoever has most results tells most; the smallest number of equals, so that every run shows the same.
    students = sorted(by_student, key=lambda student: (-len(by_student[student]), int(student)))
    chosen: dict[str, str] = {}
    for what, is_it in wanted:
        found = next((s for s in students if s not in chosen and is_it(by_student[s])), None)
        if found is not None:
            chosen[found] = what
    # A second pass says what coming back would have said.
    if len(chosen) > 3:
        chosen = {student: what for student, what in chosen.items() if what != wanted[1][0]}
    return list(chosen.items())


def show_transcript(transcript: dict[str, Any], what: str) -> None:
    """Print a transcript with the reason for every credit, and for every result that earned none."""
    learner = transcript["learner"]
    totals = ", ".join(f"{total['total']} {total['unit']}" for total in transcript["totals"]) or f"0 {UNIT}"
    out.print(f"\n{learner['name']} ({learner['number']}): {totals} - {what}", style="bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("  completed", "module", "result", "credits", "why"):
        table.add_column(heading, justify="right" if heading == "credits" else "left")
    for line in transcript["achievements"]:
        credits_ = [(credit["credits"], credit["reason"]) for credit in line["recognised"]]
        for amount, reason in credits_ or [("0", refusal["reason"]) for refusal in line["not_recognised"]]:
            table.add_row(
                f"  {line['completed']}", line["title"]["en"], "".join((line["grade"] or {}).values()), amount, reason
            )
    out.print(table)


def show_counts(tally: Tally) -> None:
    """Print what came of posting."""
    counted = ", ".join(f"{tally.by_outcome[outcome]:,} {outcome}" for outcome in OUTCOMES)
    out.print(f"\n{tally.posted:,} results of {len(tally.learners):,} students: {counted}")
    refused = "".join(f"; {count:,} {code}" for code, count in tally.refused.most_common())
    out.print(f"{tally.new:,} new, {tally.unchanged:,} already there, {tally.refused.total():,} refused{refused}")
    out.print(f"{sum(tally.credits.values(), Decimal()).normalize():,f} {UNIT} credits in all")
    out.print(f"{tally.seconds:.1f} seconds, {tally.posted / tally.seconds:,.0f} achievements per second")


# --- A bank of one's own ----------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 (our own command)
        [sys.executable, "-m", "creditbank", *command.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unusable(f"creditbank {command}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextlib.contextmanager
def own_bank(folder: Path, database: str | None) -> Iterator[tuple[str, str, str]]:
    """A bank that serves for the time of a ``with`` block: its address, a key of the bank itself, and an approver's.

    The folder keeps its secrets and, unless another database is named, the database; so a second run finds what the
    first one left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Settings of another bank on this machine must not leak into this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDITBANK_")}
    environment |= {"CREDITBANK_LOG_LEVEL": "warning"} | ({"CREDITBANK_DATABASE_URL": database} if database else {})
    secrets = folder / ".env"
    if not secrets.exists():
        fresh = _run("config secrets", folder, environment)
        secrets.touch(mode=0o600)
        secrets.write_text(fresh, "utf-8")
    _run("migrate", folder, environment)
    key = _run("clients create open-university-loader --days 1", folder, environment).split()[-1]
    wanted = "clients create open-university-approver --days 1 --scope rules:approve"
    approver_key = _run(wanted, folder, environment).split()[-1]
    port = _free_port()
    log = folder / "server.log"
    with log.open("ab") as lines:
        server = subprocess.Popen(  # noqa: S603 (our own command)
            [sys.executable, "-m", "creditbank", "serve", "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=lines,
            stderr=lines,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _is_ready(url):
            if server.poll() is not None or time.monotonic() > deadline:
                raise Unusable(f"the bank does not start; its words are in {log}")
            time.sleep(0.05)
        yield url, key, approver_key
    finally:
        server.terminate()
        server.wait()


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


# --- The command ------------------------------------------------------------------------------------------------------


async def load(url: str, key: str, approver_key: str, results: Sequence[Result], size: int) -> None:
    """Load the results into the bank at ``url`` and print what came of it. Raises Unusable."""
    headers = {"Authorization": f"Bearer {key}", "Accept-Language": "en"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120) as client:
        await prepare(client, approver_key)
        bar = Progress(TextColumn("posting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=err)
        with bar:
            task = bar.add_task("posting", total=len(results))
            tally = await post(client, results, size, lambda count: bar.advance(task, count))
        await ask_again(client, results, tally)
        show_counts(tally)
        for student, what in choose_samples(results):
            if student in tally.learners:
                path = f"/v1/learners/{tally.learners[student]}/transcript"
                show_transcript(await _ask(client, "GET", path, headers={"Accept": "application/json"}), what)
    if tally.refused:
        raise Unusable(f"{tally.refused.total():,} results were refused")


def main(
    data: Annotated[Path, typer.Option(help="folder with studentInfo and courses, as .csv.gz or .csv")],
    url: Annotated[str | None, typer.Option(help="a running bank; by default one is started")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="OPEN_UNIVERSITY_KEY", help="a key of that bank's own, with every scope")
    ] = None,
    approver_key: Annotated[
        str | None,
        typer.Option(envvar="OPEN_UNIVERSITY_APPROVER_KEY", help="a key of another client, which approves the rules"),
    ] = None,
    folder: Annotated[Path, typer.Option(help="where the started bank keeps its secrets and database")] = Path(
        "open-university-bank"
    ),
    database: Annotated[
        str | None, typer.Option(help="another database for the started bank, such as postgresql+asyncpg://…")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=1000, help="results in one request")] = 1000,
    shuffle: Annotated[int | None, typer.Option(help="post in an order drawn with this seed")] = None,
) -> None:
    """Post every result in a folder of OULAD to a learning credit bank and show what it is worth."""
    try:
        results = read_results(data)
        if shuffle is not None:
            random.Random(shuffle).shuffle(results)  # noqa: S311 (an order, not a secret)
        if url is not None:
            if key is None or approver_key is None:
                raise Unusable("--url needs --key and --approver-key: `creditbank clients create NAME` prints one")
            asyncio.run(load(url, key, approver_key, results, batch))
            return
        with own_bank(folder, database) as (own_url, own_key, own_approver_key):
            out.print(f"A bank at {own_url} on {'the given database' if database else folder / 'creditbank.sqlite'}")
            asyncio.run(load(own_url, own_key, own_approver_key, results, batch))
    except (Unusable, httpx.HTTPError) as wrong:
        err.print(str(wrong) or type(wrong).__name__, style="red")
        raise typer.Exit(1) from wrong


if __name__ == "__main__":
    typer.run(main)
