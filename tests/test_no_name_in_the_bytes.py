"""Decision 4: nothing that names a person stands in the database in the clear, searched in the raw bytes themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from creditbank.settings import sqlite_file
from tests.api.world import World, opened

# Everything here identifies somebody; each text is found nowhere else.
NAME, PHONE, CARD, BORN = "Ouyang Qingfeng", "13912345678", "11010519491231002X", "1949-12-31"
EXTERNAL, TITLE, REASON = "STU-20240917-77", "Thesis of Ouyang about herself", "she was not Qingfeng at all"
NEEDLES = (NAME, "Ouyang", PHONE, CARD, BORN, EXTERNAL, TITLE, REASON, "Qingfeng")


async def live(world: World) -> str:
    """A person's whole life at the bank, every request under a key; answers the account's number."""
    serial = iter(range(100))

    async def post(path: str, body: object) -> dict[str, dict[str, str]]:
        headers = {"Idempotency-Key": f"life-{next(serial)}"}
        answer = await world.partner.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: dict[str, dict[str, str]] = answer.json()
        return found

    identities = [{"type": "phone", "value": PHONE}, {"type": "id_card", "value": CARD}]
    account = await post("/v1/learners", {"name": NAME, "birth_date": BORN, "identities": identities})
    learner = str(account["id"])
    stated = world.statement(learner, external_id=EXTERNAL, title=TITLE, credits="3")
    recorded = await post("/v1/achievements", stated)
    refused = world.statement(learner, external_id=EXTERNAL + "/2", title=TITLE, kind="volunteering")
    await post("/v1/achievements", refused)
    achievement = {name: value for name, value in stated.items() if name not in {"learner", "provider"}}
    at = f"/v1/achievements/{recorded['achievement']['id']}"
    await post(f"{at}/amendments", {"reason": REASON, "achievement": {**achievement, "credits": "4"}})
    await post(f"{at}/revocation", {"reason": REASON})
    unknown = {"identity": {"type": "phone", "value": PHONE + "9"}}
    newcomer = {**world.statement(external_id=EXTERNAL + "/3", title=TITLE), "open_account": {"name": NAME}}
    await post("/v1/achievements", {**newcomer, "learner": unknown})
    return str(account["number"])


async def test_no_name_is_in_the_bytes_of_the_database(database_url: str, request: pytest.FixtureRequest) -> None:
    async with opened(database_url) as world:
        number = await live(world)

    stored = stored_bytes(database_url, request)

    # What may be read is found, so the search does look where the rows are.
    assert b"volunteering" in stored
    assert b"cq/yuzhong" in stored
    for needle in (*NEEDLES, number):
        for spelt in (needle.encode(), needle.encode("utf-16-le"), needle.encode().hex().encode()):
            assert spelt not in stored, needle


def stored_bytes(url: str, request: pytest.FixtureRequest) -> bytes:
    """Every byte of the files that hold this database, once all of it is written there."""
    file = sqlite_file(url)
    if file is not None:
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    server, name = request.getfixturevalue("postgres_server"), url.rpartition("/")[2]
    server.sql("checkpoint")
    oid = server.sql(f"select oid from pg_database where datname = '{name}'")
    folder: Path = server.folder / "data" / "base" / oid
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
