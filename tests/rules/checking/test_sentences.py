"""Every case has a sentence in both languages, and some document shows it (rules/v1 section 15)."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import pytest

from creditbank.rules.checking import figures, overlaps, publishing
from creditbank.rules.checking.sentences import SENTENCES
from creditbank.rules.faults import SENTENCES as OF_READING
from tests.rules.checking.asking import granting, verdicts


def _terms(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("reason", SENTENCES)
def test_both_languages_say_the_same_terms(reason: str) -> None:
    code, english, chinese = SENTENCES[reason]
    assert re.fullmatch(r"E([2-5]|7|10)|W[1-9]", code)
    assert english.endswith(".")
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert _terms(english) == _terms(chinese)


def test_no_reason_means_two_things() -> None:
    assert not SENTENCES.keys() & OF_READING.keys()


def test_every_reason_is_used() -> None:
    files = [Path(module.__file__ or "") for module in (figures, overlaps, publishing)]
    source = "".join(file.read_text("utf-8") for file in files)
    assert {reason for reason in SENTENCES if f'"{reason}"' not in source} == set()


def test_a_verdict_tells_who_clashes_and_how_bad_it_is() -> None:
    error, *_ = verdicts(granting("one", kind="course"), granting("two", "2", code="X"))
    assert (error.severity, error.rules) == ("error", ("two", "one"))
    assert error.message["en"].startswith("The rules two and one have one priority")
    assert error.message["zh"].startswith("规则 two 与 one 优先级相同")
    (warning,) = verdicts(granting("one", kind="course"), granting("two", code="X"))
    assert warning.severity == "warning"
