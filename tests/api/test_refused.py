"""What the bank refuses, and how: one row a request, with the status, the code and the place of each fault.

A refused request is answered in the shape of RFC 9457, in the caller's language, and stores nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from creditbank.access.domain import PrintedKey
from tests.api.world import CLOSED, COLLEGE, RIVAL, World, statement
from tests.bank import document

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = "0190a5b2-7c1d-7e3f-8a4b-5c6d7e8f9a0b"
LARGE = 10 * 1024 * 1024
ANYWHERE = "cq/yuzhong/anywhere"
# Instants that are written as any other and have no day in every zone.
ENDS = ("9999-12-31T23:59:00-08:00", "0001-01-01T00:00:00%2B08:00")


@dataclass(frozen=True)
class Row:
    """A request and what it is refused with. ``@name`` in its path, headers and body stands for an id of the world."""

    name: str
    request: str
    body: Any = None
    status: int = 422
    code: str = "invalid_request"
    # "pointer code" of each fault, all of them, and ":row" where the fault has a row of the text.
    at: tuple[str, ...] = ()
    by: str = "partner"
    headers: Mapping[str, str] = field(default_factory=dict)


def stated(**others: Any) -> dict[str, Any]:
    """An achievement that would be recorded but for what is given here; a field given as ... is left out."""
    whole = {**statement("R-1"), "learner": {"id": "@learner"}, **others}
    return {name: value for name, value in whole.items() if value is not ...}


def posts(name: str, body: Any, *at: str, status: int = 422, code: str = "invalid_request", **others: Any) -> Row:
    """A row that posts an achievement."""
    return Row(name, "POST /v1/achievements", body, status, code, at, **others)


def refused_field(name: str, value: Any, at: str) -> Row:
    """A row that posts an achievement with one wrong field."""
    return posts(f"{name} is {str(value)[:30]!r}", stated(**{name: value}), at)


def raw(text: str) -> bytes:
    """An achievement with ``text`` as its credits, as bytes that no encoder would write."""
    return json.dumps(stated(credits="@@")).replace('"@@"', text).encode()


def amends(name: str, *at: str, of: str = "achievement", reason: Any = "typo", **others: Any) -> Row:
    """A row that amends an achievement; what is no field of a row is one of the statement."""
    row = {key: others.pop(key) for key in ("status", "code", "by") if key in others}
    body = {"reason": reason, "achievement": {**statement("achievement"), **others}}
    return Row(f"amendment: {name}", f"POST /v1/achievements/@{of}/amendments", body, at=at, **row)


def town(**others: Any) -> dict[str, Any]:
    """A rule set that would be stored but for what is given here."""
    return {**document(id_="fresh"), **others}


CSV = {"Content-Type": "text/csv"}
YAML = {"Content-Type": "application/yaml"}
MATCH = {"If-Match": '"1"'}
SHORT = "lcb: rules/v1, id: fresh, version: 1, from: 2024-01-01, unit: {code: CR, step: 1}"
WHOLE = "ruleset: {" + SHORT + "}\nrecognition: [{id: a, match: {kind: course}, grant: [{credits: {native: 1}}]}]\n"
RULE = "{id: a, match: {kind: course}, grant: [{credits: {native: 1}}]}"

BODIES = (
    posts("a body that ends too soon", b'{"external_id": ', " cut_short", status=400, code="malformed_body"),
    posts("no body", b"", " empty_body", status=400, code="malformed_body"),
    posts("a body that is no UTF-8", b'{"external_id": "\xff\xfe"}', " not_utf8", status=400, code="malformed_body"),
    posts("a lone surrogate", b'{"external_id": "\\ud800"}', " not_json", status=400, code="malformed_body"),
    posts("ten thousand levels", b"[" * 10_000 + b"]" * 10_000, " not_json", status=400, code="malformed_body"),
    posts("a comma too many", b'{"external_id": "a",}', " not_json", status=400, code="malformed_body"),
    posts("two documents", b'{"external_id": "a"} {}', " not_json", status=400, code="malformed_body"),
    posts("a key twice", json.dumps(stated()).encode()[:-1] + b', "credits": "30"}', "/credits given_twice"),
    posts("an array", [stated()], " wrong_type"),
    posts("a text", '"achievement"', " wrong_type"),
    posts("null", b"null", " wrong_type"),
    posts(
        "an empty object",
        {},
        "/external_id required",
        "/kind required",
        "/completed required",
        "/learner required",
    ),
    posts("10 MB", b'{"a": "' + b"a" * LARGE + b'"}', status=413, code="body_too_large"),
    posts("text/plain", stated(), status=415, code="unsupported_media_type", headers={"Content-Type": "text/plain"}),
    posts(
        "a form",
        b"a=1",
        status=415,
        code="unsupported_media_type",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    ),
)

NUMBERS = (
    *(
        posts(f"credits are {text}", raw(text), f"/credits {code}")
        for text, code in (
            ("3.0", "float_refused"),
            ("3e2", "float_refused"),
            ("1e400", "float_refused"),
            ("NaN", "float_refused"),
            ("-Infinity", "float_refused"),
            ("-1", "number_negative"),
            ("1000000000000000000000000000000", "number_too_large"),
            ("true", "not_a_number"),
            ("[3]", "not_a_number"),
            ('"-1"', "number_negative"),
            ('"+1"', "not_a_number"),
            ('"1.2345"', "not_a_number"),
            ('"1,5"', "not_a_number"),
            ('"1e2"', "not_a_number"),
            ('"NaN"', "not_a_number"),
            ('"03"', "not_a_number"),
            ('"3."', "not_a_number"),
            ('" 3"', "not_a_number"),
            (r'"3\n"', "not_a_number"),
            ('"\uff13"', "not_a_number"),
            ('""', "not_a_number"),
            ('"1000.001"', "number_too_large"),
            ("1001", "number_too_large"),
            ('"1234567890"', "number_too_large"),
        )
    ),
    refused_field("hours", "100001", "/hours number_too_large"),
    refused_field("attendance", 101, "/attendance number_too_large"),
)

DAYS = (
    *(
        refused_field("completed", value, "/completed not_a_date")
        for value in ("2024-02-30", "2024-2-1", "20240201", "01/02/2024", "2024-02-01T00:00:00Z", "", 20240201, [2024])
    ),
    posts("completed tomorrow", stated(completed="2025-03-02"), "/completed date_in_future", code="date_in_future"),
    posts("applied in the future", stated(applied="2026-01-01"), "/applied date_in_future", code="date_in_future"),
    posts(
        "started after it was completed",
        stated(started="2025-02-01", completed="2025-01-31"),
        " completed_before_started",
    ),
)

FIELDS = (
    posts("an unknown field", stated(colour="red"), "/colour unknown_field"),
    *(
        posts(f"the bank's own field {name}", stated(**{name: "x"}), f"/{name} unknown_field")
        for name in ("accredited", "recognised", "provider_type", "status")
    ),
    refused_field("kind", 5, "/kind wrong_type"),
    refused_field("kind", "Course", "/kind wrong_form"),
    posts("an unknown kind", stated(kind="dance"), "/kind unknown_kind", code="unknown_kind"),
    posts("an unknown category", stated(category="arts/x"), "/category unknown_category", code="unknown_category"),
    refused_field("category", "/arts", "/category wrong_form"),
    refused_field("external_id", "", "/external_id blank"),
    refused_field("external_id", "  \n ", "/external_id blank"),
    refused_field("external_id", "x" * 201, "/external_id too_long"),
    refused_field("external_id", "a\x00b", "/external_id control_character"),
    refused_field("external_id", None, "/external_id wrong_type"),
    refused_field("title", "", "/title blank"),
    refused_field("title", 5, "/title wrong_type"),
    refused_field("title", {"zh": "大学英语"}, "/title/en required"),
    refused_field("title", {"zh": "大学英语", "en": "a\x1b[31m"}, "/title/en control_character"),
    refused_field("title", {"zh": "x" * 201, "en": "a"}, "/title/zh too_long"),
    refused_field("grade", {}, "/grade too_few_items"),
    refused_field("grade", {"percent": "86", "letter": "A"}, "/grade too_many_items"),
    refused_field("grade", {"percent": 86.5}, "/grade/percent float_refused"),
    refused_field("grade", {"percent": True}, "/grade/percent wrong_type"),
    refused_field("grade", {"Per cent": "86"}, "/grade/Per cent wrong_form"),
    refused_field("level", {"cn-lof": 5}, "/level/cn-lof wrong_type"),
    refused_field("facts", {"a": 1.5}, "/facts/a float_refused"),
    refused_field("facts", {"a": {"b": 1}}, "/facts/a wrong_type"),
    refused_field("facts", {"a": "\x7f"}, "/facts/a control_character"),
    refused_field("facts", {f"f{i}": 1 for i in range(33)}, "/facts too_many_items"),
    refused_field("tags", ["a"] * 33, "/tags too_many_items"),
    refused_field("tags", ["a", ""], "/tags/1 blank"),
    refused_field("tags", "a", "/tags wrong_type"),
    refused_field("language", "Chinese!", "/language wrong_form"),
    refused_field("shelf_life", "5 years", "/shelf_life wrong_form"),
    refused_field("assurance", "royal", "/assurance not_one_of"),
    refused_field("evidence", [{"url": "http://a.test", "sha256": "0" * 64}], "/evidence/0/url wrong_form"),
    refused_field("evidence", [{"url": "https://a.test/\x00", "sha256": "0" * 64}], "/evidence/0/url wrong_form"),
    refused_field("evidence", [{"url": "https://a.test", "sha256": "0"}], "/evidence/0/sha256 wrong_form"),
    posts("two faults at once", stated(credits=1.5, colour=1), "/credits float_refused", "/colour unknown_field"),
)

LEARNERS_NAMED = (
    refused_field("learner", {}, "/learner exactly_one"),
    refused_field("learner", {"id": "@learner", "number": "CQ1"}, "/learner exactly_one"),
    refused_field("learner", {"id": "somebody"}, "/learner/id not_a_uuid"),
    refused_field("learner", {"identity": {"type": "name", "value": "x"}}, "/learner/identity/type not_one_of"),
    *(
        posts(f"nobody under {who}", stated(learner={who: value}), "/learner unknown_learner", code="unknown_learner")
        for who, value in (
            ("id", "@nowhere"),
            ("number", "CQ0000000000"),
            ("identity", {"type": "phone", "value": "13800000000"}),
        )
    ),
    posts(
        "an account opened by number only",
        stated(learner={"number": "CQ1"}, open_account={"name": "Li"}),
        "/learner unknown_learner",
        code="unknown_learner",
    ),
    refused_field("open_account", {"name": "\x00"}, "/open_account/name control_character"),
    refused_field("open_account", {"name": "Li", "birth_date": "2000-13-01"}, "/open_account/birth_date not_a_date"),
    posts(
        "an account opened for somebody born tomorrow",
        stated(
            learner={"identity": {"type": "phone", "value": "1"}},
            open_account={"name": "Li", "birth_date": "2025-03-02"},
        ),
        "/open_account/birth_date born_in_future",
        code="born_in_future",
    ),
    posts(
        "an account opened without the scope",
        stated(learner={"identity": {"type": "phone", "value": "1"}}, open_account={"name": "Li"}),
        status=403,
        code="missing_scope",
        by="poster",
    ),
)

PROVIDERS_NAMED = (
    *(
        posts(
            f"in the name of {code}",
            stated(provider=code),
            "/provider foreign_provider",
            status=403,
            code="foreign_provider",
        )
        for code in (RIVAL, "cq", "cq/yuzhongx")
    ),
    posts("a provider nobody knows", stated(provider=ANYWHERE), "/provider unknown_provider", code="unknown_provider"),
    posts("a closed provider", stated(provider=CLOSED), status=403, code="provider_not_active"),
    posts("the bank for nobody", stated(), "/provider provider_unnamed", code="provider_unnamed", by="bank"),
    refused_field("provider", "CQ", "/provider wrong_form"),
)

AGAIN = (
    posts(
        "an external id with other content",
        stated(external_id="achievement", credits="4"),
        "/external_id external_id_conflict",
        status=409,
        code="external_id_conflict",
    ),
    posts(
        "an external id for another learner",
        stated(external_id="achievement", learner={"id": "@stranger"}),
        "/external_id external_id_conflict",
        status=409,
        code="external_id_conflict",
    ),
    posts(
        "a used key with another body",
        stated(),
        "header:Idempotency-Key idempotency_key_reused",
        code="idempotency_key_reused",
        headers={"Idempotency-Key": "used"},
    ),
    Row(
        "a used key on another route",
        "POST /v1/learners",
        {"name": "Li Wei"},
        code="idempotency_key_reused",
        at=("header:Idempotency-Key idempotency_key_reused",),
        headers={"Idempotency-Key": "used"},
    ),
    *(
        posts(
            f"a key that is {name}",
            stated(),
            "header:Idempotency-Key idempotency_key_malformed",
            code="idempotency_key_malformed",
            headers={"Idempotency-Key": key},
        )
        for name, key in (("too long", "k" * 256), ("two words", "a b"), ("empty", ""))
    ),
)

_FORGED = str(PrintedKey("0" * 12, "0" * 50))

CALLERS = (
    *(
        Row(
            f"credential: {name}",
            "GET /v1/providers",
            status=401,
            code="unauthenticated",
            by=by,
            headers={"Authorization": given} if given else {},
        )
        for name, by, given in (
            ("none", "nobody", ""),
            ("another scheme", "nobody", "Basic YTpi"),
            ("no key", "nobody", "Bearer"),
            ("garbled", "nobody", "Bearer cb_live_garbled"),
            ("a wrong check sum", "nobody", f"Bearer {_FORGED[:-1]}!"),
            ("well formed but nobody's", "nobody", f"Bearer {_FORGED}"),
            ("expired", "expired", ""),
            ("revoked", "revoked", ""),
        )
    ),
    posts("nobody, with a malformed body", b"{", status=401, code="unauthenticated", by="nobody"),
    posts("a scope short, with a malformed body", b"{", status=403, code="missing_scope", by="reader"),
    Row("nobody, at an id that is none", "GET /v1/learners/x", status=401, code="unauthenticated", by="nobody"),
    Row("no scope at all", "GET /v1/providers", status=403, code="missing_scope", by="scopeless"),
)

ROUTES = (
    Row("no such route", "GET /v1/nothing", status=404, code="no_such_route"),
    Row("no such route, nobody asks", "GET /wp-login.php", status=404, code="no_such_route", by="nobody"),
    Row("a slash too many", "GET /v1/providers/", status=404, code="no_such_route"),
    Row("no such picture", "GET /static/nothing.png", status=404, code="no_such_route"),
    Row("a way out of the folder", "GET /static/..%2f..%2fsettings.py", status=404, code="no_such_route"),
    Row("method", "DELETE /v1/achievements/@achievement", status=405, code="method_not_allowed"),
    Row("method on a list", "PUT /v1/providers", status=405, code="method_not_allowed"),
    Row("10 MB where no body is read", "GET /v1/providers", b"a" * LARGE, 413, "body_too_large"),
    Row("10 MB from nobody", "POST /v1/achievements", b"a" * LARGE, 413, "body_too_large", by="nobody"),
)

BATCHES = tuple(
    Row(f"batch: {name}", "POST /v1/achievements/batch", body, status, code, at, headers=headers)
    for name, body, status, code, at, headers in (
        ("malformed", b"[{", 400, "malformed_body", (" cut_short",), {}),
        ("an object", {}, 422, "invalid_request", (" wrong_type",), {}),
        ("empty", [], 422, "invalid_request", (" too_few_items",), {}),
        ("no lines", b"\n\n", 422, "invalid_request", (" too_few_items",), {"Content-Type": "application/x-ndjson"}),
        ("too many", [{}] * 1001, 422, "batch_too_large", (), {}),
        ("CSV", b"a,b", 415, "unsupported_media_type", (), CSV),
        ("10 MB", b"[" + b" " * LARGE + b"]", 413, "body_too_large", (), {}),
        (
            "a used key",
            [stated()],
            422,
            "idempotency_key_reused",
            ("header:Idempotency-Key idempotency_key_reused",),
            {"Idempotency-Key": "used"},
        ),
    )
)

AMENDMENTS = (
    amends("nothing new", status=409, code="nothing_amended"),
    amends(
        "another external id",
        "/achievement/external_id achievement_identity_fixed",
        external_id="other",
        code="achievement_identity_fixed",
    ),
    amends("of a revoked one", of="revoked", status=409, code="achievement_revoked"),
    amends("of nothing", of="nowhere", status=404, code="achievement_not_found"),
    amends("of another provider's", of="foreign", status=404, code="achievement_not_found"),
    amends("in the future", "/achievement/completed date_in_future", completed="2031-01-01", code="date_in_future"),
    amends("an unknown kind", "/achievement/kind unknown_kind", kind="dance", code="unknown_kind"),
    amends("a float", "/achievement/credits float_refused", credits=1.5),
    amends("another learner", "/achievement/learner unknown_field", learner={"id": "@stranger"}),
    amends("no reason", "/reason blank", reason=" "),
    Row(
        "amendment: not an id",
        "POST /v1/achievements/first/amendments",
        {"reason": "typo", "achievement": statement("achievement")},
        at=("path:id invalid_parameter",),
    ),
)

REVOCATIONS = tuple(
    Row(f"revocation: {name}", f"POST /v1/achievements/@{of}/revocation", body, status, code, at)
    for name, of, body, status, code, at in (
        ("already", "revoked", {"reason": "again"}, 409, "achievement_revoked", ()),
        ("of nothing", "nowhere", {"reason": "x"}, 404, "achievement_not_found", ()),
        ("of another provider's", "foreign", {"reason": "x"}, 404, "achievement_not_found", ()),
        (
            "in the future",
            "achievement",
            {"reason": "x", "effective": "2031-01-01"},
            422,
            "date_in_future",
            ("/effective date_in_future",),
        ),
        ("no reason", "achievement", {}, 422, "invalid_request", ("/reason required",)),
        ("a long reason", "achievement", {"reason": "x" * 2001}, 422, "invalid_request", ("/reason too_long",)),
    )
)

_TAKEN = {"type": "id_card", "value": "500103199001011232"}

ACCOUNTS = (
    *(
        Row(f"account: {name}", "POST /v1/learners", body, at=at)
        for name, body, at in (
            ("no name", {}, ("/name required",)),
            ("a blank name", {"name": " "}, ("/name blank",)),
            ("a name with a NUL", {"name": "Li\x00Wei"}, ("/name control_character",)),
            ("a long name", {"name": "x" * 201}, ("/name too_long",)),
            ("born on no day", {"name": "Li", "birth_date": "1990-02-30"}, ("/birth_date not_a_date",)),
            ("a region of letters", {"name": "Li", "region": "cq"}, ("/region wrong_form",)),
            ("a region of full-width digits", {"name": "Li", "region": "\uff15\uff10"}, ("/region wrong_form",)),
            ("a number", {"name": "Li", "number": "CQ1"}, ("/number unknown_field",)),
            ("nine identities", {"name": "Li", "identities": [_TAKEN] * 9}, ("/identities too_many_items",)),
            (
                "an unknown identity",
                {"name": "Li", "identities": [{"type": "email", "value": "a"}]},
                ("/identities/0/type not_one_of",),
            ),
        )
    ),
    Row(
        "account: born tomorrow",
        "POST /v1/learners",
        {"name": "Li", "birth_date": "2025-03-02"},
        code="born_in_future",
        at=("/birth_date born_in_future",),
    ),
    Row("look-up: nothing given", "POST /v1/learners/resolve", {}, at=(" exactly_one",)),
    Row("learner: nobody", "GET /v1/learners/@nowhere", status=404, code="learner_not_found"),
    Row("learner: another's", "GET /v1/learners/@stranger", status=404, code="learner_not_found"),
    Row("learner: not an id", "GET /v1/learners/zhang", at=("path:id invalid_parameter",)),
    Row("mending: without If-Match", "PATCH /v1/learners/@learner", {"name": "A"}, 428, "precondition_required"),
    *(
        Row(
            f"mending: If-Match {tag}",
            "PATCH /v1/learners/@learner",
            {"name": "A"},
            412,
            "revision_changed",
            ("header:If-Match revision_changed",),
            headers={"If-Match": tag},
        )
        for tag in ('"7"', 'W/"1"', "1", "")
    ),
    *(
        Row(f"mending: {name}", "PATCH /v1/learners/@learner", body, at=at, headers=MATCH)
        for name, body, at in (
            ("nothing", {}, (" nothing_changed",)),
            ("no name", {"name": None}, ("/name wrong_type",)),
            ("no region", {"region": None}, ("/region wrong_type",)),
            ("the number", {"number": "CQ1"}, ("/number unknown_field",)),
        )
    ),
    Row(
        "mending: born tomorrow",
        "PATCH /v1/learners/@learner",
        {"birth_date": "2025-03-02"},
        code="born_in_future",
        at=("/birth_date born_in_future",),
        headers=MATCH,
    ),
    Row("mending: another's", "PATCH /v1/learners/@stranger", {"name": "A"}, 404, "learner_not_found", headers=MATCH),
    Row("mending: nobody", "PATCH /v1/learners/@nowhere", {"name": "A"}, 404, "learner_not_found", headers=MATCH),
)


def enters(what: str, *at: str, status: int = 422, refused: str = "invalid_request", **others: Any) -> Row:
    """A row that enters a provider; what is no field of a row is one of the provider."""
    body = {"code": "cq/yuzhong/new", "name": {"zh": "新", "en": "New"}, "provider_type": "library", **others}
    return Row(f"provider: {what}", "POST /v1/providers", body, status, refused, at)


NETWORK = (
    enters("taken", "/code provider_code_taken", code=COLLEGE, status=409, refused="provider_code_taken"),
    enters("without what is above it", "/code unknown_parent", code="cq/yuzhong/a/b", refused="unknown_parent"),
    enters("under another", "/code foreign_provider", code="cq/jiangbei/a", status=403, refused="foreign_provider"),
    enters("at the top", "/code foreign_provider", code="sichuan", status=403, refused="foreign_provider"),
    enters("a code in capitals", "/code wrong_form", code="CQ"),
    enters(
        "an unknown type",
        "/provider_type unknown_provider_type",
        provider_type="castle",
        refused="unknown_provider_type",
    ),
    enters("one name", "/name wrong_type", name="New"),
    enters("with a parent", "/parent unknown_field", parent="cq"),
    Row("provider: nothing there", "GET /v1/providers/@nowhere", status=404, code="provider_not_found"),
    Row("change: without If-Match", "PATCH /v1/providers/@cq/yuzhong", {"region": "50"}, 428, "precondition_required"),
    Row(
        "change: stale",
        "PATCH /v1/providers/@cq/yuzhong",
        {"region": "50"},
        412,
        "revision_changed",
        ("header:If-Match revision_changed",),
        headers={"If-Match": '"9"'},
    ),
    Row("change: nothing", "PATCH /v1/providers/@cq/yuzhong", {}, at=(" nothing_changed",), headers=MATCH),
    Row(
        "change: to nothing",
        "PATCH /v1/providers/@cq/yuzhong",
        {"name": None},
        at=("/name wrong_type",),
        headers=MATCH,
    ),
    Row(
        "change: the code",
        "PATCH /v1/providers/@cq/yuzhong",
        {"code": "cq/other"},
        at=("/code unknown_field",),
        headers=MATCH,
    ),
    Row(
        "change: an unknown status",
        "PATCH /v1/providers/@cq/yuzhong",
        {"status": "gone"},
        at=("/status not_one_of",),
        headers=MATCH,
    ),
    Row(
        "change: one's own status",
        "PATCH /v1/providers/@cq/yuzhong",
        {"status": "closed"},
        403,
        "bank_only",
        headers=MATCH,
    ),
    Row(
        "change: another's",
        "PATCH /v1/providers/@cq/jiangbei",
        {"region": "50"},
        404,
        "provider_not_found",
        headers=MATCH,
    ),
    *(
        Row(f"accreditation: {name}", f"POST /v1/providers/@{of}/accreditations", body, status, code, at, by="bank")
        for name, of, body, status, code, at in (
            ("of nothing", "nowhere", {"register": "moe", "from": "2024-01-01"}, 404, "provider_not_found", ()),
            (
                "an empty interval",
                "cq",
                {"register": "moe", "from": "2024-01-01", "until": "2024-01-01"},
                422,
                "invalid_request",
                (" interval_empty",),
            ),
            (
                "no register",
                "cq",
                {"from": "2024-01-01"},
                422,
                "invalid_request",
                ("/register required",),
            ),
            (
                "a register by another name",
                "cq",
                {"register_name": "moe", "register": "moe", "from": "2024-01-01"},
                422,
                "invalid_request",
                ("/register_name unknown_field",),
            ),
        )
    ),
)

QUERIES = (
    *(
        Row(f"list: {query[:40]}", f"GET /v1/providers?{query}", at=(f"?{query.partition('=')[0]} {code}",))
        for query, code in (
            ("limit=0", "invalid_parameter"),
            ("limit=501", "invalid_parameter"),
            ("limit=ten", "invalid_parameter"),
            ("limit=", "invalid_parameter"),
            ("cursor=!!!", "unknown_cursor"),
            ("cursor=%E4%B8%AD", "unknown_cursor"),
            ("cursor=AA", "unknown_cursor"),
            ("cursor=_w", "unknown_cursor"),
            ("cursor=" + "a" * 501, "invalid_parameter"),
            ("under=cq%00", "invalid_parameter"),
            ("under=Chongqing", "invalid_parameter"),
            ("provider_type=a%00", "invalid_parameter"),
            ("limits=1", "unknown_parameter"),
            ("Limit=1", "unknown_parameter"),
        )
    ),
    Row("no parameters at all", "GET /v1/learners/@learner?known=2025", at=("?known unknown_parameter",), by="bank"),
    Row("a file: not written for a slip", "POST /v1/imports?dryrun=true", raw("x"), at=("?dryrun unknown_parameter",)),
    *(
        Row(f"{name} at an end of the calendar", f"GET {path}={instant}", at=(f"?{name} invalid_parameter",), by="bank")
        for name, path in (
            ("from", "/v1/audit-events?from"),
            ("until", "/v1/audit-events?until"),
            ("known", "/v1/learners/@learner/balance?known"),
        )
        for instant in ENDS
    ),
    *(
        Row(
            f"role until {instant}",
            "POST /v1/users/@user/roles",
            {"role": "assessor", "provider": COLLEGE, "until": instant.replace("%2B", "+")},
            at=("/until wrong_value",),
            by="bank",
        )
        for instant in ENDS
    ),
    Row("lots: a cursor of another list", "GET /v1/learners/@learner/lots?cursor=Y3E", at=("?cursor unknown_cursor",)),
    *(
        Row(
            f"postings: cursor {name}",
            f"GET /v1/learners/@learner/postings?cursor={cursor}",
            at=("?cursor unknown_cursor",),
            by="bank",
        )
        # -1, ten to the thirtieth, and digits of another script.
        for name, cursor in (("below", "LTE"), ("beyond", "MTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA"), ("odd", "2aE"))
    ),
    Row(
        "decisions: a cursor that is none of them",
        "GET /v1/learners/@learner/decisions?cursor=MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDA3",
        at=("?cursor unknown_cursor",),
        by="bank",
    ),
)

READING = (
    *(
        Row(f"{list_}: nobody", f"GET /v1/learners/@nowhere/{list_}", status=404, code="learner_not_found", by="bank")
        for list_ in ("achievements", "balance", "lots", "postings", "decisions", "transcript")
    ),
    *(
        Row(f"{list_}: another's", f"GET /v1/learners/@stranger/{list_}", status=404, code="learner_not_found")
        for list_ in ("achievements", "balance", "lots")
    ),
    Row("achievement: another's", "GET /v1/achievements/@foreign", status=404, code="achievement_not_found"),
    Row("achievement: none", "GET /v1/achievements/@nowhere", status=404, code="achievement_not_found"),
    *(
        Row(f"{list_}: for the bank", f"GET /v1/learners/@learner/{list_}", status=403, code="bank_only")
        for list_ in ("postings", "decisions", "evaluations/@achievement_evaluation")
    ),
    Row(
        "evaluation: none",
        "GET /v1/learners/@learner/evaluations/@nowhere",
        status=404,
        code="evaluation_not_found",
        by="bank",
    ),
    Row(
        "evaluation: another learner's",
        "GET /v1/learners/@learner/evaluations/@foreign_evaluation",
        status=404,
        code="evaluation_not_found",
        by="bank",
    ),
    Row(
        "transcript: as a picture",
        "GET /v1/learners/@learner/transcript",
        status=406,
        code="not_acceptable",
        by="bank",
        headers={"Accept": "image/png, text/html;q=0"},
    ),
)


def drafts(name: str, body: Any, *at: str) -> Row:
    """A row that stores a rule set; a text is YAML."""
    headers = YAML if isinstance(body, str | bytes) else {}
    code = "rule_document_rejected"
    return Row(f"rules: {name}", "POST /v1/rule-sets", body, code=code, at=at, headers=headers, by="bank")


OVERLAPS = "rule_set_version_overlaps"

RULES = (
    drafts("no YAML", "ruleset: [", " E0:2"),
    drafts("no UTF-8", b"\xff\xfe\x00", " E0"),
    drafts("empty", "", " E0"),
    drafts("a key twice", "ruleset: {" + SHORT + "}\nrecognition: []\nrecognition: []\n", "/recognition E0:2"),
    drafts(
        "an unknown key and a float",
        "ruleset: {" + SHORT + "}\nrecognition:\n  - " + RULE.replace("native: 1", "native: 1.5") + "\ncolour: red\n",
        "/recognition/0/grant/0/credits/native E0:3",
    ),
    drafts("an alias", "ruleset: &a {" + SHORT + "}\nrecognition: *a\n", "/recognition E0:2"),
    drafts("a tag", "ruleset: !!python/object:os.system {" + SHORT + "}\n", "/ruleset E0:1"),
    drafts("a limit of nothing", {**town(), "limits": {"id": "few"}}, "/limits/at_most E0"),
    drafts("an unknown key", {**town(), "colour": 1}, "/colour E0"),
    drafts("a missing key", {"recognition": []}, "/ruleset E0"),
    drafts(
        "a version twice",
        "---\n".join([WHOLE] * 2),
        "/ruleset/version E7:4",
    ),
    Row(
        "rules: JSON that is none",
        "POST /v1/rule-sets",
        b'{"ruleset": }',
        code="rule_document_rejected",
        at=(" E0",),
        by="bank",
    ),
    Row("rules: as CSV", "POST /v1/rule-sets", b"a", 415, "unsupported_media_type", headers=CSV, by="bank"),
    Row(
        "rules: a version that is there",
        "POST /v1/rule-sets",
        document(id_="draft"),
        409,
        "rule_set_version_exists",
        ("/ruleset/version rule_set_version_exists",),
        by="bank",
    ),
    Row("rules: another's rule set", "POST /v1/rule-sets", document(version=2), 403, "foreign_rule_set"),
    *(
        Row(f"rules: {name}", f"GET /v1/rule-sets/{path}", status=status, code=code, at=at)
        for name, path, status, code, at in (
            ("no such rule set", "@nowhere/versions/1", 404, "rule_set_not_found", ()),
            ("no such version", "@published/versions/2", 404, "rule_set_not_found", ()),
            ("version 0", "@published/versions/0", 422, "invalid_request", ("path:number invalid_parameter",)),
            ("version one", "@published/versions/one", 422, "invalid_request", ("path:number invalid_parameter",)),
            (
                "a version beyond all numbers",
                f"@published/versions/{10**20}",
                422,
                "invalid_request",
                ("path:number invalid_parameter",),
            ),
        )
    ),
    *(
        Row(f"rules: {name}", f"PUT /v1/rule-sets/@{of}/versions/1", body, status, code, at, by, headers)
        for name, of, body, status, code, at, by, headers in (
            ("replaced blindly", "draft", document(id_="draft"), 428, "precondition_required", (), "bank", {}),
            (
                "replaced stale",
                "draft",
                document(id_="draft"),
                412,
                "revision_changed",
                ("header:If-Match revision_changed",),
                "bank",
                {"If-Match": '"5"'},
            ),
            (
                "replaced by another",
                "draft",
                document(id_="draft", version=2),
                422,
                "rule_set_version_moved",
                ("/ruleset/version rule_set_version_moved",),
                "bank",
                MATCH,
            ),
            (
                "replaced though published",
                "published",
                document(until="2031-01-01"),
                409,
                "rule_set_version_immutable",
                (),
                "bank",
                MATCH,
            ),
            ("another's replaced", "draft", document(id_="draft"), 403, "foreign_rule_set", (), "partner", MATCH),
            ("nothing replaced", "nowhere", document(), 404, "rule_set_not_found", (), "bank", MATCH),
        )
    ),
    *(
        Row(f"rules, {step}: {name}", f"POST /v1/rule-sets/@{of}/versions/1/{step}", None, status, code, at, by)
        for step, name, of, status, code, at, by in (
            ("validate", "untested", "draft", 422, "rule_coverage_missing", ("/recognition/0 W8",), "bank"),
            ("validate", "across another", "overlapping", 409, OVERLAPS, (f"/ruleset/from {OVERLAPS}",), "bank"),
            ("validate", "tests that fail", "failing", 422, "rule_tests_failed", ("/tests/0 test_failed",), "bank"),
            ("validate", "published", "published", 409, "rule_set_version_immutable", (), "bank"),
            ("validate", "without the scope", "draft", 403, "missing_scope", (), "reader"),
            ("simulate", "too early", "draft", 409, "rule_set_version_wrong_state", (), "bank"),
            ("approve", "too early", "draft", 409, "rule_set_version_wrong_state", (), "bank"),
            ("approve", "by its editor", "simulated", 403, "approver_is_editor", (), "bank"),
            ("publish", "too early", "draft", 409, "rule_set_version_wrong_state", (), "bank"),
            ("publish", "twice", "published", 409, "rule_set_version_immutable", (), "bank"),
            ("publish", "nothing", "nowhere", 404, "rule_set_not_found", (), "bank"),
            ("publish", "another's", "draft", 403, "foreign_rule_set", (), "partner"),
            ("publish", "without the scope", "draft", 403, "missing_scope", (), "reader"),
            ("withdraw", "too early", "draft", 409, "rule_set_version_wrong_state", (), "bank"),
        )
    ),
    Row(
        "rules: no simulation",
        "GET /v1/rule-sets/@draft/versions/1/simulation",
        code="simulation_not_found",
        status=404,
    ),
)

TABLE = (
    *BODIES,
    *NUMBERS,
    *DAYS,
    *FIELDS,
    *LEARNERS_NAMED,
    *PROVIDERS_NAMED,
    *AGAIN,
    *CALLERS,
    *ROUTES,
    *BATCHES,
    *AMENDMENTS,
    *REVOCATIONS,
    *ACCOUNTS,
    *NETWORK,
    *QUERIES,
    *READING,
    *RULES,
)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_bad_request_is_refused_and_stores_nothing(row: Row, world: World) -> None:
    before = await world.stored()

    answer = await world.send(row.by, row.request, row.body, row.headers)

    assert answer.status_code == row.status, answer.text
    problem = answer.json()
    assert problem["code"] == row.code, problem
    faults = [f"{e['pointer']} {e['code']}" + (f":{e['row']}" if "row" in e else "") for e in problem["errors"]]
    assert sorted(faults) == sorted(row.at), problem
    after = await world.stored()
    if row.code == "unknown_learner":
        # Nothing but that somebody was asked after, by whatever is a word about them.
        assert after["audit_events"] - before["audit_events"] == (0 if row.name.endswith("under id") else 1)
        before = {**before, "audit_events": after["audit_events"]}
    assert after == before


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
async def test_problem_has_the_shape_of_rfc_9457_in_both_languages(row: Row, world: World) -> None:
    sentences = set()
    for language in ("en", "zh-Hans"):
        headers = {**row.headers, "Accept-Language": language, "X-Request-ID": ASKED}
        answer = await world.send(row.by, row.request, row.body, headers)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-language"] == language
        assert set(problem) == {"type", "title", "status", "detail", "instance", "code", "errors"}
        assert problem["type"] == f"urn:creditbank:problem:{row.code}"
        assert problem["status"] == answer.status_code
        assert problem["instance"] == f"urn:request:{ASKED}"
        assert all(e["message"] for e in problem["errors"])
        assert ("retry-after" in answer.headers) == (answer.status_code in {429, 503})
        assert ("www-authenticate" in answer.headers) == (answer.status_code == 401)
        sentences.add(problem["detail"])
    assert len(sentences) == 2
