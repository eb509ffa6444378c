"""The transcript as JSON and as a page: the same values, nothing that a provider wrote taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from tests.api.world import World, statement

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOSTILE = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


async def read(world: World, learner: str, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await world.send("bank", f"GET /v1/learners/{learner}/transcript", headers=given)
    assert answer.status_code == 200, answer.text
    return answer


async def test_transcript_says_who_what_how_much_and_why(world: World) -> None:
    learner = await world.open("张三", birth_date="1990-01-01")
    first = await world.record(learner, credits="3", grade={"percent": "86"}, code="ENG101")
    await world.record(learner, kind="certificate", completed="2025-01-10", title="A badge")

    transcript = (await read(world, learner)).json()

    number = (await world.send("bank", f"GET /v1/learners/{learner}")).json()["number"]
    assert transcript["learner"] == {"id": learner, "number": number, "name": "张三", "birth_date": "1990-01-01"}
    assert transcript["as_of"] == "2025-03-01"
    assert [(t["unit"], t["total"]) for t in transcript["totals"]] == [("CR", "3")]
    lines = {line["id"]: line for line in transcript["achievements"]}
    line = lines[first["achievement"]["id"]]
    assert (line["title"]["en"], line["code"], line["grade"]) == ("College English", "ENG101", {"percent": "86"})
    assert line["provider"]["name"] == {"zh": "渝中社区学院", "en": "cq/yuzhong"}
    (credit,) = line["recognised"]
    assert (credit["credits"], credit["credit_unit"], credit["rule_set"], credit["rule"]) == ("3", "CR", "town", "own")
    assert credit["reason"]
    (other,) = [line for line in lines.values() if line["kind"] == "certificate"]
    assert other["recognised"] == []
    assert other["not_recognised"][0]["reason"]


async def test_page_has_the_totals_and_the_reasons_of_the_json_form(world: World) -> None:
    learner = await world.open("张三")
    for credits_ in ("3", "1.25"):
        await world.record(learner, credits=credits_, title="数学")
    for language, heading in (("en", "Transcript of learning"), ("zh-Hans", "学习成果与学分证明")):
        plain = (await read(world, learner, Accept_Language=language)).json()
        answer = await read(world, learner, Accept="text/html", Accept_Language=language)
        page = Page(answer.text)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-language"] == language
        assert ("html", {"lang": language}) in page.tags
        assert heading in page.texts
        said = " ".join(page.texts)
        assert plain["totals"][0]["total"] == "4.25"
        assert plain["totals"][0]["total"] in page.texts
        for line in plain["achievements"]:
            for credit in line["recognised"]:
                assert credit["reason"] in said
                assert f"{credit['credits']} {credit['credit_unit']}" in said


async def test_what_a_provider_writes_is_never_markup(world: World) -> None:
    learner = await world.open(f"{HOSTILE} Li")
    await world.record(learner, title=HOSTILE, code=HOSTILE, grade={"letter": HOSTILE})
    await world.record(learner, title={"zh": HOSTILE, "en": HOSTILE}, kind="certificate", unit=HOSTILE)
    provider = {"code": "cq/hostile", "name": {"zh": HOSTILE, "en": HOSTILE}, "provider_type": "library"}
    assert (await world.send("bank", "POST /v1/providers", provider)).status_code == 201
    body = world.statement(learner, provider="cq/hostile")
    assert (await world.send("bank", "POST /v1/achievements", body)).status_code == 201

    answer = await read(world, learner, Accept="text/html")

    page = Page(answer.text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "object", "style", "form"}
    allowed = {"lang", "charset", "name", "content", "rel", "href", "class", "scope"}
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= allowed
    assert page.texts.count(HOSTILE) >= 3
    assert answer.text.count("&lt;script&gt;") >= 4
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "unsafe" not in policy
    assert [a["href"] for tag, a in page.tags if tag == "link"] == ["/static/transcript.css"]
    style = await world.send("nobody", "GET /static/transcript.css")
    assert style.headers["content-type"].startswith("text/css")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/html;q=0.5, application/json;q=0.6", "application/json"),
        ("text/*, application/json;q=0.1", "text/html; charset=utf-8"),
        ("application/pdf, application/json;q=0.1", "application/json"),
    ],
)
async def test_form_is_the_one_that_is_asked_for(accept: str | None, media_type: str, world: World) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = await read(world, world.ids["learner"], **headers)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept, Accept-Language"


async def test_revision_tells_each_form_and_language_and_change_apart(world: World) -> None:
    learner = await world.open()
    recorded = await world.record(learner)
    tags = {}
    for form in ("application/json", "text/html"):
        for language in ("en", "zh-Hans"):
            tags[form, language] = (await read(world, learner, Accept=form, Accept_Language=language)).headers["etag"]
    assert len(set(tags.values())) == 4
    same = await read(world, learner, Accept="text/html", Accept_Language="en")
    assert same.headers["etag"] == tags["text/html", "en"]

    changed = {"reason": "typo", "achievement": statement(recorded["achievement"]["external_id"], title="Other")}
    at = f"/v1/achievements/{recorded['achievement']['id']}"
    assert (await world.send("partner", f"POST {at}/amendments", changed)).status_code == 201
    after = await read(world, learner, Accept="text/html", Accept_Language="en")
    assert after.headers["etag"] != tags["text/html", "en"]
    assert re.search(r"<td>Other<br>", after.text)
