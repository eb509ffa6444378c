"""Every refusal has a row in docs/refusals.md and a sentence in both languages, and nothing else has."""

from __future__ import annotations

import ast
import re
from string import Formatter

import pytest

from creditbank.errors import Refusal, every_refusal
from creditbank.rules.faults import SENTENCES
from creditbank.web import bodies
from creditbank.web.problems import _EDGE_CODES, _OTHER, status_of
from creditbank.web.sentences import Language, catalogue, sentence
from tests.architecture.pages import DOCS, rows
from tests.architecture.source import PACKAGE, dotted, import_all, modules

import_all()
PAGE = DOCS / "refusals.md"
REFUSALS: list[type[Refusal]] = sorted(every_refusal(), key=lambda refusal: refusal.code)
LANGUAGES: tuple[Language, ...] = ("en", "zh-Hans")


def _status(refusal: type[Refusal]) -> int:
    return status_of(refusal.__new__(refusal))


def _edge() -> dict[str, int]:
    """By code the status of what the edge refuses: by status, and where a route gives it a code of its own."""
    own = {
        str(word.value.value): int(call.args[0].value)
        for module in modules()
        for call in module.calls()
        if dotted(call.func) == "EdgeRefusal" and call.args and isinstance(call.args[0], ast.Constant)
        for word in call.keywords
        if word.arg == "code" and isinstance(word.value, ast.Constant) and isinstance(call.args[0].value, int)
    }
    return {code: status for status, code in _EDGE_CODES.items()} | own


def _faults() -> set[str]:
    """The codes of faults that the code names, and those into which Pydantic's words are put."""
    named = {
        str(call.args[1].value)
        for module in modules()
        for call in module.calls()
        if dotted(call.func) == "Fault" and len(call.args) > 1 and isinstance(call.args[1], ast.Constant)
    }
    # Of a cell the code is named where it is read, and becomes a fault of its row.
    places = {"Unreadable": 0, "refuse": 1, "RowProblem": 3}
    of_cells = {
        str(word.value)
        for module in modules()
        if module.name in {"imports/cells.py", "imports/rows.py"}
        for call in module.calls()
        for word in call.args[places.get(dotted(call.func).rpartition(".")[2], len(call.args)) :][:1]
        if isinstance(word, ast.Constant)
    }
    return named | of_cells | set(bodies.KNOWN) | {"wrong_value"}


def test_every_code_is_one_refusal_s() -> None:
    codes = [refusal.code for refusal in REFUSALS] + list(_edge())
    assert sorted(set(codes)) == sorted(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_page_has_a_row_for_every_refusal_and_its_status_and_no_other() -> None:
    shown = [(code, status) for code, status, _, _ in rows(PAGE, "What the bank refuses")]
    assert shown == [(refusal.code, str(_status(refusal))) for refusal in REFUSALS]


def test_page_has_a_row_for_all_that_the_edge_refuses() -> None:
    shown = [(code, status) for code, status, _, _ in rows(PAGE, "What the edge refuses")]
    assert shown == sorted((code, str(status)) for code, status in _edge().items())


def test_page_has_a_row_for_every_fault() -> None:
    assert [code for code, _ in rows(PAGE, "What can be wrong at one place")] == sorted(_faults())


def test_page_has_a_row_for_every_class_of_fault_in_a_rule_set() -> None:
    shown = [code for code, _ in rows(PAGE, "What can be wrong in a rule set")]
    assert shown == [f"E{number}" for number in range(11)]
    assert {code for code, _, _ in SENTENCES.values()} <= set(shown)


def test_every_row_says_something() -> None:
    assert all(len(cell) > 1 for row in rows(PAGE) for cell in row)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_has_a_sentence_with_terms_of_its_own(language: Language) -> None:
    for refusal in REFUSALS:
        names = {name for name in refusal.__dataclass_fields__ if name not in {"pointer", "faults"}}
        assert _terms(sentence(refusal.code, language)) <= names, refusal.code
        said = str(catalogue(language)._catalog.get(f"{refusal.code}_advice", ""))  # type: ignore[attr-defined]
        assert _terms(said) <= names, refusal.code
    # A test that fails says what came; its message is made where it is found.
    for code in (set(_edge()) | _faults() | set(_OTHER.values())) - {"test_failed"}:
        assert _terms(sentence(code, language)) == set(), code


def test_both_languages_have_the_same_sentences_with_the_same_terms() -> None:
    english, chinese = (
        {str(key): str(text) for key, text in catalogue(language)._catalog.items() if key}  # type: ignore[attr-defined]
        for language in LANGUAGES
    )
    assert sorted(english) == sorted(chinese)
    for code, text in english.items():
        assert _terms(text) == _terms(chinese[code]), code
        assert text != chinese[code], code
        assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese[code]), code


def test_no_sentence_is_left_over() -> None:
    used = {str(text.value) for module in modules() for text in module.texts()}
    for template in PACKAGE.rglob("*.html"):
        used |= set(re.findall(r'say\("(\w+)"\)', template.read_text("utf-8")))
    # Why a decision was withdrawn is said by a sentence of the reason's own name.
    used |= {f"withdrawn_{reason}" for reason in used}
    # What to do about a refusal is said by a sentence of its own name.
    used |= {f"{code}_advice" for code in {refusal.code for refusal in REFUSALS} | set(_edge())}
    known = {code for code in catalogue("en")._catalog if code}  # type: ignore[attr-defined]
    assert known - used == set()


def test_sentences_of_rule_documents_have_the_same_terms_in_both_languages() -> None:
    for reason, (_, english, chinese) in SENTENCES.items():
        # A term may have a Chinese form of its own: kind and kind_zh.
        plain = {name.removesuffix("_zh") for name in _terms(chinese)}
        assert plain == _terms(english), reason


def _terms(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}
