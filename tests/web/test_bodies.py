"""What is said of a body that cannot be read, and of one that two readers would read as two things."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import Request
from pydantic import TypeAdapter

from creditbank.web.bodies import items_of, read_json
from creditbank.web.problems import EdgeRefusal, problem_of

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)

UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "empty_body", "The body is empty."),
    "air": (b" \n", "empty_body", "The body is empty."),
    "half": (b'{"a": 1,\n "b": [2', "cut_short", "The JSON ends in the middle, in line 2 at column 8."),
    "half a text": (b'{"a', "cut_short", "The JSON ends in the middle, in line 1 at column 3."),
    "GB 18030": ('{"a": "张"}'.encode("gb18030"), "not_utf8", "The body is not UTF-8: see byte 8."),
    "a form": (b"a=1&b=2", "not_json", "The body is no JSON: see line 1, column 1."),
    "one comma too many": (b'{"a": 1,}', "not_json", "The body is no JSON: see line 1, column 9."),
    "two values": (b"{}\n{}", "not_json", "The body is no JSON: see line 2, column 1."),
    "too deep": (b"[" * 5000, "not_json", "The body is no JSON: see line 1, column 202."),
}


@pytest.mark.parametrize(("raw", "code", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_named_with_its_place(raw: bytes, code: str, said: str) -> None:
    with pytest.raises(EdgeRefusal) as refused:
        read_json(ANYTHING, raw)

    english, chinese = (problem_of(refused.value, language, "urn:x") for language in ("en", "zh-Hans"))
    assert (english["status"], english["code"]) == (400, "malformed_body")
    assert [(fault["code"], fault["message"]) for fault in english["errors"]] == [(code, said)]
    assert english["detail"] == f"{english['title']} {said}"
    assert chinese["detail"] == chinese["title"] + chinese["errors"][0]["message"]


TWICE: dict[str, tuple[str, str]] = {
    "at the top": ('{"credits": "3", "credits": "30"}', "/credits"),
    "the same value": ('{"a": 1, "b": 2, "a": 1}', "/a"),
    "inside": ('{"a": [{}, {"b": {"c~/": 1, "c~/": 2}}]}', "/a/1/b/c~0~1"),
    "by an escape": (r'{"a": 1, "\u0061": 2}', "/a"),
}


@pytest.mark.parametrize(("text", "pointer"), TWICE.values(), ids=TWICE)
def test_a_key_that_is_given_twice_is_refused_at_its_place(text: str, pointer: str) -> None:
    with pytest.raises(EdgeRefusal) as refused:
        read_json(ANYTHING, text.encode(), "/7")

    assert refused.value.status == 422
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [(f"/7{pointer}", "given_twice")]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": {"a": 1}}',
        '[{"a": 1}, {"a": 1}]',
        '{"a": "b", "b": "a"}',
        "1" + "0" * 4200,
        "[" * 150 + "]" * 150,
    ],
)
def test_what_is_given_once_is_read(text: str) -> None:
    read_json(ANYTHING, text.encode())


@pytest.mark.parametrize(
    ("media_type", "raw"),
    [
        ("application/json", b'[{"a": 1}, {"a": 1, "a": 2}]'),
        ("application/x-ndjson", b'{"a": 1}\n\n{"a": 1, "a": 2}\n{"a'),
    ],
)
def test_a_batch_with_a_key_given_twice_is_refused_whole(media_type: str, raw: bytes) -> None:
    request = Request({"type": "http", "headers": [(b"content-type", media_type.encode())]})
    with pytest.raises(EdgeRefusal) as refused:
        items_of(request, raw)

    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [("/1/a", "given_twice")]


def test_a_line_that_is_no_json_harms_no_other() -> None:
    request = Request({"type": "http", "headers": [(b"content-type", b"application/x-ndjson")]})
    lines = [b'{"a', b"\xff", b"[" * 5000, b'{"a": 1}']
    assert items_of(request, b"\n".join(lines)) == lines
