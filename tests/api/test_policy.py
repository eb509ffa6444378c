"""Who may do what: one row a route, and a route without a row fails the suite."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import SecretStr
from starlette.routing import BaseRoute, Mount, Route

from creditbank.access import policy
from creditbank.access.actions import revoke_key
from creditbank.access.domain import SCOPES
from creditbank.access.guards import PERSON
from creditbank.access.policy import RULES, Action, Rule
from creditbank.people.domain import NewGrant, Place
from creditbank.people.roles import ROLES
from creditbank.providers.actions import ProviderChange, change, lock
from tests.api.asks import ASKS
from tests.api.world import COLLEGE, DIPLOMA, PASSWORD, RIVAL, World, claim, opened, ruling, statement
from tests.bank import document
from tests.checkpoints.conftest import ORIGIN, SEED
from tests.conversions.desk import CERTIFICATE, apply_for, decide, learner_with, only, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANY = {"If-Match": "*"}


@dataclass(frozen=True)
class Row:
    """A route, the scope it needs (none: it is public) and a request that succeeds with that scope alone."""

    route: str
    scope: str | None
    request: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # What a client of the college with every scope asks for though it is not its own: request and body, and the answer.
    foreign: tuple[str, Any, int, str] | None = None
    # Nobody gives what he does not hold: here the scope alone is not enough.
    needs_what_it_gives: bool = False
    # What whoever is not signed in is answered where it is public.
    status: int = 200


def reads(route: str, scope: str | None, request: str = "", foreign: tuple[str, int, str] | None = None) -> Row:
    """The row of a route that only reads."""
    asked = None if foreign is None else (f"GET {foreign[0]}", None, *foreign[1:])
    return Row(f"GET {route}", scope, f"GET {request or route}", foreign=asked)


def institution(code: str) -> dict[str, Any]:
    return {"code": code, "name": {"zh": "新", "en": "New"}, "provider_type": "library"}


def stated(external_id: str, provider: str = COLLEGE) -> dict[str, Any]:
    return {**statement(external_id), "learner": {"id": "@learner"}, "provider": provider}


def claimed(**others: Any) -> dict[str, Any]:
    return {**claim("@learner", "@evidence"), "provider": COLLEGE, **others}


def ruled() -> dict[str, Any]:
    return {**ruling("@learner"), "what": "policy"}


def announced(**others: Any) -> dict[str, Any]:
    title = {"zh": "法语", "en": "French"}
    return {"provider": COLLEGE, "code": "POLICY", "kind": "course", "title": title, **others}


def applied(learner: str) -> dict[str, Any]:
    return {"learner": learner, "programme": "college.certificate"}


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": f"policy-{key}"}


def entered(*roles: Mapping[str, str]) -> dict[str, Any]:
    return {"login": "policy@town", "name": "Wu", "roles": list(roles)}


def held(**others: Any) -> dict[str, Any]:
    title = {"zh": "讲座", "en": "A talk"}
    times = {"starts": "2025-03-01T09:00:00+08:00", "ends": "2025-03-02T11:00:00+08:00"}
    return {"provider": COLLEGE, "title": title, **times, **others}


SEEN = {"identity": {"type": "passport", "value": "E12345678"}}
GUARDED_BY = {"guardian": "@guardian", "kind": "parent", "evidence": "household_register"}
TRANSFERRED = {"rule_set": "college", "provider": RIVAL, "amount": "1"}
U = "/v1/users/{id}"
L, A, P, V = "/v1/learners/{id}", "/v1/achievements/{id}", "/v1/providers/{id}", "/v1/rule-sets/{id}/versions/{number}"
MINE, STRANGER = "/v1/learners/@learner", "/v1/learners/@stranger"
DRAFT = "/v1/rule-sets/@draft/versions/1"
E = "/v1/activities/{id}"
C = "/v1/learners/{id}/recognition-claims/{claim_id}"
COUNT = {
    "provider": COLLEGE,
    "from": "2025-01-01",
    "until": "2025-02-01",
    "region": "50",
    "source": "door",
    "people": 9,
}
CLAIM = f"{MINE}/recognition-claims/@claim"
THEIRS = "/v1/clients/@client_scopeless"
W, FOREIGN_HOOK = "/v1/webhooks/{id}", "/v1/webhooks/@foreign_webhook"
HOOK = {"url": "https://partner.example/hooks", "types": ["achievement.recorded"]}
WHY = {"reason": "a mistake"}
UNKNOWN = (404, "learner_not_found")
CSV = {"Content-Type": "text/csv"}
YEAR = "from=2025-01-01&until=2026-01-01"
ENDED = {"until": "2027-09-01", "reason": "It was given up."}
MOVED = {"region": "500105", "since": "2024-03-01"}
CITY = {"code": "50", "name": {"zh": "重庆市", "en": "Chongqing"}}
DISTRICTS = {"name": {"zh": "主城区", "en": "Main districts"}, "members": [{"region": "50", "from": "2008-01-01"}]}
COUNTED = {"region": "50", "year": 2020, "source": "census", "people": 32054159}
STUDENT = {"type": "student_number", "value": "S-770-01", "issuer": COLLEGE}
RESULTS = b"external_id,student_number,kind,completed\nR-1,S-1,course,2025-01-20\n"
MAPPED = {"columns": {"Room": ""}}
M = f"{P}/import-mappings"
ANOTHER_S_STUDENT = {"type": "student_number", "value": "S-770-02", "issuer": "cq/jiangbei"}

TABLE = (
    Row(
        "POST /v1/providers",
        "providers:write",
        "POST /v1/providers",
        institution("cq/policy"),
        foreign=("POST /v1/providers", institution(f"{RIVAL}/policy"), 403, "foreign_provider"),
    ),
    Row(
        "POST /v1/providers/imports",
        "providers:write",
        "POST /v1/providers/imports",
        b"code,name_zh,provider_type\ncq/imported,\xe6\x96\xb0,library\n",
        CSV,
        foreign=(
            "POST /v1/providers/imports",
            b"code,name_zh,provider_type\ncq/jiangbei/imported,\xe6\x96\xb0,library\n",
            422,
            "table_refused",
        ),
    ),
    reads("/v1/providers", "providers:read"),
    reads(P, "providers:read", "/v1/providers/@cq/jiangbei"),
    Row(
        f"PATCH {P}",
        "providers:write",
        "PATCH /v1/providers/@cq",
        {"region": "50"},
        ANY,
        foreign=("PATCH /v1/providers/@cq/jiangbei", {"region": "50"}, 404, "provider_not_found"),
    ),
    reads(f"{P}/accreditations", "providers:read", "/v1/providers/@cq/accreditations"),
    Row(
        f"POST {P}/accreditations",
        "providers:accredit",
        "POST /v1/providers/@cq/accreditations",
        {"register": "moe", "from": "2024-01-01"},
        foreign=(
            "POST /v1/providers/@cq/yuzhong/accreditations",
            {"register": "moe", "from": "2024-01-01"},
            403,
            "bank_only",
        ),
    ),
    reads(
        f"{P}/figures",
        "providers:read",
        f"/v1/providers/@cq/figures?{YEAR}",
        (f"/v1/providers/@cq/jiangbei/figures?{YEAR}", 404, "provider_not_found"),
    ),
    Row(
        f"PATCH {P}/accreditations/{{entry_id}}",
        "providers:accredit",
        "PATCH /v1/providers/@cq/jiangbei/accreditations/@entry",
        ENDED,
        ANY,
        foreign=("PATCH /v1/providers/@cq/jiangbei/accreditations/@entry", ENDED, 403, "bank_only"),
    ),
    Row(
        "POST /v1/learners",
        "learners:write",
        "POST /v1/learners",
        {"name": "Li Wei", "identities": [STUDENT]},
        foreign=("POST /v1/learners", {"name": "Li", "identities": [ANOTHER_S_STUDENT]}, 403, "foreign_provider"),
    ),
    # What is foreign in a batch: nothing, for whoever opens an account says whose it is.
    Row("POST /v1/learners/batch", "learners:write", "POST /v1/learners/batch", [{"name": "Li Wei"}]),
    Row(
        "POST /v1/learners/activation-codes",
        "learners:write",
        "POST /v1/learners/activation-codes",
        {"learners": ["@learner"]},
    ),
    Row(
        f"PUT {L}/claimed-identity",
        "identities:claim",
        "PUT /v1/learners/@pending/claimed-identity",
        {"identity": None},
        foreign=("PUT /v1/learners/@stranger/claimed-identity", {"identity": None}, 404, "learner_not_found"),
    ),
    Row(
        f"POST {L}/confirmation",
        "learners:write",
        "POST /v1/learners/@pending/confirmation",
        SEEN,
        foreign=("POST /v1/learners/@pending/confirmation", SEEN, 403, "bank_only"),
    ),
    Row(
        f"POST {L}/guardianships",
        "learners:write",
        "POST /v1/learners/@minor/guardianships",
        GUARDED_BY,
        foreign=("POST /v1/learners/@minor/guardianships", GUARDED_BY, 403, "bank_only"),
    ),
    reads(
        f"{L}/guardianships",
        "learners:read",
        f"{MINE}/guardianships",
        (f"{STRANGER}/guardianships", 404, "learner_not_found"),
    ),
    Row(
        f"POST {L}/guardianships/{{guardianship_id}}/end",
        "learners:write",
        "POST /v1/learners/@minor/guardianships/@guardianship/end",
        foreign=("POST /v1/learners/@minor/guardianships/@guardianship/end", None, 403, "bank_only"),
    ),
    Row(
        f"POST {L}/merges",
        "learners:write",
        f"POST {MINE}/merges",
        {"merged": "@doubled", "reason": "document_seen"},
        foreign=(f"POST {MINE}/merges", {"merged": "@stranger", "reason": "document_seen"}, *UNKNOWN),
    ),
    reads(f"{L}/merges", "learners:read", f"{MINE}/merges", (f"{STRANGER}/merges", *UNKNOWN)),
    Row(
        f"POST {L}/merges/{{merge_id}}/decision",
        "rulings:approve",
        "POST /v1/learners/@undecided/merges/@merge/decision",
        {"decision": "approve"},
        foreign=("POST /v1/learners/@undecided/merges/@merge/decision", {"decision": "approve"}, 403, "bank_only"),
    ),
    Row(
        f"POST {L}/merges/{{merge_id}}/undoing",
        "learners:write",
        "POST /v1/learners/@united/merges/@done_merge/undoing",
        {"reason": "different_people"},
        foreign=(f"POST {STRANGER}/merges/@done_merge/undoing", {"reason": "different_people"}, *UNKNOWN),
    ),
    # An institution finds among accounts that it opened itself.
    reads("/v1/duplicates", "learners:write"),
    Row(
        "POST /v1/duplicates/dismissals",
        "learners:write",
        "POST /v1/duplicates/dismissals",
        {"learners": ["@learner", "@undecided"], "reason": "different_people"},
        foreign=(
            "POST /v1/duplicates/dismissals",
            {"learners": ["@learner", "@stranger"], "reason": "different_people"},
            *UNKNOWN,
        ),
    ),
    # Whoever carries this scope may look for anybody: that is what it is for, and every look is written down.
    Row("POST /v1/learners/resolve", "learners:resolve", "POST /v1/learners/resolve", {"id": "@stranger"}),
    reads(L, "learners:read", MINE, (STRANGER, 404, "learner_not_found")),
    Row(
        f"PATCH {L}",
        "learners:write",
        f"PATCH {MINE}",
        {"region": "50"},
        ANY,
        foreign=(f"PATCH {STRANGER}", {"region": "50"}, 404, "learner_not_found"),
    ),
    reads(f"{L}/residences", "learners:read", f"{MINE}/residences", (f"{STRANGER}/residences", *UNKNOWN)),
    Row(
        f"POST {L}/residences",
        "learners:write",
        f"POST {MINE}/residences",
        MOVED,
        foreign=(f"POST {STRANGER}/residences", MOVED, *UNKNOWN),
    ),
    Row(
        "POST /v1/activities",
        "activities:write",
        "POST /v1/activities",
        held(),
        foreign=("POST /v1/activities", held(provider=RIVAL), 403, "foreign_provider"),
    ),
    reads("/v1/activities", None),
    reads("/v1/activities/{id}", None, "/v1/activities/@activity"),
    reads("/v1/activity-series", None),
    reads(
        f"{E}/attendance",
        "activities:read",
        "/v1/activities/@activity/attendance",
        ("/v1/activities/@foreign_activity/attendance", 403, "foreign_provider"),
    ),
    reads(
        f"{E}/check-in-code",
        "activities:write",
        "/v1/activities/@activity/check-in-code",
        ("/v1/activities/@foreign_activity/check-in-code", 403, "foreign_provider"),
    ),
    *(
        Row(
            f"{method} {E}{path}",
            scope,
            f"{method} /v1/activities/@{of}{path}",
            body,
            headers,
            foreign=(f"{method} /v1/activities/@foreign_activity{path}", body, 403, "foreign_provider"),
        )
        for method, path, scope, of, body, headers in (
            ("POST", "/attendance", "activities:write", "activity", {"learners": [{"id": "@learner"}]}, {}),
            (
                "POST",
                "/check-ins",
                "activities:check_in",
                "activity",
                {"code": "@code", "learner": {"id": "@learner"}},
                {},
            ),
            ("POST", "/sheets", "activities:write", "activity", b"number,time\n", CSV),
            ("PATCH", "", "activities:write", "activity", {"place": "201"}, ANY),
            ("POST", "/cancellation", "activities:write", "cancelling", {"reason": "Rain."}, {}),
        )
    ),
    Row(
        "PUT /v1/head-counts",
        "activities:write",
        "PUT /v1/head-counts",
        {"items": [COUNT]},
        foreign=("PUT /v1/head-counts", {"items": [{**COUNT, "provider": RIVAL}]}, 403, "foreign_provider"),
    ),
    reads(
        "/v1/head-counts",
        "activities:read",
        foreign=(f"/v1/head-counts?under={RIVAL}", 404, "provider_not_found"),
    ),
    reads("/v1/regions", "regions:read"),
    reads("/v1/regions/{code}", "regions:read", "/v1/regions/50"),
    reads("/v1/region-groups", "regions:read"),
    reads("/v1/region-groups/{code}", "regions:read", "/v1/region-groups/main"),
    reads("/v1/populations", "regions:read"),
    *(
        Row(f"PUT {route}", "regions:write", f"PUT {at}", body, ANY, foreign=(f"PUT {at}", body, 403, "bank_only"))
        for route, at, body in (
            ("/v1/regions", "/v1/regions", {"items": [CITY]}),
            ("/v1/region-groups/{code}", "/v1/region-groups/main", DISTRICTS),
            ("/v1/populations", "/v1/populations", {"items": [COUNTED]}),
        )
    ),
    reads(
        A,
        "achievements:read",
        "/v1/achievements/@achievement",
        ("/v1/achievements/@foreign", 404, "achievement_not_found"),
    ),
    reads(
        f"{L}/achievements",
        "achievements:read",
        f"{MINE}/achievements",
        (f"{STRANGER}/achievements", 404, "learner_not_found"),
    ),
    Row(
        "POST /v1/achievements",
        "achievements:write",
        "POST /v1/achievements",
        stated("policy"),
        foreign=("POST /v1/achievements", stated("policy", RIVAL), 403, "foreign_provider"),
    ),
    # What is foreign in a batch is refused item by item: tests/api/test_batches.py.
    Row("POST /v1/achievements/batch", "achievements:write", "POST /v1/achievements/batch", [stated("policy-batch")]),
    # What is foreign in a file is refused row by row, as in a batch.
    Row("POST /v1/imports", "achievements:write", "POST /v1/imports", RESULTS, CSV),
    reads("/v1/imports", "achievements:write"),
    reads("/v1/imports/template", "achievements:write"),
    *(
        reads(
            f"/v1/imports/{{id}}{path}",
            "achievements:write",
            f"/v1/imports/@import{path}",
            (f"/v1/imports/@foreign_import{path}", 404, "import_not_found"),
        )
        for path in ("", "/events", "/problems", "/report")
    ),
    Row(
        "DELETE /v1/imports/{id}",
        "achievements:write",
        "DELETE /v1/imports/@cancelled_import",
        foreign=("DELETE /v1/imports/@foreign_import", None, 404, "import_not_found"),
    ),
    reads(
        M,
        "achievements:write",
        "/v1/providers/@cq/yuzhong/import-mappings",
        ("/v1/providers/@cq/jiangbei/import-mappings", 403, "foreign_provider"),
    ),
    *(
        Row(
            f"{method} {M}/{{name}}",
            "achievements:write",
            f"{method} /v1/providers/@cq/yuzhong/import-mappings/{name}",
            body,
            foreign=(f"{method} /v1/providers/@cq/jiangbei/import-mappings/{name}", body, 403, "foreign_provider"),
        )
        for method, name, body in (("PUT", "new", MAPPED), ("DELETE", "old", None))
    ),
    Row(
        f"POST {A}/amendments",
        "achievements:write",
        "POST /v1/achievements/@achievement/amendments",
        {**WHY, "achievement": statement("achievement", credits="2")},
        foreign=(
            "POST /v1/achievements/@foreign/amendments",
            {**WHY, "achievement": statement("foreign", credits="2")},
            404,
            "achievement_not_found",
        ),
    ),
    Row(
        f"POST {A}/revocation",
        "achievements:write",
        "POST /v1/achievements/@achievement/revocation",
        WHY,
        foreign=("POST /v1/achievements/@foreign/revocation", WHY, 404, "achievement_not_found"),
    ),
    reads(f"{L}/balance", "ledger:read", f"{MINE}/balance", (f"{STRANGER}/balance", 404, "learner_not_found")),
    reads(f"{L}/lots", "ledger:read", f"{MINE}/lots", (f"{STRANGER}/lots", 404, "learner_not_found")),
    reads(f"{L}/postings", "ledger:read", f"{MINE}/postings", (f"{MINE}/postings", 403, "bank_only")),
    reads(f"{L}/decisions", "ledger:read", f"{MINE}/decisions", (f"{MINE}/decisions", 403, "bank_only")),
    reads(
        f"{L}/evaluations/{{evaluation_id}}",
        "ledger:read",
        f"{MINE}/evaluations/@achievement_evaluation",
        (f"{MINE}/evaluations/@achievement_evaluation", 403, "bank_only"),
    ),
    reads(f"{L}/transcript", "transcripts:read", f"{MINE}/transcript", (f"{MINE}/transcript", 403, "bank_only")),
    Row(
        "POST /v1/rule-sets",
        "rules:write",
        "POST /v1/rule-sets",
        document(id_="policy"),
        foreign=("POST /v1/rule-sets", document(version=2), 403, "foreign_rule_set"),
    ),
    # What gives credits is no secret: whoever may read rules reads all of them.
    reads("/v1/rule-sets", "rules:read"),
    reads(V, "rules:read", DRAFT),
    Row(
        f"PUT {V}",
        "rules:write",
        f"PUT {DRAFT}",
        document(id_="draft"),
        ANY,
        foreign=(f"PUT {DRAFT}", document(id_="draft"), 403, "foreign_rule_set"),
    ),
    reads("/v1/rule-sets/{id}", "rules:read", "/v1/rule-sets/@published"),
    reads(f"{V}/diff/{{other}}", "rules:read", f"{DRAFT}/diff/1"),
    *(
        Row(
            f"POST {V}/{step}",
            scope,
            f"POST /v1/rule-sets/@{of}/versions/1/{step}",
            foreign=(f"POST {DRAFT}/{step}", None, 403, "foreign_rule_set"),
        )
        for step, scope, of in (
            ("validate", "rules:write", "sound"),
            ("simulate", "rules:write", "validated"),
            ("approve", "rules:approve", "simulated"),
            ("publish", "rules:approve", "approved"),
            ("withdraw", "rules:approve", "leaving"),
        )
    ),
    reads(f"{V}/simulation", "rules:read", "/v1/rule-sets/@simulated/versions/1/simulation"),
    # The largest changes are about persons.
    reads(
        f"{V}/simulation/cases",
        "ledger:read",
        "/v1/rule-sets/@simulated/versions/1/simulation/cases",
        ("/v1/rule-sets/@simulated/versions/1/simulation/cases", 403, "bank_only"),
    ),
    Row(
        "POST /v1/what-if",
        "rules:read",
        "POST /v1/what-if",
        {"achievements": [{**statement("planned"), "provider": COLLEGE}]},
    ),
    Row(
        f"POST {L}/evidence",
        "claims:write",
        f"POST {MINE}/evidence",
        b"%PDF-1.7 other",
        {"Content-Type": "application/pdf"},
        foreign=(f"POST {STRANGER}/evidence", b"%PDF-1.7", 404, "learner_not_found"),
    ),
    reads(
        f"{L}/evidence/{{evidence_id}}",
        "claims:decide",
        f"{MINE}/evidence/@evidence",
        (f"{STRANGER}/evidence/@evidence", 404, "evidence_not_found"),
    ),
    Row(
        "POST /v1/recognition-claims",
        "claims:write",
        "POST /v1/recognition-claims",
        claimed(),
        foreign=("POST /v1/recognition-claims", claimed(provider=RIVAL), 403, "foreign_provider"),
    ),
    reads(C.rpartition("/")[0], "claims:read", f"{MINE}/recognition-claims"),
    reads(C, "claims:read", CLAIM, (f"{STRANGER}/recognition-claims/@foreign_claim", 404, "claim_not_found")),
    Row(
        f"POST {C}/decision",
        "claims:decide",
        f"POST {CLAIM}/decision",
        {"decision": "reject", "reason": "not_covered"},
        foreign=(
            f"POST {STRANGER}/recognition-claims/@foreign_claim/decision",
            {"decision": "accept"},
            404,
            "claim_not_found",
        ),
    ),
    Row(
        f"POST {C}/appeal",
        "claims:write",
        f"POST {MINE}/recognition-claims/@rejected_claim/appeal",
        foreign=(f"POST {STRANGER}/recognition-claims/@foreign_claim/appeal", None, 404, "claim_not_found"),
    ),
    Row(
        "POST /v1/rulings",
        "rulings:write",
        "POST /v1/rulings",
        ruled(),
        foreign=("POST /v1/rulings", ruled(), 403, "bank_only"),
    ),
    reads(f"{L}/rulings", "rulings:write", f"{MINE}/rulings", (f"{MINE}/rulings", 403, "bank_only")),
    *(
        Row(
            f"POST {L}/rulings/{{ruling_id}}/{verb}",
            "rulings:approve",
            f"POST {MINE}/rulings/@ruling_{number}/{verb}",
            foreign=(f"POST {MINE}/rulings/@ruling_{number}/{verb}", None, 403, "bank_only"),
        )
        for number, verb in enumerate(("approval", "refusal", "withdrawal"))
    ),
    reads("/v1/reviews", "reviews:read"),
    reads(
        f"{L}/reviews/{{review_id}}",
        "reviews:read",
        f"{MINE}/reviews/@review",
        (f"{STRANGER}/reviews/@foreign_review", 404, "review_not_found"),
    ),
    Row(
        f"POST {L}/reviews/{{review_id}}/assignment",
        "reviews:write",
        f"POST {MINE}/reviews/@decision_review/assignment",
        foreign=(f"POST {STRANGER}/reviews/@foreign_review/assignment", None, 404, "review_not_found"),
    ),
    Row(
        f"DELETE {L}/reviews/{{review_id}}/assignment",
        "reviews:write",
        f"DELETE {MINE}/reviews/@decision_review/assignment",
        foreign=(f"DELETE {STRANGER}/reviews/@foreign_review/assignment", None, 404, "review_not_found"),
    ),
    Row(
        f"POST {L}/reviews/{{review_id}}/waiver",
        "reviews:write",
        "POST /v1/learners/@owing/reviews/@owing_review/waiver",
        {"reason": "hardship"},
        foreign=(f"POST {STRANGER}/reviews/@foreign_review/waiver", {"reason": "other"}, 404, "review_not_found"),
    ),
    Row(
        f"POST {L}/reviews/{{review_id}}/waiver/withdrawal",
        "reviews:write",
        "POST /v1/learners/@owing/reviews/@owing_review/waiver/withdrawal",
        foreign=(f"POST {STRANGER}/reviews/@foreign_review/waiver/withdrawal", None, 404, "review_not_found"),
    ),
    Row(
        f"POST {L}/reviews/{{review_id}}/waiver/decision",
        "rulings:approve",
        "POST /v1/learners/@forgiven/reviews/@forgiven_review/waiver/decision",
        {"decision": "approve"},
        foreign=(
            "POST /v1/learners/@forgiven/reviews/@forgiven_review/waiver/decision",
            {"decision": "approve"},
            403,
            "bank_only",
        ),
    ),
    Row(
        f"POST {L}/reviews/{{review_id}}/outcome",
        "rulings:approve",
        f"POST {MINE}/reviews/@decision_review/outcome",
        {"outcome": "as_decided"},
        foreign=(f"POST {MINE}/reviews/@decision_review/outcome", {"outcome": "stands"}, 403, "bank_only"),
    ),
    reads("/v1/programmes", "programmes:read"),
    reads("/v1/programmes/{id}", "programmes:read", f"/v1/programmes/{DIPLOMA}"),
    Row(
        "PUT /v1/programmes/{id}/admission",
        "programmes:write",
        f"PUT /v1/programmes/{DIPLOMA}/admission",
        {},
        foreign=(f"PUT /v1/programmes/{DIPLOMA}/admission", {"credits": 40}, 403, "foreign_programme"),
    ),
    reads(f"{L}/enrolments", "programmes:read", f"{MINE}/enrolments", (f"{STRANGER}/enrolments", *UNKNOWN)),
    Row(
        f"POST {L}/enrolments",
        "programmes:write",
        f"POST {STRANGER}/enrolments",
        {"programme": DIPLOMA},
        foreign=(f"POST {STRANGER}/enrolments", {"programme": DIPLOMA}, *UNKNOWN),
    ),
    reads(
        f"{L}/enrolments/{{enrolment_id}}",
        "programmes:read",
        f"{MINE}/enrolments/@enrolment",
        (f"{STRANGER}/enrolments/@enrolment", *UNKNOWN),
    ),
    Row(
        f"POST {L}/enrolments/{{enrolment_id}}/changes",
        "programmes:write",
        f"POST {MINE}/enrolments/@enrolment/changes",
        {"kind": "interruption"},
        ANY,
        foreign=(f"POST {MINE}/enrolments/@enrolment/changes", {"kind": "ending"}, 404, "enrolment_not_found"),
    ),
    # The programme is the bank's: it shows a college what others gave, and no college is asked for it.
    reads(
        f"{L}/programmes/{{programme_id}}/audit",
        "programmes:read",
        f"{MINE}/programmes/{DIPLOMA}/audit",
        (f"{MINE}/programmes/{DIPLOMA}/audit", 404, "enrolment_not_found"),
    ),
    reads("/v1/offerings", None),
    reads("/v1/offerings/{id}", None, "/v1/offerings/@offering"),
    reads("/v1/offerings/{id}/worth", None, "/v1/offerings/@offering/worth"),
    Row(
        "POST /v1/offerings",
        "catalogue:write",
        "POST /v1/offerings",
        announced(),
        foreign=("POST /v1/offerings", announced(provider=RIVAL), 403, "foreign_provider"),
    ),
    Row(
        "PATCH /v1/offerings/{id}",
        "catalogue:write",
        "PATCH /v1/offerings/@offering",
        {"places": 3},
        ANY,
        foreign=("PATCH /v1/offerings/@foreign_offering", {"places": 3}, 403, "foreign_provider"),
    ),
    Row(
        "POST /v1/conversions",
        "conversions:write",
        "POST /v1/conversions",
        applied("@ready"),
        keyed("apply"),
        foreign=("POST /v1/conversions", applied("@stranger"), *UNKNOWN),
    ),
    reads("/v1/conversions", "conversions:read", "/v1/conversions?learner=@ready"),
    reads("/v1/conversions/{id}", "conversions:read", "/v1/conversions/@deciding"),
    Row(
        "POST /v1/conversions/{id}/decision",
        "conversions:decide",
        "POST /v1/conversions/@deciding/decision",
        {"decision": "approve"},
        keyed("decide"),
    ),
    Row(
        "POST /v1/conversions/{id}/withdrawal",
        "conversions:write",
        "POST /v1/conversions/@withdrawing/withdrawal",
        {},
        keyed("withdraw"),
    ),
    Row(
        "POST /v1/conversions/{id}/annulment",
        "conversions:decide",
        "POST /v1/conversions/@annulling/annulment",
        {"reason": "identity_in_doubt"},
        keyed("annul"),
    ),
    Row(
        "POST /v1/conversions/{id}/annulment/decision",
        "conversions:decide",
        "POST /v1/conversions/@annulled/annulment/decision",
        {"decision": "approve"},
        keyed("annulled"),
    ),
    reads(f"{L}/exchanges", "conversions:read", f"{MINE}/exchanges", (f"{STRANGER}/exchanges", *UNKNOWN)),
    Row(
        f"POST {L}/exchanges",
        "conversions:write",
        "POST /v1/learners/@exchanging/exchanges",
        TRANSFERRED,
        keyed("exchange"),
        foreign=(f"POST {STRANGER}/exchanges", TRANSFERRED, *UNKNOWN),
    ),
    Row(
        "POST /v1/clients",
        "clients:write",
        "POST /v1/clients",
        {"name": "policy", "scopes": [], "assurance": "self"},
        foreign=("POST /v1/clients", {"name": "x", "scopes": [], "provider": RIVAL}, 403, "provider_not_held"),
    ),
    reads("/v1/clients", "clients:read"),
    reads("/v1/clients/{id}", "clients:read", THEIRS, ("/v1/clients/@client_rival", 404, "client_not_found")),
    Row(
        "PATCH /v1/clients/{id}",
        "clients:write",
        f"PATCH {THEIRS}",
        {"suspended": True},
        ANY,
        foreign=("PATCH /v1/clients/@client_rival", {"suspended": True}, 404, "client_not_found"),
    ),
    Row(
        "POST /v1/clients/{id}/keys",
        "clients:write",
        f"POST {THEIRS}/keys",
        {},
        foreign=("POST /v1/clients/@client_rival/keys", {}, 404, "client_not_found"),
    ),
    Row(
        "DELETE /v1/clients/{id}/keys/{key}",
        "clients:write",
        f"DELETE {THEIRS}/keys/@key_scopeless",
        foreign=("DELETE /v1/clients/@client_rival/keys/@key_rival", None, 404, "client_not_found"),
    ),
    Row(
        "POST /v1/webhooks",
        "webhooks:write",
        "POST /v1/webhooks",
        HOOK,
        foreign=("POST /v1/webhooks", {**HOOK, "provider": RIVAL}, 403, "provider_not_held"),
        needs_what_it_gives=True,
    ),
    reads("/v1/webhooks", "webhooks:read"),
    reads(W, "webhooks:read", "/v1/webhooks/@webhook", (FOREIGN_HOOK, 404, "webhook_not_found")),
    Row(
        f"PATCH {W}",
        "webhooks:write",
        "PATCH /v1/webhooks/@pausing",
        {"state": "paused"},
        ANY,
        foreign=(f"PATCH {FOREIGN_HOOK}", {"state": "paused"}, 404, "webhook_not_found"),
    ),
    Row(
        f"DELETE {W}",
        "webhooks:write",
        "DELETE /v1/webhooks/@removing",
        foreign=(f"DELETE {FOREIGN_HOOK}", None, 404, "webhook_not_found"),
    ),
    Row(
        f"POST {W}/secret",
        "webhooks:write",
        "POST /v1/webhooks/@webhook/secret",
        {},
        foreign=(f"POST {FOREIGN_HOOK}/secret", {}, 404, "webhook_not_found"),
    ),
    Row(
        f"POST {W}/test",
        "webhooks:write",
        "POST /v1/webhooks/@webhook/test",
        foreign=(f"POST {FOREIGN_HOOK}/test", None, 404, "webhook_not_found"),
    ),
    reads(
        f"{W}/deliveries",
        "webhooks:read",
        "/v1/webhooks/@webhook/deliveries",
        (f"{FOREIGN_HOOK}/deliveries", 404, "webhook_not_found"),
    ),
    reads(
        f"{W}/deliveries/{{delivery_id}}",
        "webhooks:read",
        "/v1/webhooks/@webhook/deliveries/@delivery",
        (f"{FOREIGN_HOOK}/deliveries/@foreign_delivery", 404, "webhook_not_found"),
    ),
    Row(
        f"POST {W}/deliveries/{{delivery_id}}/resend",
        "webhooks:write",
        "POST /v1/webhooks/@webhook/deliveries/@delivery/resend",
        foreign=(f"POST {FOREIGN_HOOK}/deliveries/@foreign_delivery/resend", None, 404, "webhook_not_found"),
    ),
    # Whoever asks for a token proves itself in the request: tests/api/test_oauth.py.
    Row("POST /oauth/token", None, "GET /.well-known/jwks.json"),
    reads("/.well-known/oauth-authorization-server", None),
    reads("/.well-known/jwks.json", None),
    reads("/.well-known/security.txt", None),
    Row(
        f"POST {L}/erasure",
        "privacy:erase",
        "POST /v1/learners/@staying/erasure",
        {"reason": "learner_asked"},
        foreign=(f"POST {MINE}/erasure", {"reason": "learner_asked"}, 403, "bank_only"),
    ),
    Row(
        f"POST {L}/erasure/decision",
        "privacy:erase",
        "POST /v1/learners/@going/erasure/decision",
        {"decision": "approve"},
        foreign=("POST /v1/learners/@staying/erasure/decision", {"decision": "approve"}, 403, "bank_only"),
    ),
    reads(f"{L}/export", "privacy:export", f"{MINE}/export", (f"{MINE}/export", 403, "bank_only")),
    Row(
        f"POST {L}/consents",
        "consents:write",
        f"POST {MINE}/consents",
        {"recipient": RIVAL, "what": ["credits"], "purpose": "Admission."},
        foreign=(
            f"POST {MINE}/consents",
            {"recipient": COLLEGE, "what": ["credits"], "purpose": "x"},
            403,
            "bank_only",
        ),
    ),
    reads(f"{L}/consents", "consents:read", "/v1/learners/@staying/consents", (f"{STRANGER}/consents", *UNKNOWN)),
    Row(
        f"POST {L}/consents/{{consent_id}}/withdrawal",
        "consents:write",
        "POST /v1/learners/@staying/consents/@consent/withdrawal",
        foreign=("POST /v1/learners/@stranger/consents/@nowhere/withdrawal", None, 403, "bank_only"),
    ),
    Row(
        f"POST {L}/state",
        "learners:write",
        "POST /v1/learners/@staying/state",
        {"state": "closed", "reason": "learner_asked"},
        foreign=("POST /v1/learners/@staying/state", {"state": "deceased", "reason": "family_told"}, 403, "bank_only"),
    ),
    # A provider sees what its own clients did.
    reads("/v1/audit-events", "audit:read"),
    reads(f"{L}/looks", "looks:read", f"{MINE}/looks", (f"{MINE}/looks", 403, "bank_only")),
    reads("/v1/erasures", "privacy:erase", "", ("/v1/erasures", 403, "bank_only")),
    reads("/v1/checkpoints", None),
    reads("/v1/checkpoints/keys", None),
    reads("/v1/checkpoints/{size}", None, "/v1/checkpoints/@checkpoint"),
    reads("/v1/checkpoints/{size}/consistency", None, "/v1/checkpoints/@checkpoint/consistency?from=0"),
    reads(f"{L}/proof", "ledger:read", f"{MINE}/proof", (f"{MINE}/proof", 403, "bank_only")),
    Row(
        "POST /v1/users",
        "users:write",
        "POST /v1/users",
        entered(),
        foreign=("POST /v1/users", entered({"role": "assessor", "provider": RIVAL}), 403, "grant_beyond_own"),
    ),
    reads("/v1/users", "users:read"),
    reads(U, "users:read", "/v1/users/@user", ("/v1/users/@foreign_user", 404, "user_not_found")),
    reads(
        f"{U}/roles", "users:read", "/v1/users/@user/roles", ("/v1/users/@foreign_user/roles", 404, "user_not_found")
    ),
    Row(
        f"POST {U}/roles",
        "users:write",
        "POST /v1/users/@user/roles",
        {"role": "provider_staff", "provider": COLLEGE},
        foreign=(
            "POST /v1/users/@user/roles",
            {"role": "provider_staff", "provider": RIVAL},
            403,
            "grant_beyond_own",
        ),
        needs_what_it_gives=True,
    ),
    Row(
        f"DELETE {U}/roles/{{grant_id}}",
        "users:write",
        "DELETE /v1/users/@user/roles/@user_grant",
        foreign=("DELETE /v1/users/@foreign_user/roles/@foreign_user_grant", None, 404, "user_not_found"),
        needs_what_it_gives=True,
    ),
    # Whoever is signed in looks after their own sessions: tests/api/test_sessions.py.
    reads("/v1/sessions", PERSON),
    reads("/v1/me/places", PERSON),
    Row("PUT /v1/sessions/current/place", PERSON, "PUT /v1/sessions/current/place", {}),
    Row("DELETE /v1/sessions/{id}", PERSON, "DELETE /v1/sessions/@nowhere"),
    Row("DELETE /v1/sessions", PERSON, "DELETE /v1/sessions"),
    # The pages of signing in take no form but their own, and know nobody who is not signed in.
    reads("/login", None),
    Row("POST /login", None, "POST /login", status=403),
    # Without a code nobody comes in: tests/api/test_activations.py.
    Row("POST /v1/registrations", None, "POST /v1/registrations", status=400),
    Row("POST /v1/activations", None, "POST /v1/activations", status=400),
    Row("POST /login/place", None, "POST /login/place", status=403),
    Row("GET /login/password", None, "GET /login/password", status=303),
    Row("POST /login/password", None, "POST /login/password", status=403),
    Row("POST /logout", None, "POST /logout", status=403),
    Row("GET /login/with/{name}", None, "GET /login/with/nobody", status=404),
    Row("GET /login/with/{name}/callback", None, "GET /login/with/nobody/callback", status=404),
    reads("/v1/kinds", None),
    reads("/v1/categories", None),
    reads("/v1/provider-types", None),
    reads("/livez", None),
    reads("/readyz", None),
    reads("/metrics", None),
    reads("/openapi.json", None),
    reads("/static", None, "/static/transcript.css"),
)

GUARDED = tuple(row for row in TABLE if row.scope in SCOPES)
OF_PEOPLE = tuple(row for row in TABLE if row.scope == PERSON)
OPEN = tuple(row for row in TABLE if row.scope is None)
FOREIGN = tuple(row for row in TABLE if row.foreign is not None)


def _scopes(dependant: Dependant) -> Iterator[str]:
    for inner in dependant.dependencies:
        if (scope := getattr(inner.call, "scope", None)) is not None:
            yield scope
        yield from _scopes(inner)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[World]:
    """A bank that has signed a checkpoint since its records were made, with learners on their way to an award."""
    key = SecretStr(base64.b64encode(SEED).decode())
    own = {"public_url": "https://bank.test", "token_keys": key, "security_contact": "mailto:security@bank.test"}
    async with opened(url, checkpoint_key=key, checkpoint_origin=ORIGIN, **own) as served:
        served.clock.turn(minutes=61)
        await served.work()
        newest = await served.client("nobody").get("/v1/checkpoints")
        served.ids["checkpoint"] = str(newest.json()["items"][0]["size"])
        await _let_people_apply(served)
        shown = await served.partner.get(f"/v1/activities/{served.ids['activity']}/check-in-code")
        served.ids["code"] = shown.json()["code"]
        await _let_people_go(served)
        await _let_files_come(served)
        yield served


async def _let_files_come(world: World) -> None:
    """Files of results of two colleges that nobody has worked through yet, and a mapping of columns."""
    for name, by in (("import", "partner"), ("cancelled_import", "partner"), ("foreign_import", "rival")):
        taken = await world.client(by).post("/v1/imports", content=RESULTS, headers=CSV)
        assert taken.status_code == 202, taken.text
        world.ids[name] = taken.json()["id"]
    at = f"/v1/providers/{world.ids[COLLEGE]}/import-mappings/old"
    assert (await world.partner.put(at, json=MAPPED)).status_code == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(database_url: str) -> AsyncIterator[World]:
    """The filled bank."""
    async with filled(database_url) as served:
        yield served


async def _let_people_apply(world: World) -> None:
    """Learners on their way to an award: each at another step."""
    await only(world, CERTIFICATE)
    for step in ("ready", "exchanging", "deciding", "withdrawing", "annulling", "annulled"):
        learner, _, _ = await learner_with(world, "3")
        world.ids[step] = learner
        if step in {"ready", "exchanging"}:
            continue
        held = await apply_for(world, learner)
        world.ids[step] = held["id"]
        if step in {"annulling", "annulled"}:
            await decide(world, held, by="bank")
    at = f"/v1/conversions/{world.ids['annulled']}/annulment"
    await post(world, at, {"reason": "identity_in_doubt"}, by="bank", status=200)
    for name in ("owing", "forgiven"):
        learner, (achievement,), _ = await learner_with(world, "3")
        await decide(world, await apply_for(world, learner), by="bank")
        gone = await world.partner.post(f"/v1/achievements/{achievement}/revocation", json={"reason": "a mistake"})
        assert gone.status_code == 201, gone.text
        debts = (await world.bank.get("/v1/reviews?kind=debt")).json()["items"]
        world.ids[name] = learner
        world.ids[f"{name}_review"] = next(one["id"] for one in debts if one["learner_id"] == learner)
    at = f"/v1/learners/{world.ids['forgiven']}/reviews/{world.ids['forgiven_review']}/waiver"
    await post(world, at, {"reason": "hardship"}, by="bank", status=201)


async def _let_people_go(world: World) -> None:
    """One who may be proposed to be erased, and one who is; and one who has come alone."""
    alone = {"name": "Li Wei", "birth_date": "2001-02-03", "region": "500103", "login": "alone@home"}
    answer = await world.browser().post("/v1/registrations", json={**alone, "password": PASSWORD})
    assert answer.status_code == 201, answer.text
    world.ids["pending"] = answer.json()["learner"]
    world.ids |= {name: await world.open(name) for name in ("staying", "going")}
    await _let_parents_act(world)
    await _let_accounts_be_merged(world)
    for name in ("webhook", "pausing", "removing", "foreign_webhook"):
        by = "rival" if name.startswith("foreign") else "partner"
        made = await post(world, "/v1/webhooks", HOOK, by=by, status=201)
        world.ids[name] = made.json()["webhook"]["id"]
        sent = await post(world, f"/v1/webhooks/{world.ids[name]}/test", None, by=by, status=202)
        if name.endswith("webhook"):
            world.ids[name.replace("webhook", "delivery")] = sent.json()["id"]
    at = f"/v1/learners/{world.ids['staying']}/consents"
    body = {"recipient": RIVAL, "what": ["credits"], "purpose": "Admission."}
    world.ids["consent"] = (await post(world, at, body, by="bank", status=201)).json()["id"]
    at = f"/v1/learners/{world.ids['going']}/erasure"
    await post(world, at, {"reason": "learner_asked"}, by="bank", status=201)


async def _let_accounts_be_merged(world: World) -> None:
    """An account that may be merged; a merge that waits for its second person, and one that is done."""
    world.ids["doubled"] = await world.open("doubled")
    for name, merge in (("undecided", "merge"), ("united", "done_merge")):
        world.ids[name] = await world.open(name)
        body = {"merged": await world.open(name), "reason": "document_seen"}
        at = f"/v1/learners/{world.ids[name]}/merges"
        world.ids[merge] = (await post(world, at, body, by="bank", status=201)).json()["id"]
    at = f"/v1/learners/{world.ids['united']}/merges/{world.ids['done_merge']}"
    await post(world, f"{at}/decision", {"decision": "approve"}, by="approver", status=200)
    await world.work()


async def _let_parents_act(world: World) -> None:
    """A minor, a parent who has shown a document, and a guardianship that may be ended."""
    parent = {"name": "Li Lei", "birth_date": "1980-02-03", "region": "500103", "login": "parent@home"}
    answer = await world.browser().post("/v1/registrations", json={**parent, "password": PASSWORD})
    world.ids["guardian"] = answer.json()["learner"]
    seen = {"identity": {"type": "passport", "value": "P7654321"}}
    await post(world, f"/v1/learners/{world.ids['guardian']}/confirmation", seen, by="bank", status=200)
    world.ids["minor"] = await world.open("Li Xiao", birth_date="2014-05-06")
    body = {**GUARDED_BY, "guardian": world.ids["guardian"]}
    made = await post(world, f"/v1/learners/{world.ids['minor']}/guardianships", body, by="bank", status=201)
    world.ids["guardianship"] = made.json()["id"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(world: World) -> AsyncIterator[World]:
    """The bank with clients that carry one scope only, all but one, or for a college all."""
    for scope in SCOPES:
        await world.let_in(f"only {scope}", None, [scope])
        await world.let_in(f"all but {scope}", None, [other for other in SCOPES if other != scope])
    await world.let_in("college", COLLEGE, SCOPES)
    yield world


def routes(app: FastAPI) -> Iterator[tuple[str, BaseRoute]]:
    """Every method and path of the application, whatever kind of route it is."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount):
            yield f"GET {route.path}", route
        elif isinstance(route, Route):
            yield from ((f"{method} {route.path}", route) for method in route.methods or () if method != "HEAD")
        else:
            raise AssertionError(f"a kind of route that no row can speak of: {route}")


async def test_every_route_has_a_row_and_every_row_a_route(world: World) -> None:
    assert sorted(name for name, _ in routes(world.app)) == sorted(row.route for row in TABLE)


async def test_every_scope_opens_some_route(world: World) -> None:
    assert {row.scope for row in GUARDED} == set(SCOPES)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.route)
async def test_route_names_its_scope(row: Row, world: World) -> None:
    route = dict(routes(world.app))[row.route]
    declared = list(_scopes(route.dependant)) if isinstance(route, APIRoute) else []
    assert declared == ([] if row.scope is None else [row.scope])


@pytest.mark.parametrize("by", ["nobody", "expired", "revoked"])
@pytest.mark.parametrize("row", [*GUARDED, *OF_PEOPLE], ids=lambda row: row.route)
async def test_without_a_good_credential_nobody_passes(row: Row, by: str, guarded: World) -> None:
    before = await guarded.stored()
    for body in (row.body, b"{"):
        answer = await guarded.send(by, row.request, body, row.headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == 'Bearer realm="creditbank"'
    assert await guarded.stored() == before


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.route)
async def test_every_other_scope_together_is_not_enough(row: Row, guarded: World) -> None:
    before = await guarded.stored()
    for body in (row.body, b"{"):
        answer = await guarded.send(f"all but {row.scope}", row.request, body, row.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
        assert str(row.scope) in answer.json()["detail"]
    assert await guarded.stored() == before


@pytest.mark.parametrize("row", FOREIGN, ids=lambda row: row.route)
async def test_what_is_another_provider_s_is_refused_whatever_the_scopes(row: Row, guarded: World) -> None:
    assert row.foreign is not None
    request, body, status, code = row.foreign
    before = await guarded.stored()
    answer = await guarded.send("college", request, body, row.headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await guarded.stored() == before


@pytest.mark.parametrize("role", [name for name, role in ROLES.items() if "provider" in role.held_for])
async def test_no_role_at_a_college_opens_what_is_another_s(role: str, guarded: World) -> None:
    await guarded.person(f"{role}@town", NewGrant(role, Place(COLLEGE)))
    guarded._clients[role] = await guarded.sign_in(f"{role}@town")
    before = await guarded.stored()
    for row in FOREIGN:
        assert row.foreign is not None
        request, body, status, code = row.foreign
        answer = await guarded.send(role, request, body, row.headers)
        expected = (status, code) if row.scope in ROLES[role].scopes else (403, "missing_scope")
        assert (answer.status_code, answer.json()["code"]) == expected, row.route
    assert await guarded.stored() == before


class Asked(dict[Action, Rule]):
    """The policy's rules, and which of them were asked for."""

    def __init__(self) -> None:
        super().__init__(RULES)
        self.actions: set[Action] = set()

    def __getitem__(self, action: Action) -> Rule:
        self.actions.add(action)
        return super().__getitem__(action)


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.route)
async def test_the_scope_alone_is_enough(row: Row, guarded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(policy, "RULES", asked)
    by = "bank" if row.needs_what_it_gives else f"only {row.scope}"
    answer = await guarded.send(by, row.request, row.body, row.headers)
    assert answer.is_success, answer.text
    # Whose it is was asked of the policy, and nothing else decided it.
    assert " ".join(sorted(asked.actions)) == ASKS[row.route]


async def test_what_every_route_asks_is_said_and_every_action_is_asked_for() -> None:
    assert sorted(ASKS) == sorted(row.route for row in GUARDED)
    assert {action for asked in ASKS.values() for action in asked.split()} == set(RULES)


@pytest.mark.parametrize("row", OF_PEOPLE, ids=lambda row: row.route)
async def test_what_is_for_people_is_refused_to_programs_whatever_their_scopes(row: Row, guarded: World) -> None:
    answer = await guarded.send("bank", row.request, row.body, row.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


WHILE_STOPPED = {
    "POST /v1/what-if",
    "POST /v1/achievements/{id}/revocation",
    "POST /v1/activities/{id}/cancellation",
    "DELETE /v1/imports/{id}",
    "POST /v1/conversions/{id}/withdrawal",
    "DELETE /v1/clients/{id}/keys/{key}",
    "DELETE /v1/users/{id}/roles/{grant_id}",
    "DELETE /v1/webhooks/{id}",
}
"""What a suspended institution may do beside reading: take back, and ask what changes nothing."""

WRITING = [row for row in GUARDED if not row.route.startswith("GET ")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stopped(guarded: World) -> AsyncIterator[World]:
    """The bank with a school's programs and its people, who may do everything there, and the school suspended."""
    code = "cq/stopped"
    entered = await guarded.send("bank", "POST /v1/providers", institution(code))
    room = await guarded.send("bank", "POST /v1/providers", institution(f"{code}/room"))
    assert (entered.status_code, room.status_code) == (201, 201)
    guarded.ids[code] = entered.json()["id"]
    for name, place in (("its program", code), ("a program below it", f"{code}/room")):
        await guarded.let_in(name, place, SCOPES)
        assert (await guarded.send(name, "POST /v1/learners", {"name": name})).status_code == 201
    program = {"client_id": guarded.ids["client_its program"], "client_secret": guarded.keys["its program"]}
    told = await guarded.client("nobody").post("/oauth/token", data={"grant_type": "client_credentials", **program})
    guarded.keys["its token"] = told.json()["access_token"]
    held = [NewGrant(name, Place(code)) for name, role in ROLES.items() if "provider" in role.held_for]
    await guarded.person("officer@stopped", *held)
    guarded._clients["its officer"] = await guarded.sign_in("officer@stopped")
    assert (await guarded.send("its officer", "POST /v1/learners", {"name": "Wu"})).status_code == 201
    changed = await guarded.send("bank", f"PATCH /v1/providers/{guarded.ids[code]}", {"status": "suspended"}, ANY)
    assert changed.status_code == 200
    yield guarded


@pytest.mark.parametrize("row", WRITING, ids=lambda row: row.route)
async def test_whoever_acts_for_a_suspended_institution_writes_nothing(row: Row, stopped: World) -> None:
    route = dict(routes(stopped.app))[row.route]
    assert isinstance(route, APIRoute)
    before = await stopped.stored()
    for by in ("its program", "its token", "a program below it", "its officer"):
        for body in (row.body, b"{"):
            answer = await stopped.send(by, row.request, body, row.headers)
            code = answer.json()["code"] if answer.content and "problem" in answer.headers["content-type"] else None
            if row.route in WHILE_STOPPED:
                assert code != "provider_not_active", by
            elif by == "its officer" and code == "missing_scope":
                assert all(row.scope not in role.scopes for role in ROLES.values() if "provider" in role.held_for)
            else:
                assert (answer.status_code, code) == (403, "provider_not_active"), by
    assert await stopped.stored() == before


@pytest.mark.parametrize("row", [row for row in GUARDED if row.route.startswith("GET ")], ids=lambda row: row.route)
async def test_whoever_acts_for_a_suspended_institution_still_reads(row: Row, stopped: World) -> None:
    for by in ("its program", "its officer"):
        answer = await stopped.send(by, row.request, row.body, row.headers)
        assert answer.is_success or answer.json()["code"] != "provider_not_active", by


async def test_whoever_is_stopped_goes_on_with_their_own_sessions_and_where_they_act(stopped: World) -> None:
    assert (await stopped.send("its officer", "GET /v1/sessions")).status_code == 200
    moved = await stopped.send("its officer", "PUT /v1/sessions/current/place", {"provider": "cq/stopped/room"})
    assert moved.status_code == 200
    # Below what is suspended one is stopped too.
    refused = await stopped.send("its officer", "POST /v1/learners", {"name": "Wu"})
    assert (refused.status_code, refused.json()["code"]) == (403, "provider_not_active")
    back = await stopped.send("its officer", "PUT /v1/sessions/current/place", {"provider": "cq/stopped"})
    assert back.status_code == 200


async def test_suspension_holds_in_every_process_as_soon_as_a_revoked_key(stopped: World) -> None:
    at = f"PATCH /v1/providers/{stopped.ids['cq/stopped']}"
    asked = ("POST /v1/learners", {"name": "Wu"})
    people = ("its program", "its token", "a program below it", "its officer")
    assert (await stopped.send("bank", at, {"status": "active"}, ANY)).status_code == 200
    # Here at once, for whoever was refused a moment ago.
    assert [(await stopped.send(by, *asked)).status_code for by in people] == [201] * 4
    async with stopped.database.write() as connection:
        # As another process does it, of which this one is told nothing.
        await change(
            connection, await lock(connection, UUID(stopped.ids["cq/stopped"])), ProviderChange(status="closed")
        )
    stopped.clock.turn(seconds=29)
    assert [(await stopped.send(by, *asked)).status_code for by in people] == [201] * 4
    stopped.clock.turn(seconds=1)
    assert [(await stopped.send(by, *asked)).status_code for by in people] == [403] * 4


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.route)
async def test_what_is_public_is_so_for_nobody_and_for_bad_keys(row: Row, guarded: World) -> None:
    for by in ("nobody", "revoked"):
        assert (await guarded.send(by, row.request)).status_code == row.status


async def test_key_is_honoured_no_longer_than_the_cache_after_it_was_revoked(world: World) -> None:
    await world.let_in("leaving", None, SCOPES)
    assert (await world.send("leaving", "GET /v1/providers")).status_code == 200
    async with world.database.write() as connection:
        await revoke_key(connection, world.keys["leaving"].split("_")[2], world.clock())

    world.clock.turn(seconds=29)
    assert (await world.send("leaving", "GET /v1/providers")).status_code == 200
    world.clock.turn(seconds=1)
    assert (await world.send("leaving", "GET /v1/providers")).status_code == 401


async def test_key_lets_in_until_the_instant_at_which_it_expires(world: World) -> None:
    await world.let_in("brief", None, SCOPES, expires_at=world.clock() + timedelta(seconds=10))
    assert (await world.send("brief", "GET /v1/providers")).status_code == 200
    world.clock.turn(seconds=10)
    assert (await world.send("brief", "GET /v1/providers")).status_code == 401
