"""Where the sealed bytes of evidence lie: a folder, each file under the hash of what it holds.

Beside them, in ``unnamed``, lies what the sweep found to be named by nothing, until it is named again or removed.
"""

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
        self._unnamed = folder / "unnamed"

    def keep(self, sealed: bytes) -> str:
        """Write the bytes durably and answer the name they are found by."""
        name = hashlib.sha256(sealed).hexdigest()
        place = _place(self._folder, name)
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
        """The bytes under a name, brought back if they were set aside: who asks has a row that names them.

        Raises FileNotFoundError; ValueError when they are not what the name says.
        """
        place = _place(self._folder, name)
        try:
            sealed = place.read_bytes()
        except FileNotFoundError:
            self.bring_back([name])
            sealed = place.read_bytes()
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

    def remove(self, names: Iterable[str]) -> None:
        """Remove files wherever they lie, with what a crash left of writing them; what is gone already is no matter."""
        for name in names:
            place = _place(self._folder, name)
            for file in (place, *place.parent.glob(f"{name}.*.part"), _place(self._unnamed, name)):
                file.unlink(missing_ok=True)

    # --- What is swept up ---------------------------------------------------------------------------------------------

    def aged(self, before: datetime, after: str, limit: int) -> list[str]:
        """The next files, in the order of their names, that were written before an instant: evidence, and what was
        left of writing it."""
        return [file.name for file in islice(_files(self._folder, after, before), limit)]

    def set_aside(self, names: Iterable[str], at: datetime) -> None:
        """Move files among the unnamed, where each says that it lies there since this instant."""
        for name in names:
            place, aside = _place(self._folder, name), _place(self._unnamed, name)
            aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                # Touched first: were it moved first, whoever ends between the two leaves a file that seems to have
                # lain there since it was written.
                os.utime(place, (at.timestamp(), at.timestamp()))
                place.replace(aside)
            except FileNotFoundError:
                # Somebody removed it.
                continue

    def unnamed(self, after: str, limit: int) -> list[str]:
        """The next of the files that were set aside, in the order of their names."""
        return [file.name for file in islice(_files(self._unnamed, after, None), limit)]

    def bring_back(self, names: Iterable[str]) -> None:
        """Move files that were set aside back to where they are read; those that were not are no matter."""
        for name in names:
            place = _place(self._folder, name)
            try:
                place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _place(self._unnamed, name).replace(place)
            except FileNotFoundError:
                continue

    def forget(self, names: Iterable[str], before: datetime) -> int:
        """Remove those of the files that were set aside before an instant, and lie there still; answers how many."""
        forgotten = 0
        for name in names:
            aside = _place(self._unnamed, name)
            if _is_older(aside, before):
                aside.unlink(missing_ok=True)
                forgotten += 1
        return forgotten

    # --- Whose folder it is -------------------------------------------------------------------------------------------

    def belongs_to(self, bank: str, database: str) -> bool:
        """Put the mark of a bank on the folder, and answer whether it bears no other's. The mark says to people which
        database it stands for."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        mark = self._folder / f"bank-{bank}"
        if not mark.exists():
            mark.write_text(f"Evidence of the database {database} lies here.\n", "utf-8")
        return [other.name for other in self._folder.glob("bank-*")] == [mark.name]


def _place(root: Path, name: str) -> Path:
    return root / name[:2] / name


def _files(root: Path, after: str, before: datetime | None) -> Iterable[Path]:
    """The files beyond ``after`` in the order of their names, those last touched before an instant if one is given."""
    return (
        file
        for folder in sorted(root.glob("[0-9a-f][0-9a-f]"))
        if folder.name >= after[:2]
        for file in sorted(folder.iterdir())
        if file.name > after and (before is None or _is_older(file, before))
    )


def _is_older(file: Path, before: datetime) -> bool:
    try:
        return file.stat().st_mtime < before.timestamp()
    except FileNotFoundError:
        # It was being written when the folder was read, and has its own name by now; or somebody moved it.
        return False
