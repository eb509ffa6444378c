"""Why a decision is what it is, for a person to read, from its stored trace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Final, Literal

from creditbank.achievements.domain import VALID, Achievement
from creditbank.codes import code_list
from creditbank.providers.domain import Provider
from creditbank.recognition.domain import WITHDRAWN, Decision, fact_of
from creditbank.rules.explain import explain_decision
from creditbank.rules.telling.decisions import tell_decision
from creditbank.rules.telling.names import Achieved, Names, Title, Wording
from creditbank.rulesets.domain import Book
from creditbank.web.sentences import Language

WORDS: Final[Mapping[Language, Literal["en", "zh"]]] = {"en": "en", "zh-Hans": "zh"}
"""The engine's name for each language that people are answered in."""


@cache
def _codes() -> Mapping[str, Mapping[str, Title]]:
    return {
        fact: {item.code: {"en": item.en, "zh": item.zh} for item in code_list(name).values()}
        for fact, name in (("kind", "kinds"), ("category", "categories"))
    }


def names_of(
    book: Book,
    achievements: Collection[Achievement],
    providers: Mapping[str, Provider] | None = None,
    wordings: Mapping[tuple[str, int], Wording] | None = None,
) -> Names:
    """What things are called in the reasons of a learner's decisions, as far as these achievements tell.

    ``wordings`` are given where decisions of former versions are told too.
    """
    named = {code: {"en": provider.name_en, "zh": provider.name_zh} for code, provider in (providers or {}).items()}
    return Names(
        book.wordings if wordings is None else wordings,
        {a.key: _achieved(a) for a in achievements},
        {**_codes(), "provider": named},
        lambda: [fact_of(a, book) for a in achievements if a.current.status == VALID],
    )


def _achieved(achievement: Achievement) -> Achieved:
    content = achievement.current.content
    return Achieved(content.get("title") or content.get("code") or content["external_id"], content["completed"])


def reason_of(decision: Decision, language: Language, names: Names) -> str:
    """Why this decision is what it is. The decision must have its trace."""
    return tell_decision(decision.trace or {}, WORDS[language], names)


def canonical_of(decision: Decision) -> str | None:
    """The same in the words that rule documents are tested with; None for a decision that closed another."""
    return None if decision.effect == WITHDRAWN else explain_decision(decision.trace or {})
