"""Tables of learners, their keys and the look-up of identities."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: an account. What names the person is in the sealed profile; the row is also the lock and the head of the
# learner's hash chain.
learners = Table(
    "learners",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("profile", LargeBinary, nullable=False, doc="sealed: number, name, birth date, identities"),
    # Who opened the account: it may read and mend it.
    Column("provider", Code, ForeignKey("providers.code")),
    Column("revision", Integer, nullable=False, doc="rises with each change of the profile; the ETag"),
    Column("seq", BigInteger, nullable=False, doc="of the last posting"),
    Column("head", LargeBinary, nullable=False, doc="hash of the last posting; 32 zero bytes before the first"),
    Column("recorded_at", Instant, nullable=False, doc="of the last record of this learner; strictly rising"),
    Column("evaluated_as_of", Date, doc="the day of learning for which the ledger stands as evaluated"),
    Column("evaluated_epoch", BigInteger, doc="of the book under which it was; none before the first achievement"),
    Column("created_at", Instant, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'active'"), doc="what the account is: learners/domain"),
    # None: not reckoned yet; empty: without a birth date there is none.
    Column("likeness", LargeBinary, index=True, doc="HMAC of birth date and name: who may have two accounts"),
    Column("merged_into", Uuid, index=True, doc="the account that stands for a merged one"),
    CheckConstraint("state in ('pending', 'active', 'closed', 'deceased', 'merged', 'erased')", name="state"),
    info={"dist": "learner", "learner_key": "id"},
)

# One row: the wrapped key that opens everything sealed of one learner. Erasure deletes it.
learner_keys = Table(
    "learner_keys",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: the key to what an account holds of an account that was merged into it. It opens with the account's own key.
# Erasing either deletes it, also when they are two people's again.
merged_keys = Table(
    "merged_keys",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("merged_id", Uuid, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
    UniqueConstraint("learner_id", "merged_id"),
    info={"dist": "learner", "learner_key": "learner_id"},
)

# One row: one way to find a learner (account number, ID card, student number ...), by HMAC. Unique across learners.
learner_identities = Table(
    "learner_identities",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("type", Text, nullable=False),
    Column("learner_id", Uuid, nullable=False, index=True),
    Column("merged_id", Uuid, doc="the merged account whose it was; learner_id is the one that stands for it"),
    info={"dist": "lookup"},
)

# One row: from that day on somebody lived there, until the next row's day. Of two rows of one day the later recorded
# counts, so that a correction is a further row. There is no end and no present region: the newest row is the present.
residences = Table(
    "residences",
    metadata,
    Column("learner_id", Uuid, ForeignKey("learners.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("region", Code, nullable=False, doc="GB/T 2260 code; names nobody"),
    Column("since", Date, doc="none: nobody said since when"),
    Column("recorded_at", Instant, nullable=False),
    # Who lived in a division, for the rates of participation.
    Index("ix_residences_region", "region"),
    info={"dist": "learner", "learner_key": "learner_id", "append_only": True},
)
