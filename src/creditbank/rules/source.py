"""From YAML or JSON text to plain values, strictly, and back from a place to its line (rules/v1 section 2).

Two readers must never see different documents: duplicate keys, aliases, floats and words whose meaning depends on the
version of YAML are refused, and texts are brought to NFC and trimmed before anything looks at them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, Literal
from unicodedata import category, normalize

import yaml

from creditbank.rules.faults import DocumentFault, DocumentRefused, Finding

Format = Literal["yaml", "json"]
Value = Any
"""A mapping with text keys, a list, a text, an integer, a boolean or a date."""

LARGEST: Final = 32 * 1024 * 1024
DEEPEST: Final = 48
"""Far more containers than any document needs: combinations, conditions and requirements have limits of their own."""

_INTEGER: Final = re.compile(r"-?(0|[1-9]\d*)", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(\d[\d_]*\.?[\d_]*|\.[\d_]+)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
# Whatever some version of YAML takes for a boolean or a number that looks otherwise, such as 1:30 for ninety. The
# letters y and n are texts to every reader in use, and n is a key of the language.
_TRAP: Final = re.compile(
    r"(?:yes|no|on|off|true|false)|[-+]?0[xob][\da-f_]+|[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?|[-+]?\d[\d_]*|=|<<"
    r"|\d{4}-\d{1,2}-\d{1,2}([tT \t].*)?",
    re.ASCII | re.IGNORECASE,
)
_STANDARD: Final = "tag:yaml.org,2002:"


@dataclass(slots=True)
class Source:
    """One document of a text as plain values. ``findings`` are not empty when the text could not be taken as it is."""

    index: int
    value: Value
    findings: list[Finding] = field(default_factory=list)
    lines: dict[tuple[str | int, ...], int] | None = None

    def line(self, path: Sequence[str | int]) -> int | None:
        """The line, from 1, on which the value at this path begins, or the nearest one around it; None for JSON."""
        if self.lines is None:
            return None
        for length in range(len(path), -1, -1):
            if (found := self.lines.get(tuple(path[:length]))) is not None:
                return found
        return None


def read_sources(text: str | bytes, format: Format) -> list[Source]:
    """Read every document of the text. Raises DocumentRefused when it cannot be read at all."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(data) > LARGEST:
        raise _refused("too_large")
    try:
        decoded = data.decode("utf-8")
    except UnicodeDecodeError:
        raise _refused("not_utf8") from None
    decoded = decoded.removeprefix("\ufeff")
    sources = _read_yaml(decoded) if format == "yaml" else _read_json(decoded)
    if not sources:
        raise _refused("no_document")
    return sources


def _refused(reason: str, line: int | None = None, document: int = 0, **terms: object) -> DocumentRefused:
    fault: DocumentFault = Finding((), reason, terms).as_fault(document, line)
    return DocumentRefused([fault])


def clean_text(text: str) -> str:
    """NFC, trimmed. Raises ValueError for control characters and lone surrogates, which no database stores."""
    if not text.isascii():
        text = normalize("NFC", text)
    text = text.strip()
    if not text.isprintable() and any(c not in "\n\t" and category(c) in {"Cc", "Cs"} for c in text):
        raise ValueError(text)
    return text


# --- JSON -------------------------------------------------------------------------------------------------------------


class _Float(str):
    """A JSON number with a point or an exponent, as written."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object before its keys are known to be different."""


def _read_json(text: str) -> list[Source]:
    try:
        raw = json.loads(text, parse_float=_Float, parse_constant=_Float, object_pairs_hook=_Pairs)
    except RecursionError:
        raise _refused("too_deep") from None
    except ValueError as error:
        problem = (
            f"{error.msg} (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else "a number too long"
        )
        raise _refused("syntax", problem=problem) from None
    source = Source(0, None)
    source.value = _clean(raw, (), source.findings)
    return [source]


def _clean(raw: Any, path: tuple[str | int, ...], findings: list[Finding]) -> Value:
    if isinstance(raw, _Float):
        findings.append(Finding(path, "float", {"text": str(raw)}))
        return None
    if isinstance(raw, str):
        try:
            return clean_text(raw)
        except ValueError:
            findings.append(Finding(path, "control_character", {}))
            return None
    if raw is None:
        findings.append(Finding(path, "null", {}))
        return None
    if isinstance(raw, (_Pairs, list)) and len(path) > DEEPEST:
        findings.append(Finding(path, "too_deep", {}))
        return None
    if isinstance(raw, _Pairs):
        mapping: dict[str, Value] = {}
        for key, value in raw:
            try:
                name = clean_text(key)
            except ValueError:
                findings.append(Finding(path, "control_character", {}))
                continue
            if name in mapping:
                findings.append(Finding((*path, name), "duplicate_key", {"key": name}))
            else:
                mapping[name] = _clean(value, (*path, name), findings)
        return mapping
    if isinstance(raw, list):
        return [_clean(value, (*path, index), findings) for index, value in enumerate(raw)]
    return raw


# --- YAML -------------------------------------------------------------------------------------------------------------

_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise _refused(
            "syntax", mark.line + 1 if mark else None, problem=f"{error.problem or error.context or 'not YAML'}"
        ) from None
    except yaml.YAMLError as error:
        raise _refused("syntax", problem=str(getattr(error, "reason", None) or "not YAML")) from None


class _Frame:
    """A container while it is being filled."""

    __slots__ = ("container", "key", "path", "skipped")

    def __init__(self, container: dict[str, Value] | list[Value], path: tuple[str | int, ...]) -> None:
        self.container = container
        self.path = path
        # In a mapping: the key whose value comes next; None while the next thing is a key.
        self.key: str | None = None
        # In a mapping: the key was refused, so that its value is read and forgotten.
        self.skipped = False


_LOST: Final = object()


class _Builder:
    """Builds documents from events with a stack of its own, so that no depth of nesting can exhaust Python's."""

    def __init__(self) -> None:
        self.sources: list[Source] = []
        self.stack: list[_Frame] = []

    def refuse(self, path: tuple[str | int, ...], reason: str, **terms: object) -> None:
        self.sources[-1].findings.append(Finding(path, reason, terms))

    def place(self) -> tuple[str | int, ...]:
        """The path of the value that comes next."""
        if not self.stack:
            return ()
        frame = self.stack[-1]
        if isinstance(frame.container, list):
            return (*frame.path, len(frame.container))
        return frame.path if frame.key is None else (*frame.path, frame.key)

    def note(self, event: yaml.Event) -> None:
        lines = self.sources[-1].lines
        if lines is not None and event.start_mark is not None:
            lines.setdefault(self.place(), event.start_mark.line + 1)

    def add(self, value: Value) -> None:
        """Put a finished value where it belongs; a refused one is put as None, for a finding tells of it."""
        if not self.stack:
            self.sources[-1].value = value
            return
        frame = self.stack[-1]
        if isinstance(frame.container, list):
            frame.container.append(value)
        elif frame.key is None:
            # A container or a refused scalar stood where a key belongs.
            frame.skipped, frame.key = True, ""
        else:
            if not frame.skipped:
                frame.container[frame.key] = value
            frame.key, frame.skipped = None, False

    def at_key(self) -> _Frame | None:
        """The mapping whose key comes next, if that is what comes next."""
        if self.stack and isinstance(self.stack[-1].container, dict) and self.stack[-1].key is None:
            return self.stack[-1]
        return None

    def scalar(self, event: yaml.ScalarEvent) -> None:
        self.note(event)
        plain = event.style in {None, ""}
        frame = self.at_key()
        text = self.text(event)
        if text is None:
            self.add(None)
            return
        if frame is not None:
            self.key(frame, text, plain)
            return
        if event.tag is not None and event.tag != "!":
            value = self.tagged(event.tag, text)
        else:
            value = self.resolve(text) if plain and event.tag is None else text
        self.add(value)

    def text(self, event: yaml.ScalarEvent) -> str | None:
        try:
            return clean_text(event.value)
        except ValueError:
            self.refuse(self.place(), "control_character")
            return None

    def key(self, frame: _Frame, text: str, plain: bool) -> None:
        frame.key = text
        if plain and (text in _NULL or _TRAP.fullmatch(text) or _FLOAT.fullmatch(text)):
            self.refuse((*frame.path, text), "key_type", key=text)
            frame.skipped = True
        elif text in frame.container:
            self.refuse((*frame.path, text), "duplicate_key", key=text)
            frame.skipped = True

    def tagged(self, tag: str, text: str) -> Value:
        if tag == f"{_STANDARD}str":
            return text
        self.refuse(self.place(), "tag", tag=tag.replace(_STANDARD, "!!"))
        return None

    def resolve(self, text: str) -> Value:
        """What an unquoted scalar means; the readings on which YAML 1.1 and 1.2 differ are refused."""
        first = text[:1]
        if first.isalpha() and not _TRAP.fullmatch(text) and text not in _NULL:
            return text
        if text in {"true", "false"}:
            return text == "true"
        if text in _NULL:
            self.refuse(self.place(), "null")
        elif _INTEGER.fullmatch(text):
            if len(text) <= 18:
                return int(text)
            self.refuse(self.place(), "not_a_number")
        elif _DATE.fullmatch(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                self.refuse(self.place(), "not_a_date")
        elif _TRAP.fullmatch(text):
            self.refuse(self.place(), "ambiguous", text=text)
        elif _FLOAT.fullmatch(text):
            self.refuse(self.place(), "float", text=text)
        else:
            return text
        return None

    def open(self, event: yaml.CollectionStartEvent, container: dict[str, Value] | list[Value]) -> None:
        self.note(event)
        path = self.place()
        if self.at_key() is not None:
            self.refuse(path, "key_type", key="[..]" if isinstance(container, list) else "{..}")
        if event.tag is not None and event.tag not in {"!", f"{_STANDARD}map", f"{_STANDARD}seq"}:
            self.refuse(path, "tag", tag=event.tag.replace(_STANDARD, "!!"))
        if len(self.stack) > DEEPEST:
            self.refuse(path, "too_deep")
            raise _Stop
        self.stack.append(_Frame(container, path))

    def close(self) -> None:
        frame = self.stack.pop()
        self.add(frame.container)


class _Stop(Exception):
    """Reading on would only find consequences."""


def _read_yaml(text: str, *, with_lines: bool = False) -> list[Source]:
    builder = _Builder()
    try:
        for event in _events(text):
            if isinstance(event, yaml.ScalarEvent):
                builder.scalar(event)
            elif isinstance(event, yaml.MappingStartEvent):
                builder.open(event, {})
            elif isinstance(event, yaml.SequenceStartEvent):
                builder.open(event, [])
            elif isinstance(event, yaml.CollectionEndEvent):
                builder.close()
            elif isinstance(event, yaml.AliasEvent):
                builder.note(event)
                builder.refuse(builder.place(), "alias")
                builder.add(None)
            elif isinstance(event, yaml.DocumentStartEvent):
                builder.sources.append(Source(len(builder.sources), None, lines={} if with_lines else None))
    except _Stop:
        pass
    return builder.sources


def with_lines(text: str | bytes, sources: Sequence[Source]) -> None:
    """Find the lines of all values, for documents that are refused; a document that is taken never pays for this."""
    decoded = (text if isinstance(text, str) else text.decode("utf-8")).removeprefix("\ufeff")
    for source, marked in zip(sources, _read_yaml(decoded, with_lines=True), strict=False):
        source.lines = marked.lines


def place_in(value: Value, location: Sequence[str | int]) -> tuple[str | int, ...]:
    """The part of a place in the model that the source has.

    Names of branches, indexes of a list that was written as one value, and defaults that were left out drop out.
    """
    path: list[str | int] = []
    for part in location:
        is_inside = part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        if is_inside:
            value = value[part]
            path.append(part)
    return tuple(path)
