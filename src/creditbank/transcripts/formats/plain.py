"""The transcript as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from creditbank.credits import Credits
from creditbank.ledger.domain import Account
from creditbank.providers.domain import Provider
from creditbank.recognition.explain import WORDS, reason_of
from creditbank.rules.telling.decisions import tell_lot
from creditbank.rules.telling.names import Names
from creditbank.transcripts.domain import Credit, Line, Total
from creditbank.transcripts.queries import Drawn
from creditbank.transcripts.schemas import CreditOut, LineOut, TotalOut, TranscriptOut
from creditbank.web.sentences import Language

_SHOWN = tuple(account for account in Account if account is not Account.ISSUED)


def render(drawn: Drawn, language: Language) -> TranscriptOut:
    """The transcript as JSON values, its reasons in the reader's language."""
    transcript = drawn.transcript
    profile = transcript.learner.profile
    return {
        "learner": {
            "id": str(transcript.learner.id),
            "number": profile.number,
            "name": profile.name,
            "birth_date": profile.birth_date.isoformat() if profile.birth_date else None,
        },
        "as_of": transcript.moment.effective.isoformat(),
        "known": transcript.moment.known.isoformat().replace("+00:00", "Z"),
        "totals": [_total(total) for total in transcript.totals],
        "achievements": [_line(line, drawn.providers, language, drawn.names) for line in transcript.lines],
    }


def _total(total: Total) -> TotalOut:
    return {
        "unit": total.unit,
        "total": str(Credits(total.positions[Account.AVAILABLE])),
        "by_category": {name: str(Credits(milli)) for name, milli in total.by_category.items()},
        "by_state": {account.value: str(Credits(total.positions[account])) for account in _SHOWN},
    }


def _line(line: Line, providers: Mapping[str, Provider], language: Language, names: Names) -> LineOut:
    content = line.content
    provider = providers[content["provider"]]
    return {
        "id": str(line.achievement_id),
        "title": content.get("title"),
        "kind": content["kind"],
        "code": content.get("code"),
        "provider": {"code": provider.code, "name": {"zh": provider.name_zh, "en": provider.name_en}},
        "completed": content["completed"],
        "grade": content.get("grade"),
        "credits": content.get("credits"),
        "hours": content.get("hours"),
        "assurance": content["assurance"],
        "recognised": [_credit(credit, language, names) for credit in line.credits],
        "not_recognised": [
            {"effect": d.effect, "rule": d.rule, "decision": str(d.id), "reason": reason_of(d, language, names)}
            for d in line.refusals
        ],
    }


def _credit(credit: Credit, language: Language, names: Names) -> CreditOut:
    lot, trace = credit.lot, credit.decision.trace or {}
    return {
        "lot": str(lot.id),
        "decision": str(credit.decision.id),
        "unit": lot.key.unit,
        "credit_unit": lot.terms.credit_unit,
        "credits": str(Credits(credit.available_milli)),
        "positions": {a.value: str(Credits(m)) for a, m in lot.positions.items() if m and a is not Account.ISSUED},
        "category": lot.terms.category,
        "level": lot.terms.level,
        "grade": lot.terms.grade,
        "rule_set": trace["rule_set"],
        "rule_set_version": trace["version"],
        "rule": credit.decision.rule,
        "reason": tell_lot(credit.trace, trace, WORDS[language], names),
        "expires": lot.terms.expires.isoformat() if lot.terms.expires else None,
    }
