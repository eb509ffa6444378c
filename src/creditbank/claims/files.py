"""Where the sealed bytes of evidence lie: a folder, each file under the hash of what it holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path


class EvidenceFolder:
    """Files are written once and never changed; a file that was not written whole is never found under its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, sealed: bytes) -> str:
        """Write the bytes durably and answer the name they are found by."""
        name = hashlib.sha256(sealed).hexdigest()
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        passing = place.with_name(f"{name}.{os.getpid()}.part")
        with os.fdopen(os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
        passing.replace(place)
        # A file is there for good only when its folder says so too, and that folder's.
        for folder in (place.parent, self._folder):
            entry = os.open(folder, os.O_RDONLY)
            os.fsync(entry)
            os.close(entry)
        return name

    def read(self, name: str) -> bytes:
        """The bytes under a name. Raises FileNotFoundError; ValueError when they are not what the name says."""
        sealed = self._place(name).read_bytes()
        if hashlib.sha256(sealed).hexdigest() != name:
            raise ValueError(name)
        return sealed

    def is_whole(self, name: str) -> bool:
        """Whether the bytes under a name are there and are what the name says."""
        try:
            self.read(name)
        except (FileNotFoundError, ValueError):
            return False
        return True

    def aged(self, before: datetime, after: str, limit: int) -> list[str]:
        """The next files, in the order of their names, that were written before an instant: evidence, and what was
        left of writing it."""
        found = (
            file.name
            for folder in sorted(self._folder.glob("[0-9a-f][0-9a-f]"))
            if folder.name >= after[:2]
            for file in sorted(folder.iterdir())
            if file.name > after and _is_older(file, before)
        )
        return list(islice(found, limit))

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, and what a crash left of writing them. One that is gone already is no matter."""
        for name in names:
            place = self._place(name)
            for file in (place, *place.parent.glob(f"{name}.*.part")):
                file.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name


def _is_older(file: Path, before: datetime) -> bool:
    try:
        return file.stat().st_mtime < before.timestamp()
    except FileNotFoundError:
        # It was being written when the folder was read, and has its own name by now.
        return False
