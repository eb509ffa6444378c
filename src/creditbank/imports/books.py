"""Reads a workbook in a process of its own, which may not take more than so much memory.

The reader of workbooks makes room for all cells between the first and the last and for each copy of a shared text,
and ends its whole process where there is none. No look at the file beforehand finds every such file.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Final

import orjson

from creditbank.imports.domain import Cell
from creditbank.web.sheets import TableRefused, unreadable

_MEMORY_MAX: Final = 2 * 1024 * 1024 * 1024
_SECONDS_MAX: Final = 120


def rows_of(content: bytes, mapping: Mapping[str, str]) -> Iterator[tuple[int, list[Cell]]]:
    """The rows of a workbook. Raises TableRefused, also behind the first of them."""
    command = [sys.executable, "-P", "-m", "creditbank.imports.books"]
    with subprocess.Popen(  # noqa: S603 (the bank's own program, without a shell)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as reader:
        if reader.stdin is None or reader.stdout is None:
            raise unreadable()
        try:
            # It says nothing before it has read all, so that neither waits for the other.
            reader.stdin.write(orjson.dumps(dict(mapping)) + b"\n" + content)
            reader.stdin.close()
            for line in reader.stdout:
                row, cells = orjson.loads(line)
                yield row, cells
            if reader.wait():
                raise unreadable()
        except (BrokenPipeError, orjson.JSONDecodeError) as died:
            raise unreadable() from died
        finally:
            reader.kill()


def main() -> int:
    """Read a mapping and a workbook from the input, and write a line for each row."""
    from creditbank.imports.formats import workbook

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_MAX, _MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS_MAX, _SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    mapping = orjson.loads(sys.stdin.buffer.readline())
    try:
        for row in workbook(sys.stdin.buffer.read(), mapping):
            sys.stdout.buffer.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
    except (TableRefused, MemoryError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
