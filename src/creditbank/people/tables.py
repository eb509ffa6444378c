"""Tables of people, the keys that seal what names them, their roles, sessions and failed attempts to sign in."""

from sqlalchemy import Boolean, CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, Uuid, func

from creditbank.database.metadata import Code, Instant, index_where, metadata
from creditbank.people.domain import GUARDIANSHIP, ISSUER

# One row: a person who may sign in.
users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("login_key", LargeBinary, nullable=False, unique=True, doc="HMAC of the login: who they are is not told"),
    Column("profile", LargeBinary, nullable=False, doc="login and name, sealed with the user's key"),
    Column("password", Text, doc="Argon2id, with its own salt and cost; none: signs in elsewhere only"),
    # Somebody else knows it: nothing can be done before it is changed.
    Column("is_password_initial", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("status in ('active', 'closed')", name="status"),
    info={"dist": "local"},
)

# One row: the key that opens what names a user. Erasing the person deletes it.
user_keys = Table(
    "user_keys",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id"), primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    info={"dist": "local"},
)

# One row: under whom an identity provider knows a user.
user_identities = Table(
    "user_identities",
    metadata,
    Column("key", LargeBinary, primary_key=True, doc="HMAC of issuer and subject"),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    info={"dist": "local"},
)

# One row: a role given to a user. What ends is marked and stays.
user_roles = Table(
    "user_roles",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    Column("role", Text, nullable=False, doc="a name of people/roles.py"),
    Column("provider", Code, ForeignKey("providers.code"), index=True),
    Column("learner_id", Uuid, index=True),
    Column("granted_by", Text, nullable=False, doc="user:id, client:id, operator:name, issuer:name or merge:id"),
    Column("granted_at", Instant, nullable=False),
    Column("until", Instant),
    Column("revoked_by", Text),
    Column("revoked_at", Instant),
    CheckConstraint("(role = 'learner') = (learner_id is not null)", name="learner"),
    CheckConstraint("provider is null or learner_id is null", name="place"),
    CheckConstraint("(revoked_by is null) = (revoked_at is null)", name="revoked"),
    info={"dist": "local"},
)

# Whoever has a role from somebody has it once, so that taking it back takes it. What an identity provider or a
# guardianship gives comes and goes by itself.
_by_hand = (
    user_roles.c.revoked_at.is_(None)
    & (func.substr(user_roles.c.granted_by, 1, len(ISSUER)) != ISSUER)
    & (func.substr(user_roles.c.granted_by, 1, len(GUARDIANSHIP)) != GUARDIANSHIP)
)
for _name, _where, _further in (
    ("bank", user_roles.c.provider.is_(None) & user_roles.c.learner_id.is_(None), ()),
    ("provider", user_roles.c.provider.is_not(None), (user_roles.c.provider,)),
    ("learner", user_roles.c.learner_id.is_not(None), (user_roles.c.learner_id,)),
):
    index_where(
        f"uq_user_roles_{_name}", user_roles.c.user_id, _by_hand & _where, user_roles.c.role, *_further, unique=True
    )

# One row: somebody is signed in on one device, acting in one place.
sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("token_sha256", LargeBinary, nullable=False, unique=True, doc="of what only the cookie has (tokens.py)"),
    Column("user_id", Uuid, ForeignKey("users.id"), nullable=False, index=True),
    # The place in which the person acts; with neither it is the bank.
    Column("provider", Code),
    Column("learner_id", Uuid),
    Column("device", LargeBinary, nullable=False, doc="what the browser calls itself, sealed with the user's key"),
    Column("created_at", Instant, nullable=False),
    Column("authenticated_at", Instant, nullable=False, doc="when the person last proved who they are"),
    Column("used_at", Instant, nullable=False, index=True, doc="to the minute"),
    Column("ended_at", Instant),
    CheckConstraint("provider is null or learner_id is null", name="place"),
    info={"dist": "local"},
)
index_where("ix_sessions_learner_id", sessions.c.learner_id, sessions.c.learner_id.is_not(None))
index_where("ix_sessions_ended_at", sessions.c.ended_at, sessions.c.ended_at.is_not(None))

# One row: a password was wrong. Counted for some minutes and removed after eight days, with old sessions.
failed_logins = Table(
    "failed_logins",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", LargeBinary, nullable=False, doc="HMAC of the login, or of the address"),
    Column("at", Instant, nullable=False, index=True),
    Index("ix_failed_logins_key_at", "key", "at"),
    info={"dist": "local"},
)
