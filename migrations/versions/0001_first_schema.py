"""The first schema: facts, decisions, lots, postings, and what keeps them from being changed.

Tables that are only added to are guarded by triggers, on both databases; the lint over the metadata and a test over the
catalogue hold that none is missing. Citus refuses triggers on distributed tables: there the service logs in as a role
that may not update or delete (architecture, "Data").
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from creditbank.database.metadata import Code, Instant, Json

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


APPEND_ONLY = ("achievement_versions", "audit_events", "decisions", "evaluations", "postings")


def upgrade() -> None:
    op.create_table(
        "achievement_keys",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("achievement_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_achievement_keys")),
    )
    op.create_index(op.f("ix_achievement_keys_achievement_id"), "achievement_keys", ["achievement_id"])
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", Json(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.CheckConstraint("action <> ''", name=op.f("ck_audit_events_action")),
        sa.PrimaryKeyConstraint("id", "at", name=op.f("pk_audit_events")),
        postgresql_partition_by="RANGE (at)",
    )
    op.create_index("ix_audit_events_subject", "audit_events", ["subject"], unique=False)
    op.create_table(
        "idempotency_records",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", Json(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency_records")),
    )
    op.create_index(op.f("ix_idempotency_records_created_at"), "idempotency_records", ["created_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload", Json(), nullable=False),
        sa.Column("progress", Json(), nullable=False),
        sa.Column("dedup_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_at", Instant(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", Instant(), nullable=True),
        sa.Column("lease_token", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("state in ('waiting', 'running', 'done', 'failed')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_jobs_dedup_key")),
    )
    op.create_index("ix_jobs_due", "jobs", ["state", "run_at"], unique=False)
    op.create_table(
        "learner_identities",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_learner_identities")),
    )
    op.create_index(op.f("ix_learner_identities_learner_id"), "learner_identities", ["learner_id"], unique=False)
    op.create_table(
        "providers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", Code(), nullable=False),
        sa.Column("name_zh", sa.Text(), nullable=False),
        sa.Column("name_en", sa.Text(), nullable=False),
        sa.Column("provider_type", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint("status in ('active', 'suspended', 'closed')", name=op.f("ck_providers_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_providers")),
        sa.UniqueConstraint("code", name=op.f("uq_providers_code")),
    )
    op.create_table(
        "rules_epoch",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_rules_epoch_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rules_epoch")),
    )
    op.create_table(
        "accreditations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("register", sa.Text(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("offering", sa.Text(), nullable=True),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint("valid_until is null or valid_until > valid_from", name=op.f("ck_accreditations_interval")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_accreditations_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accreditations")),
    )
    op.create_index(op.f("ix_accreditations_provider"), "accreditations", ["provider"], unique=False)
    op.create_index("ix_accreditations_register", "accreditations", ["register"], unique=False)
    op.create_table(
        "api_clients",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("assurance", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_api_clients_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_clients")),
    )
    op.create_table(
        "learners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("profile", sa.LargeBinary(), nullable=False),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("provider", Code(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("evaluated_as_of", sa.Date(), nullable=True),
        sa.Column("evaluated_epoch", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_learners_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_learners")),
    )
    op.create_table(
        "rule_sets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("owner", Code(), nullable=True),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint("audience in ('everyone', 'enrolled')", name=op.f("ck_rule_sets_audience")),
        sa.ForeignKeyConstraint(["owner"], ["providers.code"], name=op.f("fk_rule_sets_owner")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_sets")),
        sa.UniqueConstraint("code", name=op.f("uq_rule_sets_code")),
    )
    op.create_table(
        "achievements",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_achievements_learner_id")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_achievements_provider")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_achievements")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=True),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["client_id"], ["api_clients.id"], name=op.f("fk_api_keys_client_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_client_id"), "api_keys", ["client_id"], unique=False)
    op.create_table(
        "evaluations",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("input_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_evaluations_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_evaluations")),
    )
    op.create_table(
        "learner_keys",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_learner_keys_learner_id")),
        sa.PrimaryKeyConstraint("learner_id", name=op.f("pk_learner_keys")),
    )
    op.create_table(
        "rule_set_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("approved_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "state in ('draft', 'validated', 'simulated', 'approved', 'published', 'withdrawn')",
            name=op.f("ck_rule_set_versions_state"),
        ),
        sa.CheckConstraint("(approved_by is null) = (approved_at is null)", name=op.f("ck_rule_set_versions_approval")),
        sa.CheckConstraint(
            "state not in ('approved', 'published', 'withdrawn') or approved_by is not null",
            name=op.f("ck_rule_set_versions_approved"),
        ),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_rule_set_versions_rule_set_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set_versions")),
        sa.UniqueConstraint("rule_set_id", "number", name=op.f("uq_rule_set_versions_rule_set_id_number")),
    )
    op.create_table(
        "rule_set_edits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("editor", sa.Text(), nullable=False),
        sa.Column("edited_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["version_id"], ["rule_set_versions.id"], name=op.f("fk_rule_set_edits_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set_edits")),
    )
    op.create_index(op.f("ix_rule_set_edits_version_id"), "rule_set_edits", ["version_id"], unique=False)
    op.create_table(
        "rule_set_simulations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("sample", sa.Integer(), nullable=True),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("report", Json(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.CheckConstraint("(report is null) = (ended_at is null)", name=op.f("ck_rule_set_simulations_ended")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["rule_set_versions.id"], name=op.f("fk_rule_set_simulations_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set_simulations")),
    )
    op.create_index(op.f("ix_rule_set_simulations_version_id"), "rule_set_simulations", ["version_id"], unique=False)
    op.create_table(
        "achievement_versions",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("achievement_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("completed", sa.Date(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("effective", sa.Date(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.CheckConstraint(
            "status in ('valid', 'revoked', 'quarantined')", name=op.f("ck_achievement_versions_status")
        ),
        sa.CheckConstraint("number >= 1", name=op.f("ck_achievement_versions_number")),
        sa.ForeignKeyConstraint(
            ["learner_id", "achievement_id"],
            ["achievements.learner_id", "achievements.id"],
            name=op.f("fk_achievement_versions_learner_id_achievement_id"),
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_achievement_versions")),
        sa.UniqueConstraint(
            "learner_id",
            "achievement_id",
            "number",
            name=op.f("uq_achievement_versions_learner_id_achievement_id_number"),
        ),
    )
    op.create_table(
        "decisions",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=True),
        sa.Column("rule_set_version_id", sa.Uuid(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("effect", sa.Text(), nullable=False),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        sa.Column("trace", sa.LargeBinary(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["learner_id", "evaluation_id"],
            ["evaluations.learner_id", "evaluations.id"],
            name=op.f("fk_decisions_learner_id_evaluation_id"),
        ),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_decisions_rule_set_id")),
        sa.ForeignKeyConstraint(
            ["rule_set_version_id"], ["rule_set_versions.id"], name=op.f("fk_decisions_rule_set_version_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_rule_set_version", "decisions", ["rule_set_version_id"], unique=False)
    op.create_table(
        "rule_set_publications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("known_from", Instant(), nullable=False),
        sa.Column("known_until", Instant(), nullable=True),
        sa.CheckConstraint(
            "known_until is null or known_until > known_from", name=op.f("ck_rule_set_publications_known")
        ),
        sa.CheckConstraint(
            "valid_until is null or valid_until > valid_from", name=op.f("ck_rule_set_publications_valid")
        ),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_rule_set_publications_rule_set_id")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["rule_set_versions.id"], name=op.f("fk_rule_set_publications_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set_publications")),
    )
    op.create_index(
        op.f("ix_rule_set_publications_rule_set_id"), "rule_set_publications", ["rule_set_id"], unique=False
    )
    op.create_table(
        "lots",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("rule_set_id", sa.Uuid(), nullable=False),
        sa.Column("binding", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("provider", Code(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("credit_unit", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("level", sa.SmallInteger(), nullable=True),
        sa.Column("grade_scale", sa.Text(), nullable=True),
        sa.Column("grade", sa.Text(), nullable=True),
        sa.Column("effective", sa.Date(), nullable=False),
        sa.Column("expires", sa.Date(), nullable=True),
        sa.Column("pending_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("available_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("redeemed_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("expired_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("excess_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owed_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("issued_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("write_off_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("exchange_milli", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("available_milli >= 0", name=op.f("ck_lots_available")),
        sa.CheckConstraint("excess_milli >= 0", name=op.f("ck_lots_excess")),
        sa.CheckConstraint("expired_milli >= 0", name=op.f("ck_lots_expired")),
        sa.CheckConstraint("owed_milli <= 0", name=op.f("ck_lots_owed")),
        sa.CheckConstraint(
            "pending_milli + available_milli + reserved_milli + redeemed_milli + expired_milli + excess_milli"
            " + owed_milli + issued_milli + write_off_milli + exchange_milli = 0",
            name=op.f("ck_lots_balanced"),
        ),
        sa.CheckConstraint("pending_milli >= 0", name=op.f("ck_lots_pending")),
        sa.CheckConstraint("redeemed_milli >= 0", name=op.f("ck_lots_redeemed")),
        sa.CheckConstraint("reserved_milli >= 0", name=op.f("ck_lots_reserved")),
        sa.ForeignKeyConstraint(
            ["learner_id", "decision_id"],
            ["decisions.learner_id", "decisions.id"],
            name=op.f("fk_lots_learner_id_decision_id"),
        ),
        sa.ForeignKeyConstraint(["learner_id"], ["learners.id"], name=op.f("fk_lots_learner_id")),
        sa.ForeignKeyConstraint(["provider"], ["providers.code"], name=op.f("fk_lots_provider")),
        sa.ForeignKeyConstraint(["rule_set_id"], ["rule_sets.id"], name=op.f("fk_lots_rule_set_id")),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_lots")),
        sa.UniqueConstraint(
            "learner_id",
            "rule_set_id",
            "binding",
            "unit",
            "number",
            name=op.f("uq_lots_learner_id_rule_set_id_binding_unit_number"),
        ),
    )
    op.create_table(
        "postings",
        sa.Column("learner_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("amount_milli", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("effective", sa.Date(), nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("amount_milli > 0", name=op.f("ck_postings_amount")),
        sa.CheckConstraint("source <> target", name=op.f("ck_postings_accounts")),
        sa.ForeignKeyConstraint(
            ["learner_id", "decision_id"],
            ["decisions.learner_id", "decisions.id"],
            name=op.f("fk_postings_learner_id_decision_id"),
        ),
        sa.ForeignKeyConstraint(
            ["learner_id", "lot_id"], ["lots.learner_id", "lots.id"], name=op.f("fk_postings_learner_id_lot_id")
        ),
        sa.PrimaryKeyConstraint("learner_id", "id", name=op.f("pk_postings")),
        sa.UniqueConstraint("learner_id", "seq", name=op.f("uq_postings_learner_id_seq")),
    )

    op.execute("insert into rules_epoch (id, epoch) values (1, 1)")
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    raise NotImplementedError("a bank does not forget: restore a backup instead")


def _guard_postgresql() -> None:
    # btree_gist is a trusted extension: the owner of the database may create it without being a superuser.
    op.execute("create extension if not exists btree_gist")
    op.execute("create table audit_events_other partition of audit_events default")
    op.execute(
        """
        create function creditbank_refuse_change() returns trigger language plpgsql as $$
        begin
            raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'restrict_violation';
        end $$
        """
    )
    for table in APPEND_ONLY:
        op.execute(
            f"create trigger {table}_append_only before update or delete on {table} "
            "for each row execute function creditbank_refuse_change()"
        )
        op.execute(
            f"create trigger {table}_no_truncate before truncate on {table} "
            "for each statement execute function creditbank_refuse_change()"
        )
    op.execute(
        """
        create function creditbank_guard_rule_set_version() returns trigger language plpgsql as $$
        begin
            if old.state = 'published' and tg_op = 'UPDATE' then
                if new.state = 'withdrawn' and (
                    new.id, new.rule_set_id, new.number, new.document, new.sha256, new.approved_by, new.approved_at,
                    new.created_at
                ) = (
                    old.id, old.rule_set_id, old.number, old.document, old.sha256, old.approved_by, old.approved_at,
                    old.created_at
                ) then
                    return new;
                end if;
            elsif old.state not in ('published', 'withdrawn') then
                if tg_op = 'DELETE' then
                    return old;
                elsif new.state <> 'withdrawn' and (new.state <> 'published' or old.state = 'approved')
                      and (new.sha256 = old.sha256 and new.document = old.document or new.state = 'draft') then
                    return new;
                end if;
            end if;
            raise exception 'rule_set_versions is append-only: % of a % version refused', tg_op, old.state
                using errcode = 'restrict_violation';
        end $$
        """
    )
    op.execute(
        "create trigger rule_set_versions_guarded before update or delete on rule_set_versions "
        "for each row execute function creditbank_guard_rule_set_version()"
    )
    op.execute(
        """
        create function creditbank_only_close_known() returns trigger language plpgsql as $$
        begin
            if old.known_until is null and new.known_until is not null
               and (new.id, new.rule_set_id, new.version_id, new.valid_from, new.known_from)
                   = (old.id, old.rule_set_id, old.version_id, old.valid_from, old.known_from)
               and new.valid_until is not distinct from old.valid_until then
                return new;
            end if;
            raise exception 'a publication only ever has its known time closed' using errcode = 'restrict_violation';
        end $$
        """
    )
    op.execute(
        "create trigger rule_set_publications_close_only before update on rule_set_publications "
        "for each row execute function creditbank_only_close_known()"
    )
    op.execute(
        "create trigger rule_set_publications_no_delete before delete on rule_set_publications "
        "for each row execute function creditbank_refuse_change()"
    )
    op.execute(
        """
        alter table rule_set_publications add constraint ex_rule_set_publications_overlap exclude using gist (
            rule_set_id with =,
            daterange(valid_from, valid_until) with &&,
            tstzrange(known_from, known_until) with &&
        )
        """
    )


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for verb in ("update", "delete"):
            op.execute(
                f"create trigger {table}_no_{verb} before {verb} on {table} "
                f"begin select raise(abort, '{table} is append-only: {verb} refused'); end"
            )
    op.execute(
        "create trigger rule_set_versions_no_delete before delete on rule_set_versions "
        "when old.state in ('published', 'withdrawn') "
        "begin select raise(abort, 'rule_set_versions is append-only: delete of a published version refused'); end"
    )
    op.execute(
        """
        create trigger rule_set_versions_guarded before update on rule_set_versions
        when case
            when old.state = 'withdrawn' then true
            when old.state = 'published' then not (
                new.state = 'withdrawn' and new.id = old.id and new.rule_set_id = old.rule_set_id
                and new.number = old.number and new.document = old.document and new.sha256 = old.sha256
                and new.approved_by = old.approved_by and new.approved_at = old.approved_at
                and new.created_at = old.created_at
            )
            else new.state = 'withdrawn' or (new.state = 'published' and old.state <> 'approved')
                or (new.state <> 'draft' and (new.sha256 <> old.sha256 or new.document <> old.document))
        end
        begin select raise(abort, 'rule_set_versions is append-only: this update refused'); end
        """
    )
    op.execute(
        """
        create trigger rule_set_publications_close_only before update on rule_set_publications
        when not (
            old.known_until is null and new.known_until is not null and new.id = old.id
            and new.rule_set_id = old.rule_set_id and new.version_id = old.version_id
            and new.valid_from = old.valid_from and new.valid_until is old.valid_until
            and new.known_from = old.known_from
        )
        begin select raise(abort, 'a publication only ever has its known time closed'); end
        """
    )
    op.execute(
        "create trigger rule_set_publications_no_delete before delete on rule_set_publications "
        "begin select raise(abort, 'rule_set_publications is append-only: delete refused'); end"
    )
    op.execute(
        """
        create trigger rule_set_publications_overlap before insert on rule_set_publications
        when exists (
            select 1 from rule_set_publications p
            where p.rule_set_id = new.rule_set_id
            and (p.valid_until is null or new.valid_from < p.valid_until)
            and (new.valid_until is null or p.valid_from < new.valid_until)
            and (p.known_until is null or new.known_from < p.known_until)
            and (new.known_until is null or p.known_from < new.known_until)
        )
        begin select raise(abort, 'ex_rule_set_publications_overlap'); end
        """
    )
