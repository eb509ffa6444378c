"""Where the sealed bytes of evidence lie: a folder, each file under the hash of what it holds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


class EvidenceFolder:
    """Files are written once and never changed; a file that was not written whole is never found under its name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, sealed: bytes) -> str:
        """Write the bytes durably and answer the name they are found by."""
        name = hashlib.sha256(sealed).hexdigest()
        place = self._place(name)
        if place.exists():
            return name
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

    def remove(self, name: str) -> None:
        """Remove the file under a name, and what a crash left of its writing. Nothing happens when it is not there."""
        place = self._place(name)
        for file in (place, *place.parent.glob(f"{name}.*.part")):
            file.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self._folder / name[:2] / name
