"""A small bank behind its HTTP doors: an application in this process, its clients, and a handful of records.

The records are made once for a module of tests and are not changed by tests that only read or are refused; a test
that writes makes its own learner or provider first.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from sqlalchemy import MetaData, func, select

from creditbank.access.actions import NewClient, create_client, revoke_key
from creditbank.access.domain import SCOPES
from creditbank.app import create_app
from creditbank.database.engine import Database
from creditbank.database.metadata import metadata
from creditbank.jobs.working import Worker
from creditbank.people import actions as people
from creditbank.people.domain import NewGrant
from creditbank.people.passwords import Passwords
from creditbank.providers.actions import NewProvider, ProviderChange, change, enter
from creditbank.web.metrics import Metrics
from creditbank.worker import build_worker
from tests.api import contract
from tests.bank import HandClock, document, granting, settings_for
from tests.covering import covered

ORIGIN = "http://bank.test"
COLLEGE = "cq/yuzhong"
SCHOOL = "cq/yuzhong/jiefangbei"
RIVAL = "cq/jiangbei"
CLOSED = "cq/yuzhong/closed"
DIPLOMA = "overlapping.diploma"
PASSWORD = "seven plum-rain bridges"

PARTNER_SCOPES = tuple(s for s in SCOPES if s not in {"audit:read", "providers:accredit", "transcripts:read"})
READING_SCOPES = tuple(s for s in SCOPES if s.endswith(":read"))

Json = Mapping[str, Any]


@dataclass
class World:
    """The bank and what stands in it; ``ids`` names its records for the tables of the tests."""

    app: FastAPI
    clock: HandClock
    database: Database
    keys: dict[str, str]
    ids: dict[str, str]
    _clients: dict[str, httpx.AsyncClient] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _serial: Any = field(default_factory=lambda: itertools.count(1))

    def client(self, name: str) -> httpx.AsyncClient:
        """A caller with this client's key; ``nobody`` has none."""
        if name not in self._clients:
            headers = {"Authorization": f"Bearer {self.keys[name]}"} if name in self.keys else {}
            transport = httpx.ASGITransport(self.app)
            self._clients[name] = httpx.AsyncClient(
                transport=transport, base_url=ORIGIN, headers=headers, event_hooks={"response": [contract.hold]}
            )
        return self._clients[name]

    def browser(self, address: str = "203.0.113.7", **headers: str) -> httpx.AsyncClient:
        """A browser of its own, on a page of the bank's, with no cookie yet."""
        said = {"Sec-Fetch-Site": "same-origin", "User-Agent": "Firefox/150 (a test)", **headers}
        origin = self.app.state.edge.settings.public_url
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 50_000)),
            base_url=origin,
            headers={name: value for name, value in said.items() if value},
            event_hooks={"response": [contract.hold]},
        )

    async def person(self, login: str, *grants: NewGrant) -> UUID:
        """Enter a person with these roles, who signs in with ``PASSWORD``."""
        passwords: Passwords = self.app.state.passwords
        stored = await passwords.hash(PASSWORD)
        async with self.database.write() as connection:
            now, vault = self.clock(), self.app.state.edge.vault
            user_id = await people.enter(connection, vault, people.NewUser(login, f"Name of {login}"), "test:", now)
            await people.set_password(connection, user_id, stored, "test:", now)
            for grant in grants:
                await people.grant(connection, user_id, grant, None, "test:", now)
        return user_id

    async def sign_in(self, login: str, browser: httpx.AsyncClient | None = None, **fields: str) -> httpx.AsyncClient:
        """Sign a person in; answers the browser, which has the cookie now."""
        at = browser or self.browser()
        answer = await at.post("/login", data={"login": login, "password": PASSWORD, **fields})
        assert answer.status_code == 303, answer.text
        return at

    @property
    def bank(self) -> httpx.AsyncClient:
        """The bank's own client, with every scope."""
        return self.client("bank")

    @property
    def partner(self) -> httpx.AsyncClient:
        """The client of the college, which acts for its school too."""
        return self.client("partner")

    @property
    def rival(self) -> httpx.AsyncClient:
        """The client of another college."""
        return self.client("rival")

    async def send(
        self, by: str, request: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Make a request such as ``GET /v1/learners/@learner``; ``@name`` anywhere stands for an id of this world.

        Bytes and texts are sent as they are, anything else as JSON; a body is JSON unless the headers say otherwise.
        """
        method, path = request.split(" ", 1)
        content = body if body is None or isinstance(body, bytes) else self._encoded(body)
        named = {name: self._named(value) for name, value in (headers or {}).items()}
        plain = {} if content is None else {"Content-Type": "application/json"}
        return await self.client(by).request(
            method,
            self._named(path),
            content=None if content is None else self._named(content.decode("latin-1")).encode("latin-1"),
            headers={**plain, **named},
        )

    @staticmethod
    def _encoded(body: Any) -> bytes:
        return (body if isinstance(body, str) else json.dumps(body)).encode()

    def _named(self, text: str) -> str:
        if "@" not in text:
            return text
        names = "|".join(re.escape(name) for name in sorted(self.ids, key=len, reverse=True))
        return re.sub(f"@({names})", lambda found: self.ids[found[1]], text)

    def fresh(self, prefix: str = "E") -> str:
        """A name that nothing has yet."""
        return f"{prefix}-{next(self._serial)}"

    def statement(self, learner: str | None = None, **others: Any) -> dict[str, Any]:
        """An achievement as a provider posts it."""
        learner_id = learner or self.ids["learner"]
        return {**statement(self.fresh()), "learner": {"id": learner_id}, **others}

    async def let_in(
        self, name: str, provider: str | None, scopes: Iterable[str], expires_at: datetime | None = None
    ) -> None:
        """Let a client in under this name; without a provider it is the bank's own."""
        new = NewClient(name, provider, tuple(scopes), "verified", expires_at)
        async with self.database.write() as connection:
            client_id, key = await create_client(connection, new, self.clock())
        self.keys[name] = str(key)
        self.ids[f"client_{name}"], self.ids[f"key_{name}"] = str(client_id), key.id

    async def open(self, name: str = "Li Wei", by: str = "partner", **others: Any) -> str:
        """Open an account; answers its id."""
        answer = await self.client(by).post("/v1/learners", json={"name": name, **others})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def record(self, learner: str, by: str = "partner", **others: Any) -> dict[str, Any]:
        """Record an achievement; answers what was answered."""
        answer = await self.client(by).post("/v1/achievements", json=self.statement(learner, **others))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def publish(self, plain: Json, by: str = "bank") -> str:
        """Draft a rule set and lead it all the way to publication, approved by another; answers its address.

        Rules and limits that it does not test are given tests.
        """
        answer = await self.client(by).post("/v1/rule-sets", json=covered(plain))
        assert answer.status_code == 201, answer.text
        at = str(answer.headers["location"])
        await self.lead(at, "publish", by)
        return at

    async def lead(self, at: str, to: str, by: str = "bank") -> httpx.Response:
        """Lead a draft through its steps, up to this one, whose answer is answered."""
        answer: httpx.Response | None = None
        for step, who in (("validate", by), ("simulate", by), ("approve", "approver"), ("publish", "approver")):
            answer = await self.client(who).post(f"{at}/{step}")
            assert answer.status_code in {200, 202}, f"{step}: {answer.text}"
            if step == "simulate":
                await self.simulated(at)
            if step == to:
                break
        assert answer is not None
        return answer

    async def simulated(self, at: str) -> dict[str, Any]:
        """Work until the simulation that was asked for has ended; answers it."""
        worker = self.worker()
        while True:
            shown: dict[str, Any] = (await self.bank.get(f"{at}/simulation")).json()
            if shown["state"] not in {"waiting", "running"}:
                return shown
            assert await worker.run_once(), "nobody simulates"

    async def work(self) -> None:
        """Work off every job that is due."""
        worker = self.worker()
        while await worker.run_once():
            pass

    def worker(self) -> Worker:
        """A worker of this bank."""
        edge = self.app.state.edge
        return build_worker(edge.settings, self.database, edge.vault, self.app.state.shelf, self.clock, Metrics())

    async def stored(self) -> dict[str, int]:
        """How many rows each table has, and how often each of what can be changed was changed."""
        return await _tally(self.database, metadata)


async def _tally(database: Database, tables: MetaData) -> dict[str, int]:
    counts = {table.name: select(func.count()).select_from(table).scalar_subquery() for table in tables.sorted_tables}
    for table in tables.sorted_tables:
        if "revision" in table.c:
            total = select(func.coalesce(func.sum(table.c.revision), 0)).scalar_subquery()
            counts[f"{table.name}.revision"] = total
    async with database.read() as connection:
        row = (await connection.execute(select(*[count.label(name) for name, count in counts.items()]))).one()
    return {name: int(value) for name, value in zip(counts, row, strict=True)}


async def _let_people_decide(world: World) -> None:
    """Evidence, claims in several states, rulings that wait, and the work that comes of it."""
    ids = world.ids
    for name, learner, by in (("evidence", "learner", "partner"), ("foreign_evidence", "stranger", "rival")):
        at = f"/v1/learners/{ids[learner]}/evidence"
        kept = await world.client(by).post(at, content=b"%PDF-1.7 " + name.encode(), headers=PDF)
        assert kept.status_code == 201, kept.text
        ids[name] = kept.json()["id"]
    for name, learner, by, evidence in (
        ("claim", "learner", "partner", "evidence"),
        ("rejected_claim", "learner", "partner", "evidence"),
        ("foreign_claim", "stranger", "rival", "foreign_evidence"),
    ):
        lodged = await world.client(by).post("/v1/recognition-claims", json=claim(ids[learner], ids[evidence]))
        assert lodged.status_code == 201, lodged.text
        ids[name] = lodged.json()["id"]
    rejected = {"decision": "reject", "reason": "not_covered"}
    at = f"/v1/learners/{ids['learner']}/recognition-claims/{ids['rejected_claim']}/decision"
    assert (await world.bank.post(at, json=rejected)).status_code == 200
    for number in range(3):
        ruled = await world.bank.post("/v1/rulings", json=ruling(ids["learner"]))
        assert ruled.status_code == 201, ruled.text
        ids[f"ruling_{number}"] = ruled.json()["id"]
    # A course without credits of its own asks for a person.
    await world.record(ids["learner"], external_id="worthless", credits=None)
    waiting = (await world.bank.get("/v1/reviews")).json()["items"]
    for name, kind, learner in (
        ("review", "claim", "learner"),
        ("foreign_review", "claim", "stranger"),
        ("decision_review", "decision", "learner"),
    ):
        ids[name] = next(r["id"] for r in waiting if (r["kind"], r["learner_id"]) == (kind, ids[learner]))


async def _divide(world: World) -> None:
    """A city and two districts of it."""
    named = {"50": "重庆市", "5001": "市辖区", "500103": "渝中区", "500105": "江北区"}
    divisions = [{"code": code, "name": {"zh": name, "en": name}} for code, name in named.items()]
    assert (await world.bank.put("/v1/regions", json={"items": divisions})).status_code == 200


async def _map(world: World) -> None:
    """A group of districts, and what happens in them."""
    group = {"name": {"zh": "主城区", "en": "Main"}, "members": [{"region": "500103", "from": "2008-01-01"}]}
    assert (await world.bank.put("/v1/region-groups/main", json=group)).status_code == 200
    entry = {"register": "unread", "from": "2024-01-01"}
    entered = await world.bank.post(f"/v1/providers/{world.ids[RIVAL]}/accreditations", json=entry)
    assert entered.status_code == 201, entered.text
    world.ids["entry"] = entered.json()["id"]
    talk = {"title": {"zh": "讲座", "en": "A talk"}, "starts": "2025-03-01T00:00:00Z", "ends": "2025-03-02T00:00:00Z"}
    for name, by in (("activity", "partner"), ("cancelling", "partner"), ("foreign_activity", "rival")):
        announced = await world.client(by).post("/v1/activities", json=talk)
        assert announced.status_code == 201, announced.text
        world.ids[name] = announced.json()["id"]
    await world.work()


PDF = {"Content-Type": "application/pdf"}


def claim(learner: str, *evidence: str, **others: Any) -> dict[str, Any]:
    """A claim of prior learning as it is lodged."""
    title = {"zh": "护理工作", "en": "Care work"}
    whole = {"kind": "work", "title": title, "completed": "2024-12-31", "hours": "3600"}
    return {"learner": learner, **whole, "evidence": list(evidence), **others}


def ruling(learner: str, **others: Any) -> dict[str, Any]:
    """A ruling as it is proposed: by default a limit is waived."""
    return {
        "learner": learner, "kind": "waive", "rule_set": "town", "what": "year", "reason": "Illness.", **others
    }  # fmt: skip


def statement(external_id: str, **others: Any) -> dict[str, Any]:
    """What is stated of an achievement, without its learner."""
    return {
        "external_id": external_id,
        "kind": "course",
        "completed": "2025-01-20",
        "credits": "3",
        "title": {"zh": "大学英语", "en": "College English"},
        **others,
    }


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[World]:
    """A bank on a migrated database, served in this process, with its clients and records."""
    clock = HandClock()
    app = create_app(settings_for(url, worker=False, **settings), clock=clock)
    # Cheap to reckon: what a real one costs is measured nowhere here.
    app.state.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    async with app.router.lifespan_context(app):
        world = World(app, clock, app.state.edge.database, {}, {})
        await _enter_providers(world)
        await _let_in(world)
        await _divide(world)
        await _fill(world)
        yield world


async def _enter_providers(world: World) -> None:
    async with world.database.write() as connection:
        for code, name, type_ in (
            ("cq", "重庆", "guidance_centre"),
            (COLLEGE, "渝中社区学院", "community_college"),
            (SCHOOL, "解放碑社区学校", "community_school"),
            (CLOSED, "停办学校", "community_school"),
            (RIVAL, "江北社区学院", "community_college"),
        ):
            provider = await enter(connection, NewProvider(code, name, code, type_, "500103"), world.clock())
            world.ids[code] = str(provider.id)
            if code == CLOSED:
                await change(connection, provider, ProviderChange(status="closed"))


async def _let_in(world: World) -> None:
    for name, provider, scopes in (
        ("bank", None, SCOPES),
        ("approver", None, SCOPES),
        ("reader", None, READING_SCOPES),
        ("scopeless", None, ()),
        ("partner", COLLEGE, PARTNER_SCOPES),
        ("rival", RIVAL, PARTNER_SCOPES),
        ("poster", COLLEGE, ("achievements:write",)),
    ):
        await world.let_in(name, provider, scopes)
    await world.let_in("expired", None, SCOPES, expires_at=world.clock() - timedelta(days=1))
    await world.let_in("revoked", None, SCOPES)
    async with world.database.write() as connection:
        await revoke_key(connection, world.keys["revoked"].split("_")[2], world.clock())


async def _fill(world: World) -> None:
    ids = world.ids
    at = await world.publish(document(granting("own", kind=["course", "exam"]), until="2030-01-01"))
    ids["published"] = at.split("/")[3]
    licence = granting("none", kind="licence")
    diploma = {"id": "diploma", "total": 3, "requirements": [{"id": "core", "need": {"credits": 3}}]}
    await world.publish(document(licence, id_="overlapping", version=2, until="2030-01-01", programmes=[diploma]))
    given = {"id": "a", "kind": "course", "provider": "cq", "completed": "2024-06-10", "credits": "3"}
    unmet = {"name": "x", "as_of": "2024-06-10", "given": [given], "then": {"total": "7", "a": "3"}}
    for name, plain in (
        ("draft", document(id_="draft")),
        ("overlapping", covered(document(id_="overlapping", start="2025-01-01"))),
        ("failing", document(id_="failing", tests=[unmet])),
    ):
        draft = await world.bank.post("/v1/rule-sets", json=plain)
        assert draft.status_code == 201, draft.text
        ids[name] = draft.headers["location"].split("/")[3]
    # One for each step of a version's life, as far as the one before it leads.
    for name, reached in (
        ("sound", None),
        ("validated", "validate"),
        ("simulated", "simulate"),
        ("approved", "approve"),
        ("leaving", "publish"),
    ):
        plain = covered(document(granting("none", kind="heritage"), id_=name))
        draft = await world.bank.post("/v1/rule-sets", json=plain)
        assert draft.status_code == 201, draft.text
        ids[name] = draft.headers["location"].split("/")[3]
        if reached is not None:
            await world.lead(draft.headers["location"], reached)
    await world.work()
    identity = {"type": "id_card", "value": "500103199001011232"}
    ids["learner"] = await world.open("张三", birth_date="1990-01-01", region="500103", identities=[identity])
    ids["stranger"] = await world.open("Wang Wu", by="rival")
    for name, learner, by in (
        ("achievement", "learner", "partner"),
        ("revoked", "learner", "partner"),
        ("foreign", "stranger", "rival"),
    ):
        made = await world.record(ids[learner], by=by, external_id=name)
        ids[name] = made["achievement"]["id"]
        ids[f"{name}_evaluation"] = made["outcome"]["evaluation"]
    gone = await world.partner.post(f"/v1/achievements/{ids['revoked']}/revocation", json={"reason": "a mistake"})
    assert gone.status_code == 201, gone.text
    ids["nowhere"] = str(UUID(int=7))
    entered = await world.bank.post(f"/v1/learners/{ids['learner']}/enrolments", json={"programme": DIPLOMA})
    assert entered.status_code == 201, entered.text
    ids["programme"] = DIPLOMA
    ids["enrolment"] = entered.json()["id"]
    for name, by in (("offering", "partner"), ("foreign_offering", "rival")):
        offering = {"code": "WORLD", "kind": "licence", "title": {"zh": "执照", "en": "Licence"}, "credits": 3}
        announced = await world.client(by).post("/v1/offerings", json=offering)
        assert announced.status_code == 201, announced.text
        ids[name] = announced.json()["id"]
    for name, provider in (("user", COLLEGE), ("foreign_user", RIVAL)):
        roles = [{"role": "assessor", "provider": provider}]
        entered = await world.bank.post("/v1/users", json={"login": f"{name}@town", "name": "Chen", "roles": roles})
        assert entered.status_code == 201, entered.text
        ids[name], ids[f"{name}_grant"] = entered.json()["id"], entered.json()["roles"][0]["id"]
    await _map(world)
    await _let_people_decide(world)
    posted = await world.partner.post(
        "/v1/achievements",
        content=json.dumps({**statement("keyed"), "learner": {"id": ids["learner"]}}),
        headers={"Idempotency-Key": "used"},
    )
    assert posted.status_code == 201, posted.text
