"""The roll of erasures: a file outside the database and its backups, by which a restore forgets again.

A backup taken before an erasure holds the person and the key. Whoever restores it must erase them again before anybody
reads, and the database that was restored cannot know whom: this file does. It holds ids and instants, each line under
a keyed hash, so that nobody without the bank's secret can have somebody erased by writing a line.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from creditbank.sealing import Vault


class RollBroken(ValueError):
    """A line of the roll is not one that this bank wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One person, and when they were erased."""

    learner_id: UUID
    at: datetime


class Roll:
    """Lines are only ever added, and each is on the disk before the erasure it speaks of is committed."""

    def __init__(self, file: Path, vault: Vault) -> None:
        self.file = file
        self._vault = vault
        self._read: tuple[tuple[int, int, int], list[Entry]] | None = None

    def line(self, entry: Entry) -> str:
        """The line of an erasure."""
        who, at = str(entry.learner_id), entry.at.isoformat()
        return json.dumps({"erased": who, "at": at, "mac": self._mac(who, at)})

    def _mac(self, who: str, at: str) -> str:
        return self._vault.lookup_key("erasure", who, at).hex()

    def add(self, entries: Sequence[Entry]) -> None:
        """Add lines durably. Raises OSError when the disk does not take them."""
        if not entries:
            return
        text = "".join(self.line(entry) + "\n" for entry in entries)
        is_new = not self.file.exists()
        with os.fdopen(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            # Other processes of the bank write here too.
            fcntl.flock(file, fcntl.LOCK_EX)
            # What a crash left of a line speaks of an erasure that was never committed.
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            folder = os.open(self.file.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)

    def read(self) -> list[Entry]:
        """Every entry, the first first; none when there is no file. Raises RollBroken."""
        try:
            found = self.file.stat()
        except FileNotFoundError:
            return []
        state = (found.st_ino, found.st_size, found.st_mtime_ns)
        # Whoever asks again and again whether the bank is ready does not have each line hashed each time.
        if self._read is None or self._read[0] != state:
            self._read = state, self.parse(self.file.read_bytes())
        return list(self._read[1])

    def parse(self, text: bytes) -> list[Entry]:
        """The entries of a roll that was copied. Raises RollBroken."""
        whole = text[: text.rfind(b"\n") + 1]
        return [self._entry(number, line) for number, line in enumerate(whole.splitlines(), 1) if line.strip()]

    def _entry(self, number: int, line: bytes) -> Entry:
        try:
            plain = json.loads(line)
            who, at, mac = str(plain["erased"]), str(plain["at"]), str(plain["mac"])
            entry = Entry(UUID(who), datetime.fromisoformat(at))
        except (ValueError, TypeError, KeyError) as wrong:
            raise RollBroken(f"line {number} is not of a roll of erasures") from wrong
        if not hmac.compare_digest(self._mac(who, at).encode(), mac.encode()):
            raise RollBroken(f"line {number} was not written by this bank, or with another secret")
        return entry
