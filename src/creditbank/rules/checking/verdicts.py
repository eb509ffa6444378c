"""What publishing finds in documents that could be read: errors that block it and warnings for the approver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from creditbank.rules.checking.sentences import SENTENCES
from creditbank.rules.faults import pointer_to

if TYPE_CHECKING:
    from creditbank.rules.checking.synthesis import Made


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing found at one place of one document.

    ``path`` leads to it, ``reason`` says which case it is, ``terms`` fill its sentence. ``rules`` are the ids of the
    rules or limits it is about, the one at the place first. ``counterexample`` holds achievements in the form of
    section 9 that show it: one, or as many as a combination takes. ``line`` counts from 1; None for JSON, and until
    somebody looks for it.
    """

    path: tuple[str | int, ...]
    reason: str
    terms: Mapping[str, object]
    rules: tuple[str, ...] = ()
    counterexample: tuple[Made, ...] = ()
    document: int = 0
    line: int | None = None

    @property
    def code(self) -> str:
        """The class of section 15, such as ``E2``."""
        return SENTENCES[self.reason][0]

    @property
    def severity(self) -> Literal["error", "warning"]:
        """Errors block publishing."""
        return "error" if self.code.startswith("E") else "warning"

    @property
    def pointer(self) -> str:
        """The JSON Pointer of the place (RFC 6901)."""
        return pointer_to(self.path)

    @property
    def message(self) -> Mapping[str, str]:
        """The sentence by language (``en``, ``zh``)."""
        _, english, chinese = SENTENCES[self.reason]
        return {"en": english.format_map(self.terms), "zh": chinese.format_map(self.terms)}
