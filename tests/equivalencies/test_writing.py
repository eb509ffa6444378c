"""Rule documents as YAML text: whatever the texts in them, they are read back as they were."""

from __future__ import annotations

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from creditbank.equivalencies.writing import yaml_text
from creditbank.rules.source import read_sources

TEXTS = st.one_of(
    st.sampled_from(
        ["yes", "No", "null", "true", "n", "1.5", "0x1F", "1:20", "2024-01-01", "~", "- a", "a: b", "a #b"]
    ),
    st.sampled_from(
        ["A+", "C++ 2", "ENG 101", "<<", "=", "学分", "it's", '"', "\\", "{", "@x", "2/3", "C-", "1e3", "+1"]
    ),
    st.text(st.characters(blacklist_categories=("Cs", "Cc", "Cn", "Zl", "Zp")), min_size=1).map(str.strip).filter(bool),
)


def plain(text: str) -> object:
    (source,) = read_sources(text, "yaml")
    assert source.findings == []
    return source.value


@given(st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3), TEXTS)
def test_texts_come_back(mapping: dict[str, str], text: str) -> None:
    from unicodedata import normalize

    written = yaml_text({"key": mapping, "items": [mapping, [text], text], "none": []})

    def cleaned(value: str) -> str:
        return normalize("NFC", value).strip()

    inside = {cleaned(key): cleaned(value) for key, value in mapping.items()}
    if len(inside) == len(mapping):
        assert plain(written) == {"key": inside, "items": [inside, [cleaned(text)], cleaned(text)], "none": []}


def test_one_item_stands_on_one_line() -> None:
    text = yaml_text(
        {"head": {"from": date(2024, 9, 1), "count": 3}, "rules": [{"id": "a"}, {"id": "yes", "of": ["x"]}]}
    )
    assert text == 'head: {from: 2024-09-01, count: 3}\nrules:\n  - {id: a}\n  - {id: "yes", of: [x]}\n'
