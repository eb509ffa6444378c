"""Who made each key of a program, and who gave it each of its public keys."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Json

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


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("made_by", sa.Text(), nullable=True))
    op.add_column("api_clients", sa.Column("public_key_makers", Json(), nullable=True))
    _name_makers()


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
