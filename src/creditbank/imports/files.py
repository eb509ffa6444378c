"""The rows of a file on the disk: sealed in pieces under a key of the import's own, beside the files of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import orjson

from creditbank.claims.files import EvidenceFolder
from creditbank.sealing import LearnerKey

ROWS: Final = b"import_pieces.rows"
UPLOAD: Final = b"import_pieces.upload"

ROWS_A_PIECE: Final = 1_000

Given = tuple[int, Any]
"""A row's number and what was given in it: its cells, or a line of JSON."""


class Pieces:
    """Keeps and reads the pieces of one import; ``names`` are those that were kept, in their order."""

    def __init__(self, folder: EvidenceFolder, key: LearnerKey, names: Iterable[str] = ()) -> None:
        self._folder = folder
        self._key = key
        self.names = list(names)

    # --- The file as it was handed in ---------------------------------------------------------------------------------

    def keep_upload(self, part: bytes) -> None:
        """Seal some bytes of the file and write them durably."""
        self.names.append(self._folder.keep(self._key.seal(part, UPLOAD)))

    def uploaded(self) -> Iterator[bytes]:
        """The bytes of the file, part by part, each time from the beginning."""
        return (self._key.open(self._folder.read(name), UPLOAD) for name in self.names)

    # --- Its rows -----------------------------------------------------------------------------------------------------

    def keep_above(self, rows: Sequence[Given]) -> None:
        """Seal and write the rows of a table down to its headings. They are the first piece, and nothing else is."""
        self._keep(rows)

    def keep_rows(self, rows: Iterable[Given]) -> int:
        """Seal and write rows, so many a piece; answers how many there were."""
        rows, count = iter(rows), 0
        while piece := list(islice(rows, ROWS_A_PIECE)):
            self._keep(piece)
            count += len(piece)
        return count

    def _keep(self, rows: Sequence[Given]) -> None:
        self.names.append(self._folder.keep(self._key.seal(orjson.dumps(list(rows)), ROWS)))

    def rows(self, name: str) -> list[Given]:
        """The rows of a piece. Raises FileNotFoundError, ValueError, SealBroken."""
        return [(row, given) for row, given in orjson.loads(self._key.open(self._folder.read(name), ROWS))]

    def remove(self) -> None:
        """Remove what was kept here."""
        self._folder.remove(self.names)
