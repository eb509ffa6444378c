"""Audits within changes: the solver works while no transaction is open, and the change takes its answer by its hash.

A change reads what is to be audited under the learner's lock. Where nobody has answered that yet it goes out without
having changed anything, the answer is made, and the change comes again: where the facts moved meanwhile, it asks anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from creditbank.programmes.auditing import Question
from creditbank.programmes.queries import worked_out
from creditbank.rules.allocate.allocation import Allocation

TURNS: Final = 4
"""So often a change goes out for an answer. After that the solver works inside: nobody is overtaken for ever."""


class Unanswered(Exception):
    """Nobody has answered this yet, and here is not the place to."""

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question


@dataclass(slots=True)
class Answers:
    """What the solver said in earlier turns of a change, by the hash of what it was asked."""

    known: dict[bytes, Allocation] = field(default_factory=dict)
    is_last: bool = False

    async def __call__(self, question: Question) -> Allocation:
        """The answer. Raises Unanswered while there is a turn left, AllocationImpossible."""
        found = self.known.get(question.inputs)
        if found is not None:
            return found
        if self.is_last:
            return await worked_out(question)
        raise Unanswered(question)


_T = TypeVar("_T")


async def in_turns(change: Callable[[Answers], Awaitable[_T]]) -> _T:
    """Make a change, a transaction of its own each time that it is called. Raises what it raises."""
    answers = Answers()
    for _ in range(TURNS):
        try:
            return await change(answers)
        except Unanswered as missing:
            answers.known[missing.question.inputs] = await worked_out(missing.question)
    answers.is_last = True
    return await change(answers)
