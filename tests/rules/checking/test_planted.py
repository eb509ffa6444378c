"""Faults planted in documents that are free of them, each found at its place (rules/v1 section 15)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from creditbank.rules.checking.publishing import examine_documents, with_places
from creditbank.rules.document import read_documents

_SHARED = Path(__file__).resolve().parents[4] / "shared/design/examples"
"""The six documents of the language's own description, beside the checkout where somebody laid them there."""

FILES: list[Any] = [
    pytest.param(file, id=f"{folder.name}/{file.stem}")
    for folder in (Path(__file__).parents[1] / "documents", _SHARED)
    for file in sorted(folder.glob("*.yaml"))
]
if not _SHARED.is_dir():
    why = "the documents of the language's description do not lie beside this checkout"
    FILES.append(pytest.param(_SHARED, id=_SHARED.name, marks=pytest.mark.skip(why)))


@pytest.mark.parametrize("file", FILES)
def test_the_examples_of_the_language_may_be_published(file: Path) -> None:
    found = examine_documents(read_documents(file.read_bytes()))
    assert [verdict for verdict in found if verdict.severity == "error"] == []


def _again(rule: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {**rule, "id": "planted", **parts}


class _Dumper(yaml.SafeDumper):
    """Writes out what occurs twice, since documents know no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True


GRANTS = [{"credits": {"fixed": "9"}}]


@pytest.mark.parametrize("file", FILES)
def test_each_planted_clash_is_found_where_it_stands(file: Path) -> None:
    *others, document = yaml.safe_load_all(file.read_bytes())
    rules = document["recognition"]
    for index, rule in enumerate(list(rules)):
        other = _again(rule, grant=GRANTS, effect="grant")
        for planted, wanted in (
            (other, ("E2", f"/recognition/{len(rules)}", ("planted", rule["id"]))),
            (_again(rule), ("W2", f"/recognition/{len(rules)}", ("planted", rule["id"]))),
            ({**other, "priority": 999}, ("E3", f"/recognition/{index}", (rule["id"], "planted"))),
            ({**other, "priority": -999}, ("E3", f"/recognition/{len(rules)}", ("planted", rule["id"]))),
            (
                {"id": "planted", "match": {"code": "OTHER"}, "grant": GRANTS, "exception_to": rule["id"]},
                ("E4", f"/recognition/{len(rules)}/exception_to", ("planted", rule["id"])),
            ),
        ):
            changed = [*others, {**document, "recognition": [*rules, planted]}]
            text = yaml.dump_all(changed, Dumper=_Dumper, allow_unicode=True)
            found = with_places(examine_documents(read_documents(text)), text)
            found = [verdict for verdict in found if verdict.document == len(others)]
            told = {(verdict.code, verdict.pointer, verdict.rules) for verdict in found}
            assert any(code == wanted[0] and at == wanted[1] and set(wanted[2]) <= set(ids) for code, at, ids in told)
            for verdict in found:
                assert verdict.line is not None
                if verdict.pointer == wanted[1] == f"/recognition/{len(rules)}":
                    block = text.splitlines()[verdict.line - 1 :]
                    assert "planted" in "\n".join(block[:40])
