"""The reason of a decision as a sentence, from its stored trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from creditbank.recognition.domain import WITHDRAWN, Decision
from creditbank.rules.explain import explain_decision
from creditbank.web.sentences import Language, sentence

WORDS: Final[Mapping[Language, Literal["en", "zh"]]] = {"en": "en", "zh-Hans": "zh"}
"""The engine's name for each language that people are answered in."""


def reason_of(decision: Decision, language: Language) -> str:
    """Why this decision is what it is. The decision must have its trace."""
    trace = decision.trace or {}
    if decision.effect == WITHDRAWN:
        return sentence(f"withdrawn_{trace['reason']}", language)
    return explain_decision(trace, WORDS[language])
