"""What is wrong in a row, as people read it."""

from __future__ import annotations

from creditbank.errors import Fault
from creditbank.imports.domain import RowProblem
from creditbank.web.problems import sentence_of
from creditbank.web.sentences import Language


def told(problem: RowProblem, language: Language) -> str:
    """The sentence of a problem."""
    return sentence_of(Fault(problem.pointer, problem.code, "", says=problem.says, terms=problem.terms), language)
