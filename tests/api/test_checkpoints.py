"""The log over HTTP: checkpoints for anybody, a proof for the bank, refusals by their codes."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from creditbank.checkpoints.domain import is_consistent
from creditbank.checkpoints.notes import VerifierKey, read_note
from tests.api.world import World, opened
from tests.checkpoints.conftest import ORIGIN, SEED

CHECKER = Path(__file__).resolve().parents[2] / "tools" / "check_proof.py"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """A served bank that signs every hour, with a checkpoint of nothing and two more."""
    key = SecretStr(base64.b64encode(SEED).decode())
    async with opened(database_url, checkpoint_key=key, checkpoint_origin=ORIGIN) as served:
        # An hour later the job makes the next one, and asks for another.
        served.clock.turn(minutes=61)
        await served.work()
        served.ids["late"] = await served.open("Late")
        await served.record(served.ids["late"])
        await served.record(served.ids["learner"])
        served.clock.turn(minutes=61)
        await served.work()
        yield served


async def read(world: World, path: str, status: int = 200, by: str = "nobody") -> Any:
    """What a caller is answered."""
    answer = await world.client(by).get(path)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_checkpoints_are_made_by_the_hour_and_read_by_anybody(world: World) -> None:
    page = await read(world, "/v1/checkpoints")
    later, former, nothing = page["items"]
    keys = await read(world, "/v1/checkpoints/keys")
    proof = await read(world, f"/v1/checkpoints/{later['size']}/consistency?from={former['size']}")

    assert (nothing["size"], former["size"], later["size"]) == (0, 2, 4)
    assert page["next"] is None
    key = VerifierKey.parse(keys["keys"][0])
    assert keys["origin"] == key.name == ORIGIN
    for shown in page["items"]:
        assert key.has_signed(shown["note"])
        assert read_note(shown["note"]).root.hex() == shown["root"]
    hashes = [bytes.fromhex(text) for text in proof["hashes"]]
    roots = [bytes.fromhex(shown["root"]) for shown in (former, later)]
    assert is_consistent(2, roots[0], 4, roots[1], hashes)
    assert await read(world, "/v1/checkpoints/4") == later
    first = await read(world, "/v1/checkpoints?limit=1")
    assert (await read(world, f"/v1/checkpoints?limit=1&cursor={first['next']}"))["items"] == [former]
    assert (await read(world, "/v1/checkpoints/4/consistency?from=0"))["hashes"] == []
    # Nothing of anybody is in them.
    assert world.ids["learner"] not in json.dumps([page, proof, keys])


async def test_a_proof_is_checked_without_the_bank(world: World, tmp_path: Path) -> None:
    plain = await read(world, f"/v1/learners/{world.ids['learner']}/proof", by="bank")
    (key,) = (await read(world, "/v1/checkpoints/keys"))["keys"]
    note = (await read(world, "/v1/checkpoints/4"))["note"]
    other = (await read(world, "/v1/checkpoints/2"))["note"]

    def check(proof: Any, *words: str, note: str = note, isolated: bool = False) -> tuple[int, str]:
        for name, text in (("proof.json", json.dumps(proof)), ("note", note)):
            (tmp_path / name).write_text(text, "utf-8")
        # Isolated and without site packages it has the standard library alone.
        python = [sys.executable, *(["-I", "-S"] if isolated else [])]
        done = subprocess.run(
            [*python, str(CHECKER), str(tmp_path / "proof.json"), *words], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    kept = ["--checkpoint", str(tmp_path / "note")]
    seq = plain["leaf"]["seq"]
    said = f"postings 1 to {seq} are in {ORIGIN} at 4 leaves"
    assert check(plain, *kept, "--key", key) == (0, f"{said}; signed with the key\n")
    assert check(plain, isolated=True) == (0, f"{said}; the signature was NOT checked: no key was given\n")
    code, shown = check(plain, "--key", key, isolated=True)
    assert (code, "NOT checked" in shown) == (2, True)
    assert check(plain, *kept, note=other)[0] == 1
    assert check(plain, "--key", key.replace(ORIGIN, "other"))[0] == 2
    assert check({**plain, "checkpoint": plain["checkpoint"].replace("T0", "T1")}, "--key", key)[0] == 1
    assert check({**plain, "postings": plain["postings"][1:]})[0] == 1
    assert check({**plain, "after": 1, "postings": plain["postings"][1:]})[0] == 0
    assert check({**plain, "leaf": {**plain["leaf"], "index": 0}})[0] == 1
    assert check({**plain, "inclusion": []})[0] == 1
    assert check({**plain, "postings": [t.replace("ACCRUE", "ACCRUX") for t in plain["postings"]]})[0] == 1
    first, *rest = plain["postings"]
    assert check({**plain, "postings": [first.replace("ACCRUE", "ACCRUX"), *rest]})[0] == 1
    assert check({"format": "another"})[0] == 2
    assert len(CHECKER.read_text("utf-8").splitlines()) <= 100


@pytest.mark.parametrize(
    ("path", "by", "status", "code"),
    [
        ("/v1/checkpoints/3", "nobody", 404, "checkpoint_not_found"),
        ("/v1/checkpoints/-1", "nobody", 422, "invalid_request"),
        ("/v1/checkpoints/x", "nobody", 422, "invalid_request"),
        (f"/v1/checkpoints/{10**30}", "nobody", 422, "invalid_request"),
        ("/v1/checkpoints?cursor=!", "nobody", 422, "invalid_request"),
        ("/v1/checkpoints?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "nobody", 422, "invalid_request"),
        ("/v1/checkpoints/4/consistency", "nobody", 422, "invalid_request"),
        ("/v1/checkpoints/4/consistency?from=3", "nobody", 404, "checkpoint_not_found"),
        ("/v1/checkpoints/2/consistency?from=4", "nobody", 422, "checkpoints_reversed"),
        ("/v1/learners/{learner}/proof", "nobody", 401, "unauthenticated"),
        ("/v1/learners/{learner}/proof", "scopeless", 403, "missing_scope"),
        ("/v1/learners/{learner}/proof", "partner", 403, "bank_only"),
        ("/v1/learners/{nowhere}/proof", "bank", 404, "learner_not_found"),
        ("/v1/learners/{learner}/proof?checkpoint=3", "bank", 404, "checkpoint_not_found"),
        ("/v1/learners/{late}/proof?checkpoint=2", "bank", 404, "proof_not_found"),
        ("/v1/learners/{learner}/proof?after=-1", "bank", 422, "invalid_request"),
        ("/v1/learners/{learner}/proof?checkpoint=2&after=1", "reader", 200, None),
    ],
)
async def test_refusals(world: World, path: str, by: str, status: int, code: str | None) -> None:
    answer = await read(world, path.format(**world.ids), status, by)

    assert answer.get("code") == code


async def test_a_bank_without_a_key_makes_no_checkpoints_and_says_so(sqlite_url: str) -> None:
    async with opened(sqlite_url) as world:
        await world.work()

        assert (await read(world, "/v1/checkpoints"))["items"] == []
        assert (await read(world, "/v1/checkpoints/keys"))["keys"] == []
        answer = await read(world, f"/v1/learners/{world.ids['learner']}/proof", 404, "bank")
        assert answer["code"] == "checkpoint_not_found"
