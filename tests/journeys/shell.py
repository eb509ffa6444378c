"""Pages of commands, run in one shell as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MARK = "--- next block ---"


def blocks(page: Path) -> list[str]:
    """The commands of the page, block by block."""
    return re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run(page: Path, filled_in: str, told: Mapping[str, str], folder: Path) -> list[list[Any]]:
    """Run the page, but for the block that a reader fills in; answers for each block what its requests were answered.

    ``told`` is what that block says.
    """
    # A proxy in the environment is for the outside, and settings of curl's own are somebody's.
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **told}
    # Two answers stand on one line, as curl adds none.
    script = "set -eu\n" + f'echo "{MARK}"\n'.join(block for block in blocks(page) if block != filled_in)
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return [_answers(part) for part in done.stdout.split(MARK)]


def _answers(text: str) -> list[Any]:
    found, decoder = [], json.JSONDecoder()
    text = text.strip()
    while text:
        answer, end = decoder.raw_decode(text)
        found.append(answer)
        text = text[end:].strip()
    return found
