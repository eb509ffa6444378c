"""Everything that the bank holds about a learner, in one archive that they can take with them.

The tables are found and not listed: whatever table a learner owns is in the archive, unless it is named here with the
reason why not. A test walks the same tables, so that none is forgotten (decision 38).
"""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import ColumnElement, LargeBinary, RowMapping, Select, Table, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.achievements.queries import CONTENT, REASON, given_back, of_learners
from creditbank.achievements.tables import achievement_versions
from creditbank.claims.queries import EVIDENCE
from creditbank.consents.queries import PURPOSE
from creditbank.database.metadata import metadata
from creditbank.guardianships.tables import guardianships
from creditbank.learners.queries import PROFILE, find, merged_into, merged_keys_of
from creditbank.merges.tables import merge_dismissals, merges
from creditbank.people.queries import DEVICE, find_key
from creditbank.people.queries import PROFILE as USER_PROFILE
from creditbank.people.tables import user_roles, users
from creditbank.recognition.queries import RULING, TRACE
from creditbank.recognition.tables import decisions
from creditbank.rulesets.shelf import Shelf
from creditbank.sealing import LearnerKey, Vault
from creditbank.transcripts.formats import page, plain
from creditbank.transcripts.queries import Drawn, draw_present
from creditbank.web.sentences import Language

LEFT_OUT: Final[Mapping[str, str]] = {
    "learner_keys": "The key opens what is sealed; what it opens is in the archive, opened.",
    "merged_keys": "Keys to what is held of accounts merged into this one; what they open is in the archive, opened.",
    "learner_identities": "Keyed hashes of the identities, which the profile holds in the clear.",
    "activation_codes": "A keyed hash of the code with which the account can be entered, until it has been.",
    "achievement_keys": "Keyed hashes of external ids, which the achievements hold in the clear.",
    "award_numbers": "Which award a number is of; the awards hold their numbers.",
    "user_keys": "The key opens what is sealed of a user; what it opens is in the archive, opened.",
    "idempotency_records": "Copies of answers that programs were given, kept some days in case they ask again.",
}
"""Tables that speak of a learner and are not in the archive, and why. No other is left out."""

SEALED: Final[Mapping[str, Mapping[str, bytes]]] = {
    "learners": {"profile": PROFILE},
    "achievement_versions": {"content": CONTENT, "reason": REASON},
    "decisions": {"trace": TRACE},
    "rulings": {"content": RULING},
    "consents": {"purpose": PURPOSE},
    "users": {"profile": USER_PROFILE},
    "sessions": {"device": DEVICE},
}
"""By table the sealed columns, and the place that each was sealed for. Other bytes are hashes."""

WITHHELD: Final[Mapping[str, frozenset[str]]] = {
    "users": frozenset({"login_key", "password"}),
    "user_identities": frozenset({"key"}),
    "sessions": frozenset({"token_sha256"}),
}
"""Columns that are no data about anybody and by which somebody could sign in, or try to: hashes of secrets."""

TOLD: Final[Mapping[str, tuple[str, str]]] = {
    "learners": ("账户：编号、姓名、出生日期、证件、状态", "the account: number, name, birth date, identities, state"),
    "guardianships": (
        "监护关系：谁在何期间代未成年人办理",
        "who acts for you as your guardian, or for whom you do, and for how long",
    ),
    "residences": ("居住地区及起始日期", "the divisions lived in, and since when"),
    "achievements": ("学习成果由哪个机构提交", "which institution stated each achievement"),
    "achievement_versions": (
        "学习成果的每个版本及更改理由",
        "every version of each achievement, and why",
    ),
    "evaluations": ("每次认定计算", "every run of the rules"),
    "decisions": ("每项认定决定及其推导过程", "every decision, with its derivation"),
    "lots": ("学分批次及其现状", "lots of credits, and where the credits are"),
    "postings": ("学分账的每一笔记录", "every entry of the ledger"),
    "ledger_transactions": ("人或时间引起的账务事项", "what people or time did to the ledger"),
    "holds": ("为申请冻结的学分", "credits held for applications"),
    "hold_lines": ("各批次被冻结的数量", "how much of each lot is held"),
    "conversions": ("证书（学历）申请", "applications for awards"),
    "awards": ("已颁发的证书（学历）", "awards made"),
    "annulments": ("对已颁证书的撤销", "withdrawals of awards"),
    "stack_uses": ("再次计入的学分", "credits that count once more"),
    "exchanges": ("学分单位换算与转移", "exchanges and transfers of credits"),
    "exchange_lines": ("换算涉及的批次", "the lots of each exchange"),
    "enrolments": ("就读的项目", "programmes entered"),
    "enrolment_changes": ("就读情况的变化", "what happened to each enrolment"),
    "programme_audits": ("毕业审核的答复", "audits of programmes as they were answered"),
    "claims": ("先前学习认定申请", "claims of prior learning"),
    "evidence_files": ("佐证材料目录；文件在 evidence/ 中", "the list of evidence; the files are in evidence/"),
    "rulings": ("人工裁定及理由", "what people ruled, and why"),
    "reviews": ("待人工处理的事项", "what waited for a person"),
    "waivers": ("对欠分的免除及理由代码", "debts waived or proposed to be, and the code of why"),
    "attendances": ("参加过的活动", "activities attended"),
    "checkpoint_leaves": ("检查点记录的账链位置", "where checkpoints saw the chain"),
    "consents": ("您给予的同意", "consents that you gave"),
    "consent_withdrawals": ("您撤回的同意", "consents that you withdrew"),
    "looks": ("谁查阅过您的数据", "who read your data"),
    "user_roles": ("谁可以登录使用此账户", "who may sign in and act for the account"),
    "users": ("登录名和姓名", "your login and name as a user"),
    "user_identities": ("通过哪些身份提供方登录", "links to identity providers, and since when"),
    "sessions": ("登录会话及所用设备", "where you are or were signed in, and on which device"),
    "merges": ("账户合并及撤销合并", "mergers of two accounts of yours, and their undoing"),
    "merge_steps": ("合并涉及的学习成果", "what became of each achievement in a merger"),
    "merge_dismissals": (
        "被认定应与您的账户保持分开的账户",
        "accounts that were found to be somebody else's, or are to stay apart",
    ),
    "erasures": ("清除申请", "erasures asked for"),
    "audit_events": ("谁对此账户做过什么", "who did what to the account"),
}
"""What each file of records holds, in Chinese and English."""


def owner_column(table: Table) -> str | None:
    """The column that says whose row it is; None for a table that speaks of no learner as such."""
    if user_column(table) is not None and not table.info.get("learner_key") and table.name != user_roles.name:
        return None
    return table.info.get("learner_key") or ("learner_id" if "learner_id" in table.c else None)


def user_column(table: Table) -> str | None:
    """The column that says of which user a row is; None for a table that speaks of no user."""
    return "id" if table.name == users.name else "user_id" if "user_id" in table.c else None


def owned_by(table: Table, learner_id: UUID) -> ColumnElement[bool]:
    """Whether a row of a table that speaks of learners, or of who signs in as one, is this one's.

    A guardianship is the guardian's too, and a merger is of both accounts.
    """
    if owner_column(table) is None:
        return table.c[user_column(table) or "user_id"].in_(_signing_in(learner_id))
    if table is guardianships:
        return or_(guardianships.c.learner_id == learner_id, guardianships.c.guardian_id == learner_id)
    if table is merges:
        return or_(merges.c.learner_id == learner_id, merges.c.merged_id == learner_id)
    if table is merge_dismissals:
        return or_(merge_dismissals.c.learner_id == learner_id, merge_dismissals.c.other_id == learner_id)
    return table.c[owner_column(table) or "learner_id"] == learner_id


def _signing_in(learner_id: UUID) -> Select[UUID]:
    """The users who are the learner: what others do for an account is theirs, and told in the audit log."""
    return select(user_roles.c.user_id).where(
        user_roles.c.learner_id == learner_id, user_roles.c.role == "learner", user_roles.c.revoked_at.is_(None)
    )


def personal_tables() -> list[Table]:
    """The tables that speak of a learner, or of a user who may be one."""
    return [t for t in metadata.sorted_tables if owner_column(t) is not None or user_column(t) is not None]


def exported_tables() -> list[Table]:
    """The tables whose rows are in the archive."""
    return [table for table in personal_tables() if table.name not in LEFT_OUT]


@dataclass(frozen=True, slots=True)
class Held:
    """What the bank holds about one learner at one moment; evidence by the id and media type of each file."""

    learner_id: UUID
    key: LearnerKey
    records: Mapping[str, Sequence[Mapping[str, Any]]]
    transcript: Drawn
    evidence: Sequence[tuple[UUID, str, str]]
    # What is held under the accounts that were merged into this one: the same person's.
    merged: Sequence[Held] = ()


async def gather(
    connection: AsyncConnection, vault: Vault, shelf: Shelf, learner_id: UUID, today: date, zone: ZoneInfo
) -> Held:
    """Read all of it. The connection must be a snapshot. Raises LearnerNotFound, LearnerErased."""
    _, key = await find(connection, vault, learner_id)
    users_keys = {
        user_id: await find_key(connection, vault, user_id)
        for user_id in (await connection.execute(_signing_in(learner_id).distinct())).scalars()
    }
    keys = _Keys(key, await merged_keys_of(connection, {learner_id: key}))
    stands_for = {str(id_) for id_ in await merged_into(connection, learner_id)}
    held = (await of_learners(connection, {learner_id: key}))[learner_id]
    others = await given_back(connection, learner_id, held)
    records = {}
    for table in exported_tables():
        owned = select(table).where(owned_by(table, learner_id)).order_by(*table.primary_key.columns)
        rows = (await connection.execute(owned)).mappings().all()
        of_user = None if owner_column(table) is not None else user_column(table)
        records[table.name] = [
            _shown(table, dict(row), [users_keys[row[of_user]]] if of_user is not None else keys.of(table, row))
            for row in rows
            if not _is_another_s(table, row, others, stands_for)
        ]
    drawn = await draw_present(connection, vault, shelf, learner_id, today, zone)
    evidence = [(row["id"], row["media_type"], row["stored_as"]) for row in records["evidence_files"]]
    merged = [
        await gather(connection, vault, shelf, one, today, zone) for one in await merged_into(connection, learner_id)
    ]
    return Held(learner_id, key, records, drawn, evidence, merged)


_ACHIEVEMENT_OF: Final[Mapping[str, str]] = {
    "achievements": "id",
    "achievement_versions": "achievement_id",
    "attendances": "achievement_id",
}
"""By table the column that says of which achievement a row tells."""


def _is_another_s(table: Table, row: RowMapping, others: Set[UUID], stands_for: Set[str]) -> bool:
    """Whether a row tells of what a merge brought and its undoing gave back to whose it is."""
    if table is decisions:
        return row["merged_ids"] is not None and not stands_for >= set(row["merged_ids"].split(","))
    return table.name in _ACHIEVEMENT_OF and row[_ACHIEVEMENT_OF[table.name]] in others


@dataclass(frozen=True, slots=True)
class _Keys:
    """An account's key, and those to what it holds of accounts merged into it."""

    own: LearnerKey
    merged: Mapping[tuple[UUID, UUID], LearnerKey]

    def of(self, table: Table, row: RowMapping) -> list[LearnerKey]:
        """The keys that open a row, the one that was sealed with last first."""
        if table is achievement_versions and row["merged_id"] is not None:
            return [self.merged[row["learner_id"], row["merged_id"]]]
        if table is decisions and row["merged_ids"] is not None:
            accounts = map(UUID, reversed(row["merged_ids"].split(",")))
            return [self.merged[row["learner_id"], account] for account in accounts]
        return [self.own]


def _shown(table: Table, row: dict[str, Any], keys: Sequence[LearnerKey]) -> dict[str, Any]:
    sealed = SEALED.get(table.name, {})
    # The names of columns are more than plain texts, which JSON does not take.
    return {
        str(name): _opened(keys, bytes(value), sealed[name]) if name in sealed and value is not None else _plain(value)
        for name, value in row.items()
        if name not in WITHHELD.get(table.name, ())
    }


def _opened(keys: Sequence[LearnerKey], value: bytes, place: bytes) -> Any:
    text = value
    for key in keys:
        text = key.open(text, place)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        # A reason is a text and no document.
        return text.decode()


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    # A driver's own kind of UUID is not written as one.
    return str(value) if isinstance(value, UUID) else value


def binary_columns(table: Table) -> set[str]:
    """The columns of a table that hold bytes: each is sealed, or a hash."""
    return {column.name for column in table.columns if isinstance(column.type, LargeBinary)}


class _Passing(io.RawIOBase):
    """A file that cannot be sought in: what is written is taken out again as it comes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, part: Any) -> int:
        """Keep a part until it is taken."""
        self._parts.append(bytes(part))
        return len(part)

    def take(self) -> bytes:
        """What was written since the last taking."""
        taken, self._parts = b"".join(self._parts), []
        return taken


_SUFFIX: Final = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
_LANGUAGES: Final[tuple[Language, ...]] = ("zh-Hans", "en")


def pack(held: Held, read: Callable[[str], bytes], made_at: datetime) -> Iterator[bytes]:
    """The archive, piece by piece; ``read`` gives the sealed bytes of a file of evidence, one at a time."""
    passing = _Passing()
    with zipfile.ZipFile(passing, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _members(held, read, made_at):
            archive.writestr(name, content)
            yield passing.take()
    yield passing.take()


def _members(held: Held, read: Callable[[str], bytes], made_at: datetime) -> Iterator[tuple[str, bytes]]:
    yield "README.txt", _read_me(held, made_at).encode()
    for name, rows in held.records.items():
        yield f"records/{name}.json", orjson.dumps(rows, option=orjson.OPT_INDENT_2)
    for language in _LANGUAGES:
        shown = plain.render(held.transcript, language)
        yield f"transcript.{language}.json", orjson.dumps(shown, option=orjson.OPT_INDENT_2)
        yield f"transcript.{language}.html", page.render(held.transcript, language).encode()
    for id_, media_type, stored_as in held.evidence:
        yield f"evidence/{id_}.{_SUFFIX[media_type]}", held.key.open(read(stored_as), EVIDENCE)
    for one in held.merged:
        for name, content in _members(one, read, made_at):
            yield f"merged/{one.learner_id}/{name}", content


def _read_me(held: Held, made_at: datetime) -> str:
    when = made_at.isoformat(timespec="seconds")
    lines = [
        "学分银行持有的关于您的全部数据",
        f"账户 {held.learner_id}，制作时间 {when}",
        "transcript.*：学习成果清单（网页与 JSON）；evidence/：您提交的佐证材料；records/：以下记录，JSON 格式。",
        "金额以千分之一学分计（_milli）；时间为协调世界时。",
        *(f"  records/{name}.json  {TOLD[name][0]}（{len(rows)}）" for name, rows in held.records.items()),
        "",
        "Everything that the credit bank holds about you",
        f"Account {held.learner_id}, made at {when}",
        "transcript.*: your transcript (page, JSON); evidence/: files you handed in; records/: as follows, in JSON.",
        "Amounts are in thousandths of a credit (_milli); instants are in UTC.",
        *(f"  records/{name}.json  {TOLD[name][1]} ({len(rows)})" for name, rows in held.records.items()),
        "",
        "不在其中的内容及理由 / What is not in it, and why",
        *(f"  {name}: {reason}" for name, reason in LEFT_OUT.items()),
    ]
    return "\n".join(lines) + "\n"
