"""Tables of activities, of who was there, and of people counted without an account."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: something that an institution holds once.
activities = Table(
    "activities",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False),
    Column("series", Text, doc="such as the learning week; none: it stands alone"),
    Column("kind", Text, nullable=False, doc="of the achievements that come of it"),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("place", Text),
    Column("category", Code),
    Column("starts", Instant, nullable=False),
    Column("ends", Instant, nullable=False, index=True),
    Column("hours_milli", BigInteger),
    Column("capacity", Integer, doc="as announced; nobody who was there is refused by it"),
    Column("status", Text, nullable=False),
    Column("reason", Text, doc="why it was cancelled; about the activity, never a person"),
    Column("created_at", Instant, nullable=False),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    CheckConstraint("status in ('held', 'cancelled')", name="status"),
    CheckConstraint("ends > starts", name="times"),
    Index("ix_activities_provider", "provider", "id"),
    Index("ix_activities_series", "series", "id"),
    info={"dist": "reference"},
)

# One row: somebody was at an activity, found by the first of the ways that said so. That it is one row is what counts
# each person once.
attendances = Table(
    "attendances",
    metadata,
    Column("learner_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("activity_id", Uuid, ForeignKey("activities.id"), nullable=False),
    Column("achievement_id", Uuid, nullable=False),
    Column("way", Text, nullable=False),
    Column("at", Instant, nullable=False, doc="when they were there, as the way tells it"),
    Column("recorded_at", Instant, nullable=False),
    ForeignKeyConstraint(["learner_id", "achievement_id"], ["achievements.learner_id", "achievements.id"]),
    UniqueConstraint("learner_id", "activity_id"),
    CheckConstraint("way in ('roster', 'code', 'sheet')", name="way"),
    Index("ix_attendances_activity", "activity_id", "id"),
    # One that was given back stands at two accounts: the later row counts.
    Index("ix_attendances_achievement_id", "achievement_id"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)

# One row: people who have no account were counted, at an activity or at an institution in a period.
head_counts = Table(
    "head_counts",
    metadata,
    Column("id", Uuid, primary_key=True, doc="made of what is counted"),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False),
    Column("activity_id", Uuid, ForeignKey("activities.id")),
    Column("starts_on", Date, nullable=False),
    Column("until", Date, nullable=False, doc="the first day outside"),
    Column("region", Code, ForeignKey("regions.code"), nullable=False),
    Column("age_from", Integer, nullable=False),
    Column("age_until", Integer, nullable=False, doc="the first age outside; 200 where the band has no end"),
    Column("source", Text, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("until > starts_on", name="days"),
    CheckConstraint("age_from >= 0 and age_until > age_from", name="ages"),
    CheckConstraint("people >= 0", name="people"),
    Index("ix_head_counts_provider", "provider", "id"),
    Index("ix_head_counts_region", "region", "starts_on"),
    info={"dist": "reference"},
)
