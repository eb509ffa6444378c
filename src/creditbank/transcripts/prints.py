"""Prints: transcripts as they were answered, kept in memory for as long as they are true.

A person looks at a transcript several times between two changes of it. A print is answered again only when the
database says that nothing in it has changed; so it is never older than what a fresh one would say.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from creditbank.transcripts.queries import Stamp
from creditbank.web.sentences import Language


@dataclass(frozen=True, slots=True)
class Kind:
    """What makes two prints of one learner differ though nothing has changed."""

    learner_id: UUID
    form: str
    language: Language
    as_of: date


@dataclass(frozen=True, slots=True)
class Print:
    """The bytes of an answer, the codes of the providers named in it, and the stamp under which it is true."""

    body: bytes
    providers: tuple[str, ...]
    stamp: Stamp
    revision: str


def make_print(body: bytes, providers: tuple[str, ...], stamp: Stamp) -> Print:
    """A print; its revision is a hash of its bytes, so that every process gives the same transcript the same ETag."""
    return Print(body, providers, stamp, hashlib.sha256(body).hexdigest()[:32])


class Prints:
    """The prints that a process keeps: those asked for last, up to so many bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[Kind, Print] = OrderedDict()

    def find(self, kind: Kind) -> Print | None:
        """The print of this kind, true or not any more."""
        found = self._kept.get(kind)
        if found is not None:
            self._kept.move_to_end(kind)
        return found

    def forget(self, learner_id: UUID) -> None:
        """Let go of every print of a learner."""
        for kind in [kind for kind in self._kept if kind.learner_id == learner_id]:
            self._bytes -= len(self._kept.pop(kind).body)

    def keep(self, kind: Kind, made: Print) -> None:
        """Keep a print in the place of an older one, and let go of those that nobody asked for longest."""
        former = self._kept.pop(kind, None)
        self._bytes += len(made.body) - (len(former.body) if former else 0)
        self._kept[kind] = made
        while self._bytes > self._bytes_max and self._kept:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= len(gone.body)
