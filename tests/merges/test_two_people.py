"""Two people whose accounts were merged and made two again: neither is shown, or outlived by, what is the other's."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from sqlalchemy import select

from creditbank.database.metadata import metadata
from creditbank.learners.tables import merged_keys
from creditbank.merges.queries import verify_merges
from tests import conftest
from tests.api.test_merges import asked, facts, merge, settle, trace, undo
from tests.api.world import World, opened
from tests.conversions.desk import CERTIFICATE, let_in, only, post, standing, verified
from tests.privacy.test_erasure import dump, erase
from tests.privacy.test_every_door import opens

# Erased, nobody is there for the next test: each has a database of its own.
database_url = conftest.database_url

SIDES = ("stays", "goes")


@dataclass
class Two:
    """Two people, what was said of each in words that are of no other, and their achievements."""

    world: World
    ids: dict[str, str] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=lambda: {side: [] for side in SIDES})
    facts: dict[str, list[str]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def word(self, of: str) -> str:
        word = f"word-{of}-{len(self.words[of])}"
        self.words[of].append(word)
        return word

    async def state(self, of: str, code: str, credits_: str = "1") -> str:
        """State an achievement of one of the two, under the same code as another perhaps."""
        body = {
            **self.world.statement(external_id=self.word(of)), "kind": "training", "credits": credits_, "code": code,
            "title": {"zh": self.word(of), "en": self.word(of)}, "learner": {"id": self.ids[of]},
        }  # fmt: skip
        made = (await post(self.world, "/v1/achievements", body, status=201)).json()["achievement"]["id"]
        self.facts[of].append(made)
        return str(made)

    async def mend(self, of: str, achievement: str) -> None:
        shown = (await self.world.partner.get(f"/v1/achievements/{achievement}")).json()["content"]
        title = {"zh": self.word(of), "en": self.word(of)}
        said = {**{k: v for k, v in shown.items() if k not in {"provider", "assurance"}}, "title": title}
        body = {"reason": self.word(of), "achievement": said}
        await post(self.world, f"/v1/achievements/{achievement}/amendments", body, status=201)

    async def revoke(self, of: str, achievement: str) -> None:
        body = {"reason": self.word(of)}
        await post(self.world, f"/v1/achievements/{achievement}/revocation", body, status=201)


@pytest_asyncio.fixture
async def two(database_url: str) -> AsyncIterator[Two]:
    """Merged, with facts of both under one unit, so that what is decided of the one's speaks of the other's; undone."""
    async with opened(database_url) as world:
        await let_in(world)
        await only(world, CERTIFICATE, unique={"keep": "best"})
        both = Two(world)
        for side in SIDES:
            born = {"stays": "1961-02-03", "goes": "1962-04-05"}[side]
            both.ids[side] = await world.open(both.word(side), birth_date=born)
            both.words[side].append(born)
            await both.state(side, "own", "2" if side == "goes" else "1")
            await both.state(side, f"only-{side}")
        mended, gone = await both.state("goes", "x"), await both.state("goes", "y")
        at = await merge(world, both.ids["stays"], both.ids["goes"])
        # While it stands: the same units from both sides, mended, withdrawn, stated anew by the merged one's name.
        await both.state("goes", "both")
        await both.state("stays", "both", "2")
        await both.state("stays", "late", "1")
        await both.state("goes", "late", "2")
        await both.mend("goes", mended)
        await both.revoke("goes", gone)
        await both.revoke("goes", await both.state("goes", "z"))
        await undo(world, at)
        yield both
        await verified(world)
        async with world.database.read() as connection:
            assert await verify_merges(connection) == []


async def shown(world: World, learner: str) -> str:
    """Whatever an account shows to whom it is of."""
    at = f"/v1/learners/{learner}"
    found = []
    for path in ("", "/achievements", "/decisions", "/transcript", "/lots", "/merges", "/reviews"):
        answer = await world.bank.get(f"{at}{path}", params={"limit": 200} if path in {"/decisions", "/lots"} else {})
        if answer.status_code != 404:
            assert answer.status_code == 200, answer.text
            found.append(answer.text)
    archive = await world.bank.get(f"{at}/export")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        found += [files.read(name).decode() for name in files.namelist()]
    return "\n".join(found)


@pytest.mark.parametrize("side", SIDES)
async def test_neither_is_shown_what_is_the_other_s(side: str, two: Two) -> None:
    other = next(one for one in SIDES if one != side)
    text = await shown(two.world, two.ids[side])
    assert [word for word in two.words[other] if word in text] == []
    assert {id_ for id_ in two.facts[side] if id_ in text} == set(two.facts[side])
    decided = (await two.world.bank.get(f"/v1/learners/{two.ids[side]}/decisions", params={"limit": 200})).text
    assert [id_ for id_ in two.facts[other] if id_ in decided] == []
    assert [id_ for id_ in two.facts[side] if id_ in decided] != []


async def test_what_was_withdrawn_meanwhile_is_shown_where_it_belongs(two: Two) -> None:
    theirs = await facts(two.world, two.ids["goes"])
    assert set(theirs) == set(two.facts["goes"])
    assert sorted(status for status, _ in theirs.values()) == ["revoked"] * 2 + ["valid"] * 5
    assert set(await facts(two.world, two.ids["stays"])) == set(two.facts["stays"])
    kinds = [one["kind"] for one in (await trace(two.world, two.ids["goes"]))["steps"]]
    assert kinds.count("lapsed") == 2


@pytest.mark.parametrize("side", SIDES)
async def test_whoever_is_erased_is_left_under_no_key(side: str, two: Two) -> None:
    other = next(one for one in SIDES if one != side)
    before = await opens(two.world)
    assert [word for words in two.words.values() for word in words if word.encode() not in before] == []
    held = await standing(two.world, two.ids[other])
    own = await facts(two.world, two.ids[other])
    await erase(two.world, two.ids[side])
    await two.world.work()
    after = await opens(two.world) + await dump(two.world)
    assert [word for word in two.words[side] if word.encode() in after] == []
    # The other one is whole: what they have, what was decided of it, and the next thing they learn.
    assert [word for word in two.words[other] if word.encode() not in after] == []
    assert await facts(two.world, two.ids[other]) == own
    assert await standing(two.world, two.ids[other]) == held
    third = await two.world.open("Somebody")
    await undo(two.world, await merge(two.world, two.ids[other], third))
    assert (await trace(two.world, third))["state"] == "undone"
    await two.state(other, "own", "7")
    assert (await standing(two.world, two.ids[other]))["available"] != held["available"]


async def test_merged_again_the_person_s_own_archive_tells_everything(two: Two) -> None:
    stays, goes = two.ids["stays"], two.ids["goes"]
    knowing = {**asked(goes), "despite_dismissal": True}
    made = await post(two.world, f"/v1/learners/{stays}/merges", knowing, by="bank", status=201)
    await settle(two.world, f"/v1/learners/{stays}/merges/{made.json()['id']}")
    text = await shown(two.world, stays)
    withdrawn = {id_ for id_, (status, _) in (await facts(two.world, goes)).items() if status == "revoked"}
    assert withdrawn == set(two.facts["goes"])
    assert [word for words in two.words.values() for word in words if word not in text] == []
    await erase(two.world, stays)
    after = await opens(two.world) + await dump(two.world)
    assert [word for words in two.words.values() for word in words if word.encode() in after] == []
    async with two.world.database.read() as connection:
        assert (await connection.execute(select(merged_keys))).all() == []
    assert "merged_keys" in metadata.tables
