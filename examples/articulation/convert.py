"""Turn published articulation into rule sets with tests, and say what the source leaves open.

    python -m examples.articulation.convert assist FOLDER --to OUT
    python -m examples.articulation.convert check OUT

A folder gives one rule set for each receiving institution, ``report.md`` with counts and examples, and ``report.jsonl``
with everything that could not be said without guessing.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from creditbank.equivalencies.commands import rule_set_text
from creditbank.equivalencies.domain import Composition, compose
from creditbank.equivalencies.faults import REMARKS, remark_sentence
from creditbank.rules.canonical import canonical, sha256
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.compile import compile_version
from creditbank.rules.document import read_documents
from creditbank.rules.examine import Mismatch, examine
from examples.articulation.assist import read_assist
from examples.articulation.exams import read_exams
from examples.articulation.reading import OPEN, Published, Unusable, with_least_grade
from examples.articulation.transfers import read_transfers

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 120)
err = Console(stderr=True, highlight=False, markup=False)

EXAMPLES_SHOWN: Final = 5

Folder = Annotated[Path, typer.Argument(help="the published files", exists=True, file_okay=False)]
To = Annotated[Path, typer.Option(help="where the rule sets and the report go")]
Start = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day of the rule sets")]


Least = Annotated[str | None, typer.Option(help="letter grade to ask for where the source states none, such as C")]


@app.command()
def assist(folder: Folder, to: To, start: Start = datetime(2022, 8, 1), least: Least = None) -> None:
    """California: ASSIST, computer science, 2022-23."""
    _convert(read_assist, folder, to, start.date(), least)


@app.command()
def transfers(folder: Folder, to: To, start: Start = datetime(2025, 8, 1), least: Least = None) -> None:
    """Nine states: transfer tables."""
    _convert(read_transfers, folder, to, start.date(), least)


@app.command()
def exams(folder: Folder, to: To, start: Start = datetime(2025, 8, 1)) -> None:
    """UC Irvine: Advanced Placement."""
    _convert(read_exams, folder, to, start.date())


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="a folder that one of the other commands wrote", exists=True)],
) -> None:
    """Read, compile, test and compare every rule set of a folder; exit 1 on a failed test or a verdict."""
    figures = [check_file(file) for file in sorted(folder.glob("*.yaml"))]
    for one in figures:
        for wrong in one.mismatches[:5]:
            err.print(f"{one.name}: {wrong.test}: {wrong.key}: expected {wrong.expected}, got {wrong.got}")
        for verdict in one.verdicts[:5]:
            err.print(f"{one.name}: {verdict.code} {verdict.pointer}: {verdict.message['en']}")
    print_figures(figures)
    if any(one.mismatches or one.verdicts for one in figures):
        raise typer.Exit(1)


def convert(published: Iterable[Published], to: Path) -> list[tuple[Published, Composition]]:
    """Write the rule sets, for ``check`` to read, and the report; nothing for whom nothing can be said."""
    to.mkdir(parents=True, exist_ok=True)
    converted = []
    for one in published:
        composition = compose(one.scheme, one.equivalencies)
        if composition.rules:
            (to / f"{one.scheme.id}.yaml").write_text(rule_set_text(composition), "utf-8")
        converted.append((one, composition))
    _write_report(converted, to)
    return converted


def _convert(
    read: Callable[[Path, date], Iterator[Published]], folder: Path, to: Path, start: date, least: str | None = None
) -> None:
    try:
        published = read(folder, start)
        converted = convert((with_least_grade(one, least) for one in published) if least else published, to)
    except Unusable as unusable:
        err.print(str(unusable), style="red")
        raise typer.Exit(2) from None
    out.print((to / "report.md").read_text("utf-8").partition("\n## Examples")[0])
    out.print(f"{len(converted)} institutions, in {to}")


# --- The report -------------------------------------------------------------------------------------------------------


def _write_report(converted: list[tuple[Published, Composition]], to: Path) -> None:
    left: list[dict[str, object]] = []
    for published, composition in converted:
        left += [
            {"code": one.code, "rule_set": published.scheme.id, "source": one.source, "text": one.text}
            for one in published.left_open
        ]
        left += [
            {
                "code": one.code,
                "rule_set": published.scheme.id,
                "source": one.source,
                "text": remark_sentence(one)["en"],
                "zh": remark_sentence(one)["zh"],
                "counterexample": list(one.counterexample),
            }
            for one in composition.remarks
        ]
    with (to / "report.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in left)
    (to / "report.md").write_text("\n".join(_report_lines(converted, left)) + "\n", "utf-8")


def _report_lines(converted: list[tuple[Published, Composition]], left: list[dict[str, object]]) -> Iterator[str]:
    effects = Counter(rule.effect for _, composition in converted for rule in composition.rules)
    sets = sum(bool(composition.rules) for _, composition in converted)
    yield "# What became of it\n"
    lines = sum(one.lines for one, _ in converted)
    yield f"{lines} lines of {len(converted)} institutions became {sets} rule sets with {sum(effects.values())} rules:"
    yield f"{effects['grant']} grant, {effects['deny']} deny, {effects['review']} review.\n"
    yield "| code | how often | meaning |\n|---|---|---|"
    for code, count in Counter(str(one["code"]) for one in left).most_common():
        yield f"| {code} | {count} | {OPEN.get(code) or _in_general(REMARKS[code][0])} |"
    yield "\n## Examples\n"
    for code in dict.fromkeys(str(one["code"]) for one in left):
        for one in [one for one in left if one["code"] == code][:EXAMPLES_SHOWN]:
            yield f"- `{code}` {one['rule_set']}, {one['source']}: {one['text']}"


def _in_general(sentence: str) -> str:
    """The sentence of a remark without what fills it."""
    return re.sub(r"\{(\w+)\}", r"*\1*", sentence).replace("|", "/")


# --- The check --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """Figures of one rule set; times in seconds of this process."""

    name: str
    rules: int
    exercised: int
    tests: int
    megabytes: float
    read_seconds: float
    compile_seconds: float
    test_seconds: float
    check_seconds: float
    mismatches: Sequence[Mismatch]
    verdicts: Sequence[Verdict]


def check_file(file: Path) -> Checked:
    """Read, compile and test one rule set, on one core."""
    content = file.read_bytes()
    begun = time.perf_counter()
    documents = read_documents(content)
    was_read = time.perf_counter()
    versions = [compile_version(one.layered, sha256=sha256(canonical(one.model))) for one in documents]
    compiled = time.perf_counter()
    examined = examine(documents)
    tested = time.perf_counter()
    verdicts = examine_documents(documents)
    done = time.perf_counter()
    return Checked(
        file.stem,
        sum(len(version.rules) for version in versions),
        len(examined.exercised),
        examined.tests,
        len(content) / 1e6,
        was_read - begun,
        compiled - was_read,
        tested - compiled,
        done - tested,
        examined.mismatches,
        verdicts,
    )


def print_figures(figures: list[Checked]) -> None:
    """A table of the largest rule sets and the sum of all."""
    table = Table(
        "rule set",
        "rules",
        "exercised",
        "tests",
        "failed",
        "verdicts",
        "MB",
        "read s",
        "compile s",
        "test s",
        "check s",
    )
    for one in [*sorted(figures, key=lambda one: -one.rules)[:8], _sum(figures)]:
        table.add_row(
            *(
                one.name,
                str(one.rules),
                str(one.exercised),
                str(one.tests),
                str(len(one.mismatches)),
                str(len(one.verdicts)),
            ),
            *(
                f"{one.megabytes:.1f}",
                f"{one.read_seconds:.2f}",
                f"{one.compile_seconds:.3f}",
                f"{one.test_seconds:.2f}",
                f"{one.check_seconds:.2f}",
            ),
        )
    out.print(table)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.print(f"{len(figures)} rule sets; at most {peak:.0f} MB of memory")


def _sum(figures: list[Checked]) -> Checked:
    return Checked(
        "all",
        sum(one.rules for one in figures),
        sum(one.exercised for one in figures),
        sum(one.tests for one in figures),
        sum(one.megabytes for one in figures),
        sum(one.read_seconds for one in figures),
        sum(one.compile_seconds for one in figures),
        sum(one.test_seconds for one in figures),
        sum(one.check_seconds for one in figures),
        [wrong for one in figures for wrong in one.mismatches],
        [verdict for one in figures for verdict in one.verdicts],
    )


if __name__ == "__main__":
    app()
