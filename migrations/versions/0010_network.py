"""The network: divisions and their groups, population, where learners lived, lists of who is accredited and who not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant
from creditbank.identifiers import new_id

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

APPEND_ONLY = ("residences",)


def upgrade() -> None:
    op.create_table(
        "regions",
        sa.Column("code", Code(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("length(code) in (2, 4, 6, 9, 12)", name=op.f("ck_regions_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_regions")),
    )
    op.create_table(
        "region_groups",
        sa.Column("code", Code(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_region_groups")),
    )
    op.create_table(
        "region_group_members",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region_group", Code(), nullable=False),
        sa.Column("region", Code(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.CheckConstraint(
            "valid_until is null or valid_until > valid_from", name=op.f("ck_region_group_members_interval")
        ),
        sa.ForeignKeyConstraint(
            ["region_group"], ["region_groups.code"], name=op.f("fk_region_group_members_region_group")
        ),
        sa.ForeignKeyConstraint(["region"], ["regions.code"], name=op.f("fk_region_group_members_region")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_region_group_members")),
    )
    op.create_index(op.f("ix_region_group_members_region_group"), "region_group_members", ["region_group"])
    op.create_table(
        "populations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", Code(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("age_from", sa.Integer(), nullable=False),
        sa.Column("age_until", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("people", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("age_from >= 0 and age_until > age_from", name=op.f("ck_populations_ages")),
        sa.CheckConstraint("people >= 0", name=op.f("ck_populations_people")),
        sa.ForeignKeyConstraint(["region"], ["regions.code"], name=op.f("fk_populations_region")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_populations")),
        sa.UniqueConstraint(
            "region",
            "year",
            "age_from",
            "age_until",
            "source",
            name=op.f("uq_populations_region_year_age_from_age_until_source"),
        ),
    )
    _give_learners_residences()
    # Who was served by a subtree of the network.
    op.create_index(op.f("ix_achievements_provider"), "achievements", ["provider"])
    if op.get_bind().dialect.name == "postgresql":
        # Divisions are found by the beginning of their code, so it is compared byte by byte, as providers' codes are.
        op.execute('alter table providers alter column region type text collate "C"')
    op.create_index(op.f("ix_providers_region"), "providers", ["region"])
    op.create_index("ix_providers_status", "providers", ["status", "code"])
    op.create_index("ix_providers_shape", "providers", ["code", "provider_type", "status"])
    # In words of SQL that both databases know, so that no table is copied and no trigger lost.
    op.execute(
        "alter table accreditations add column list text not null default 'white' "
        "constraint ck_accreditations_list check (list in ('white', 'black'))"
    )
    op.execute("alter table accreditations add column reason text")
    op.execute("alter table accreditations add column revision integer not null default 1")


def _give_learners_residences() -> None:
    """Move the one region of each learner into a history that begins with it."""
    op.create_table(
        "residences",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("region", Code(), nullable=False),
        sa.Column("since", sa.Date(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_residences_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_residences")),
    )
    op.create_index("ix_residences_region", "residences", ["region"])
    former = sa.table("learners", sa.column("id", sa.Uuid()), sa.column("region"), sa.column("created_at", Instant()))
    names = ("learner_id", "id", "region", "since", "recorded_at")
    history = sa.table("residences", *[sa.column(n) for n in names])
    history.c.learner_id.type = history.c.id.type = sa.Uuid()
    history.c.recorded_at.type = Instant()
    connection = op.get_bind()
    after = None
    while True:
        page = sa.select(former).where(former.c.region.is_not(None)).order_by(former.c.id).limit(5000)
        rows = connection.execute(page if after is None else page.where(former.c.id > after)).all()
        if not rows:
            break
        after = rows[-1].id
        connection.execute(
            sa.insert(history),
            [
                {"learner_id": r.id, "id": new_id(), "region": r.region, "since": None, "recorded_at": r.created_at}
                for r in rows
            ],
        )
    op.execute("alter table learners drop column region")
    for table in APPEND_ONLY:
        _guard(table)


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")


def _guard(table: str) -> None:
    """Refuse change and removal, as the first migration does for its tables."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function creditbank_refuse_change()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function creditbank_refuse_change()"
        )
        return
    for verb in ("update", "delete"):
        op.execute(
            f"create trigger {table}_no_{verb} before {verb} on {table} "
            f"begin select raise(abort, '{table} is append-only: {verb} refused'); end"
        )
