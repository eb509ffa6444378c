"""What the command line does with tables: a file in, files out, and every fault and remark told in both languages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from creditbank.equivalencies.domain import Composition, Remark, compose, document_of
from creditbank.equivalencies.faults import TableRefused, remark_sentence
from creditbank.equivalencies.listing import book_of
from creditbank.equivalencies.rows import Defaults, read_book
from creditbank.equivalencies.sheets import read_file, write_file
from creditbank.equivalencies.trials import trials_of
from creditbank.equivalencies.writing import yaml_text
from creditbank.rules.canonical import canonical
from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.faults import DocumentRefused


def import_table(file: Path, folder: Path, defaults: Defaults, out: Console, err: Console) -> bool:
    """Write a rule set for each receiving institution of the table; False, and nothing written, when it is refused."""
    try:
        listed = read_book(read_file(file), defaults)
        composed = [compose(one.scheme, one.equivalencies) for one in listed]
        texts = {one.scheme.id: rule_set_text(one) for one in composed}
        # Nothing is written that could not be published.
        verdicts = [verdict for text in texts.values() for verdict in examine_documents(read_documents(text))]
    except TableRefused as refused:
        for fault in refused.faults:
            place = f"{file}: {fault.sheet} row {fault.row}, column {fault.column}" if fault.row else f"{file}"
            _say(err, f"{place}: {fault.code}: {fault.message['en']} / {fault.message['zh']}")
        return False
    except DocumentRefused as refused:
        for found in refused.faults:
            _say(err, f"{file}: {found.code} {found.pointer}: {found.message['en']} / {found.message['zh']}")
        return False
    if errors := [verdict for verdict in verdicts if verdict.severity == "error"]:
        for verdict in errors:
            _say(err, f"{file}: {verdict.code} {verdict.pointer}: {verdict.message['en']} / {verdict.message['zh']}")
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for one, table in zip(composed, listed, strict=True):
        target = folder / f"{one.scheme.id}.yaml"
        target.write_text(texts[one.scheme.id], "utf-8")
        tell_remarks(str(file), [*table.remarks, *one.remarks], err)
        _say(out, f"{target}: {len(one.rules)} rules, {len(table.remarks) + len(one.remarks)} remarks")
    return True


def export_table(files: Sequence[Path], target: Path, out: Console, err: Console) -> bool:
    """Write the spreadsheet of rule sets; False when a document is refused or says what a table cannot."""
    documents = []
    for file in files:
        try:
            documents += read_documents(file.read_bytes(), format="json" if file.suffix == ".json" else "yaml")
        except DocumentRefused as refused:
            for fault in refused.faults:
                _say(err, f"{file}: {fault.code} {fault.pointer}: {fault.message['en']} / {fault.message['zh']}")
            return False
    book, remarks = book_of([json.loads(canonical(document.model)) for document in documents])
    write_file(target, book)
    tell_remarks(str(target), remarks, err)
    _say(out, f"{target}: {sum(len(document.model.recognition) for document in documents)} rules")
    return all(remark.code != "cannot_be_said" for remark in remarks)


def rule_set_text(composition: Composition) -> str:
    """The rule set with its tests, as YAML."""
    return yaml_text(document_of(composition, trials_of(composition)))


def tell_remarks(place: str, remarks: Iterable[Remark], err: Console) -> None:
    """Print what a person should look at, with the courses that show it."""
    for remark in remarks:
        sentence = remark_sentence(remark)
        _say(err, f"{place}: {remark.source}: {remark.code}: {sentence['en']} / {sentence['zh']}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
