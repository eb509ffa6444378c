"""The audit log says what kind of actor did it, for which provider, and whose that was."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_KINDS = "'client', 'person', 'system', 'command_line'"
# What was done to an account itself, and is its provider's to know too.
_OF_ACCOUNTS = "'learner.open', 'learner.resolve', 'learner.mend', 'learner.move', 'learner.state'"


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    # In words of SQL that both databases know, so that no table is copied and no trigger lost.
    op.execute(
        "alter table audit_events add column actor_kind text not null default 'system' "
        f"constraint ck_audit_events_actor_kind check (actor_kind in ({_KINDS}))"
    )
    code, uuid = ('varchar collate "C"', "uuid") if is_postgresql else ("text", "char(32)")
    for column, type_ in (("actor", "text"), ("provider", code), ("owner", code), ("learner_id", uuid)):
        op.execute(f"alter table audit_events add column {column} {type_}")
    # The one time that rows of the log are touched: what they said already is said in the new columns.
    if is_postgresql:
        op.execute("alter table audit_events disable trigger audit_events_append_only")
        _fill("client_id::text", "details ->> '{}'", "substr(subject, 9)::uuid")
        op.execute("alter table audit_events enable trigger audit_events_append_only")
    else:
        guard = text("select sql from sqlite_master where type = 'trigger' and name = 'audit_events_no_update'")
        again = op.get_bind().execute(guard).scalar_one()
        op.execute("drop trigger audit_events_no_update")
        parts = [f"substr(client_id, {start}, {size})" for start, size in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
        _fill(" || '-' || ".join(parts), "json_extract(details, '$.{}')", "replace(substr(subject, 9), '-', '')")
        op.execute(again)
    op.execute("alter table audit_events drop column client_id")
    op.create_index("ix_audit_events_learner_id", "audit_events", ["learner_id"])


def _fill(id_: str, detail: str, learner: str) -> None:
    operator = f"coalesce({detail.format('by')}, {detail.format('operator')}, '')"
    op.execute(
        f"""
        update audit_events set
            actor_kind = case
                when client_id is null and ({operator} like 'operator:%' or action = 'erasure.replay')
                    then 'command_line'
                when client_id is null then 'system'
                when client_id in (select id from api_clients) then 'client'
                else 'person' end,
            actor = case
                when client_id is not null then {id_}
                when {operator} like '%:%' then {operator} end,
            provider = (select provider from api_clients where api_clients.id = audit_events.client_id)
        """
    )
    op.execute(f"update audit_events set learner_id = {learner} where subject like 'learner:%'")
    op.execute(
        f"""
        update audit_events set owner = (select provider from learners where learners.id = audit_events.learner_id)
        where learner_id is not null and action in ({_OF_ACCOUNTS})
        """
    )


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
