"""From a stored trace to what a person reads of it.

A trace is facts and codes; ``rules.explain`` gives its canonical text, which rule documents are tested with. Here the
same steps and tests become sentences for a learner, with names in the place of codes where the caller knows them.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Final

from creditbank.rules.explain import Language
from creditbank.rules.outcome import Decision, Trace
from creditbank.rules.telling import chinese, english
from creditbank.rules.telling.names import NO_NAMES, About, Names, terms_of

_TONGUES: Final[dict[Language, ModuleType]] = {"en": english, "zh": chinese}


def tell_lot(lot: Trace, trace: Trace, language: Language = "en", names: Names = NO_NAMES) -> str:
    """Why a lot has the credits that it has; ``trace`` is that of its decision."""
    return _lot(About(trace, language, names, lot), named=False)


def tell_decision(decision: Decision | Trace, language: Language = "en", names: Names = NO_NAMES) -> str:
    """Why a decision is what it is: what each lot came to, what was missing, or what a person must decide.

    Takes a decision or its stored trace, also that of a decision which closed another.
    """
    trace: Trace
    if isinstance(decision, Decision):
        trace = {**decision.trace, "lots": [lot.trace for lot in decision.lots]}
    else:
        trace = decision
    tongue = _TONGUES[language]
    about = About(trace, language, names)
    match trace["effect"]:
        case "none":
            return _none(about)
        case "deny":
            return str(tongue.REASONS["denied"](about))
        case "review" | "withdrawn":
            return str(tongue.REASONS[trace["reason"]](about))
        case _:
            lots = trace["lots"]
            told = [_lot(replace(about, lot=lot), named=len(lots) > 1) for lot in lots]
            return str(tongue.BETWEEN_LOTS.join(told))


def _lot(about: About, *, named: bool) -> str:
    tongue = _TONGUES[about.language]
    steps = about.lot["steps"] if about.lot is not None else ()
    return str(tongue.lot(about, [tongue.STEPS[step["op"]](step, about) for step in steps], named=named))


def _none(about: About) -> str:
    tongue, trace = _TONGUES[about.language], about.trace
    if trace["reason"] in {"no_rule", "no_rule_set", "blocked"}:
        return str(tongue.REASONS[trace["reason"]](about))
    if trace["reason"] == "part_missing":
        missing = [[tongue.WANTED[term["fact"]](term, about) for term in terms_of(s)] for s in about.missing_parts()]
        return str(tongue.nearest(about, [tongue.parts(missing)]))
    return str(tongue.nearest(about, [tongue.FAILED[test["fact"]](test, about) for test in trace["failed"]]))
