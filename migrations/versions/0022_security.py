"""Who made each key of a program and gave it each public key; a role that somebody gives is held once.

The audit log is found by who did something, for whom, and to whose.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Instant, Json

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_clients = sa.table(
    "api_clients",
    sa.column("id", sa.Uuid()),
    sa.column("made_by", sa.Text()),
    sa.column("public_keys", Json()),
    sa.column("public_key_makers", Json()),
)
_keys = sa.table(
    "api_keys", sa.column("id", sa.Text()), sa.column("client_id", sa.Uuid()), sa.column("made_by", sa.Text())
)
_events = sa.table(
    "audit_events",
    sa.column("action", sa.Text()),
    sa.column("subject", sa.Text()),
    sa.column("actor_kind", sa.Text()),
    sa.column("actor", sa.Text()),
)
_roles = sa.table(
    "user_roles",
    *[sa.column(name, sa.Uuid()) for name in ("id", "user_id", "learner_id")],
    *[sa.column(name, sa.Text()) for name in ("role", "provider", "granted_by", "revoked_by")],
    *[sa.column(name, Instant()) for name in ("until", "revoked_at")],
)


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("made_by", sa.Text(), nullable=True))
    op.add_column("api_clients", sa.Column("public_key_makers", Json(), nullable=True))
    _name_makers()
    for column in ("actor", "provider", "owner"):
        said = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_audit_events_{column}_at",
            "audit_events",
            [column, "at", "id"],
            postgresql_where=said,
            sqlite_where=said,
        )
    _close_second_grants()
    where = (
        "revoked_at IS NULL AND substr(granted_by, 1, 7) != 'issuer:' AND substr(granted_by, 1, 13) != 'guardianship:'"
    )
    for name, place, further in (
        ("bank", "provider IS NULL AND learner_id IS NULL", []),
        ("provider", "provider IS NOT NULL", ["provider"]),
        ("learner", "learner_id IS NOT NULL", ["learner_id"]),
    ):
        some = sa.text(f"{where} AND {place}")
        op.create_index(
            f"uq_user_roles_{name}",
            "user_roles",
            ["user_id", "role", *further],
            unique=True,
            postgresql_where=some,
            sqlite_where=some,
        )


def _close_second_grants() -> None:
    """Of the same role given more than once the one that lasts longest stays; nobody is given or loses anything."""
    bank, now = op.get_bind(), datetime.now(UTC)
    live = sa.select(_roles).where(_roles.c.revoked_at.is_(None)).order_by(_roles.c.id)
    same: defaultdict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in bank.execute(live):
        if not row.granted_by.startswith(("issuer:", "guardianship:")):
            same[row.user_id, row.role, row.provider, row.learner_id].append(row)
    for rows in same.values():
        kept = max(rows, key=lambda row: (row.until is None, row.until or now))
        for row in rows:
            if row.id != kept.id:
                closed = {"revoked_by": "migration:0022", "revoked_at": now}
                bank.execute(sa.update(_roles).where(_roles.c.id == row.id).values(closed))


def _name_makers() -> None:
    """Each key as the audit log says who made it; a program as its own maker, and whatever is unknown as the client."""
    bank = op.get_bind()
    clients = {row.id: row for row in bank.execute(sa.select(_clients))}
    makers = {str(id_): row.made_by or f"client:{id_}" for id_, row in clients.items()}
    made = sa.select(_events).where(_events.c.action == "key.create", _events.c.actor.is_not(None))
    by: dict[str, Any] = {}
    for event in bank.execute(made):
        if event.actor_kind == "person":
            by[event.subject] = f"user:{event.actor}"
        elif event.actor_kind == "client":
            by[event.subject] = makers.get(event.actor)
    for key in bank.execute(sa.select(_keys)).all():
        maker = by.get(f"key:{key.id}") or clients[key.client_id].made_by
        bank.execute(sa.update(_keys).where(_keys.c.id == key.id).values(made_by=maker))
    for id_, row in clients.items():
        if row.public_keys:
            named = {one["kid"]: row.made_by for one in row.public_keys["keys"]}
            bank.execute(sa.update(_clients).where(_clients.c.id == id_).values(public_key_makers=named))


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")
