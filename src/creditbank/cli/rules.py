"""Commands on rule sets in files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from textwrap import indent
from typing import Annotated, Final, Literal

import typer
import yaml

from creditbank.catalogue.registry import bank_registry
from creditbank.cli.running import calm_collector, done, err, fail, migrated, out
from creditbank.clock import system_clock
from creditbank.people.operating import operator, prove_person
from creditbank.rules.checking.publishing import check_documents, with_places
from creditbank.rules.checking.verdicts import Verdict
from creditbank.rules.difference import difference
from creditbank.rules.document import ParsedDocument, RuleSetDocument, read_documents
from creditbank.rules.examine import Mismatch, examine
from creditbank.rules.faults import DocumentFault, DocumentRefused
from creditbank.rules.registry import Registry
from creditbank.web.sentences import Language, sentence

commands = typer.Typer(no_args_is_help=True, help="Rule sets in files.")

_RULES_FILE = typer.Argument(help="a YAML or JSON file", exists=True, dir_okay=False)


_NOTHING: Final[Mapping[str, RuleSetDocument]] = {}
_CATALOGUES: Final[Mapping[Literal["en", "zh"], Language]] = {"en": "en", "zh": "zh-Hans"}


class Shown(StrEnum):
    """The languages in which sentences are shown."""

    EN = "en"
    ZH = "zh"
    BOTH = "both"


def _form(file: Path) -> Literal["yaml", "json"]:
    return "json" if file.suffix == ".json" else "yaml"


def _read_rules(
    file: Path, above: Mapping[str, RuleSetDocument] = _NOTHING, registry: Registry | None = None
) -> list[ParsedDocument] | DocumentRefused:
    try:
        return read_documents(file.read_bytes(), format=_form(file), above=above, registry=registry)
    except DocumentRefused as refused:
        return refused


def _in(shown: Shown) -> Sequence[Literal["en", "zh"]]:
    match shown:
        case Shown.EN:
            return ("en",)
        case Shown.ZH:
            return ("zh",)
        case Shown.BOTH:
            return ("en", "zh")


def _tell_mismatches(file: Path, mismatches: Sequence[Mismatch]) -> None:
    for m in mismatches:
        text = f"{file}: {m.test}: {m.key}\n  expected {m.expected}\n  got      {m.got}"
        err.print(text, highlight=False, markup=False, soft_wrap=True)


def _tell(file: Path, found: DocumentFault | Verdict, shown: Shown = Shown.EN) -> None:
    """One line for where and what, a further one for each further language."""
    place = f"{file}:{found.line}" if found.line else str(file)
    text = f"{place}: {found.code} {found.pointer}: " + "\n    ".join(found.message[one] for one in _in(shown))
    if isinstance(found, Verdict) and found.counterexample:
        examples = yaml.safe_dump([dict(made) for made in found.counterexample], allow_unicode=True, sort_keys=False)
        text += "\n" + indent(examples.rstrip(), "    ")
    err.print(text, highlight=False, markup=False, soft_wrap=True)


@commands.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="YAML or JSON files", exists=True, dir_okay=False)],
    language: Annotated[Shown, typer.Option(help="the language of the sentences")] = Shown.BOTH,
) -> None:
    """Say what speaks against publishing, with achievements that show it. Exit 1 on errors, 0 on warnings alone.

    All is found that `rules publish` would refuse of the documents alone: tests that fail, and rules and limits without
    a test, too. What the bank's own versions and learners say is found by `rules simulate`. A file may extend what the
    files before it hold.
    """
    calm_collector()
    wrong = 0
    above: dict[str, RuleSetDocument] = {}
    for file in files:
        documents = _read_rules(file, above, bank_registry())
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault, language)
            wrong += len(documents.faults)
            continue
        above.update({document.model.ruleset.ref: document.model for document in documents})
        checked = check_documents(documents, bank_registry())
        verdicts = [*checked.errors, *checked.untested, *checked.warnings]
        if verdicts and file.suffix != ".json":
            verdicts = with_places(verdicts, file.read_bytes())
        for verdict in verdicts:
            _tell(file, verdict, language)
        _tell_mismatches(file, checked.mismatches)
        errors = len(checked.errors) + len(checked.untested) + len(checked.mismatches)
        if len(documents) > 1:
            errors += 1
            said = "\n    ".join(sentence("one_document_wanted", _CATALOGUES[one]) for one in _in(language))
            err.print(f"{file}: one_document_wanted: {said}", highlight=False, markup=False, soft_wrap=True)
        told = f"{file}: {errors} errors, {len(checked.warnings)} warnings"
        out.print(told, highlight=False, markup=False, soft_wrap=True)
        wrong += errors
    if wrong:
        raise typer.Exit(1)


@commands.command("diff")
def diff(
    old: Annotated[Path, typer.Argument(help="the file with the former version", exists=True, dir_okay=False)],
    new: Annotated[Path, typer.Argument(help="the file with the new version", exists=True, dir_okay=False)],
) -> None:
    """Say what changes from one version of a rule set to the next, and which achievements that can touch."""
    newest: list[dict[str, ParsedDocument]] = []
    for file in (old, new):
        documents = _read_rules(file)
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault)
            raise typer.Exit(1)
        by_version = sorted(documents, key=lambda document: document.model.ruleset.version)
        newest.append({document.model.ruleset.id: document for document in by_version})
    both = [id_ for id_ in newest[1] if id_ in newest[0]]
    if not both:
        fail("the files have no rule set in common")
    for id_ in both:
        found = difference(newest[0][id_].layered, newest[1][id_].layered)
        for change in found.changes:
            sign = {"added": "+", "removed": "-", "changed": "~"}[change.kind]
            told = json.dumps(change.new if change.kind == "added" else change.old, ensure_ascii=False)
            if change.kind == "changed":
                told += f" -> {json.dumps(change.new, ensure_ascii=False)}"
            line = f"{sign} {change.pointer} ({change.of}): {told}"
            out.print(line, highlight=False, markup=False, soft_wrap=True)
        for box in found.touched:
            wanted = {"kind": box.kinds, "provider": box.providers, "code": box.codes}
            asked = "; ".join(f"{name} {', '.join(values)}" for name, values in wanted.items() if values is not None)
            out.print(f"touches {asked or 'everything'}", highlight=False, markup=False, soft_wrap=True)
        for programme in found.programmes:
            out.print(f"touches programme {programme}", highlight=False, markup=False)


@commands.command("test")
def test(files: Annotated[list[Path], typer.Argument(help="YAML or JSON files", exists=True)]) -> None:
    """Run the tests that rule sets carry; prints each mismatch as expected and got. Exit 1 on any."""
    wrong = 0
    for file in files:
        documents = _read_rules(file)
        if isinstance(documents, DocumentRefused):
            for fault in documents.faults:
                _tell(file, fault)
            wrong += len(documents.faults)
            continue
        mismatches = examine(documents).mismatches
        _tell_mismatches(file, mismatches)
        wrong += len(mismatches)
        count = sum(len(document.model.tests) for document in documents)
        out.print(f"{file}: {count} tests, {len(mismatches)} mismatches", highlight=False, markup=False)
    if wrong:
        raise typer.Exit(1)


@commands.command("explain")
def explain(
    file: Annotated[Path, typer.Argument(help="rule sets, YAML or JSON", exists=True, dir_okay=False)],
    achievements: Annotated[Path, typer.Option(help="one learner's achievements", exists=True, dir_okay=False)],
    language: Annotated[Literal["en", "zh"], typer.Option(help="of the sentences")] = "en",
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the day of the evaluation; today")
    ] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="show the canonical text, the tests and the steps too")
    ] = False,
) -> None:
    """Say what rule sets make of achievements, and why. Exit 1 when either file is refused."""
    from creditbank.rules.telling.answers import answers, read_given

    day = (as_of or system_clock().astimezone()).date()
    reading = file
    try:
        documents = read_documents(file.read_bytes(), format=_form(file))
        reading = achievements
        facts = read_given(achievements.read_bytes(), _form(achievements))
    except DocumentRefused as refused:
        for fault in refused.faults:
            _tell(reading, fault, Shown(language))
        raise typer.Exit(1) from None
    for answer in answers(documents, facts, day, language):
        lines = [f"{answer.key}  {answer.credits} {answer.unit}  {answer.state}", f"  {answer.sentence}"]
        if trace:
            lines += [f"  {answer.canonical}", *(f"    {part}" for part in answer.trace)]
        out.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


@commands.command("import")
def import_equivalencies(
    file: Annotated[Path, typer.Argument(help="an equivalency table, CSV or XLSX", exists=True, dir_okay=False)],
    to: Annotated[Path, typer.Option(help="where the rule sets go, one file for each receiving institution")] = Path(),
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="first day, where no sheet says it")
    ] = None,
    unit: Annotated[str, typer.Option(help="unit of credit, where no sheet says it")] = "CR",
) -> None:
    """Make rule sets with tests from an equivalency table. Exit 1, and nothing written, on a cell that is wrong."""
    from creditbank.equivalencies.commands import import_table
    from creditbank.equivalencies.rows import Defaults

    if not import_table(file, to, Defaults(start.date() if start else None, unit), out, err):
        raise typer.Exit(1)


@commands.command("table")
def table(
    files: Annotated[list[Path], typer.Argument(help="rule sets, YAML or JSON", exists=True, dir_okay=False)],
    to: Annotated[Path, typer.Option(help="the spreadsheet to write")] = Path("equivalencies.xlsx"),
) -> None:
    """Write rule sets into a spreadsheet that `rules import` reads. Exit 1 on anything that a table cannot say."""
    from creditbank.equivalencies.commands import export_table

    if not export_table(files, to, out, err):
        raise typer.Exit(1)


@commands.command("simulate")
def simulate(
    file: Annotated[Path, _RULES_FILE],
    sample: Annotated[int | None, typer.Option(min=1, help="look at about so many learners only")] = None,
) -> None:
    """Store a rule set as a draft, validate it, and say what publishing it would change. Nobody is settled."""
    from creditbank.publishing.commands import Operating, show_report

    report = done(Operating(migrated(), operator(), err).simulate(file.read_bytes(), _form(file), sample))
    show_report(out, report)


@commands.command("publish")
def publish(
    file: Annotated[Path, _RULES_FILE],
    approved_by: Annotated[
        str | None,
        typer.Option("--approved-by", help="login of the person beside you who approves it; asks for their password"),
    ] = None,
) -> None:
    """Lead a rule set all the way: draft, validated, simulated, approved by another, published.

    With --approved-by LOGIN it asks on the terminal for that person's password, and shows nothing of it: their own, not
    an initial one. They must hold a role with `rules:approve` for the bank, and may have put nothing into the version.
    Without the option you approve yourself what somebody else drafted. Both stand in the audit log. A worker settles
    everybody then.
    """
    from creditbank.publishing.commands import Operating, show_report

    settings, approver = migrated(), operator()
    if approved_by is not None:
        password = typer.prompt(f"password of {approved_by}", hide_input=True, err=True)
        approver = done(prove_person(settings, approved_by, password, "rules:approve"))
    published = done(Operating(settings, operator(), err).publish(file.read_bytes(), _form(file), approver))
    show_report(out, published.report)
    out.print(f"{published.ref} published; job {published.job} settles everybody", highlight=False)
