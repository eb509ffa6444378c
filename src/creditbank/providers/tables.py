"""Tables of providers and accreditations."""

from sqlalchemy import CheckConstraint, Column, Date, ForeignKey, Index, Integer, Table, Text, Uuid

from creditbank.database.metadata import Code, Instant, metadata

# One row: an institution. Its code is immutable and its parent is the code's prefix, so there is no parent column.
providers = Table(
    "providers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("code", Code, nullable=False, unique=True, doc="a path such as cq/yuzhong/jiefangbei"),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("provider_type", Text, nullable=False),
    Column("region", Code, index=True, doc="GB/T 2260 code"),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    CheckConstraint("status in ('active', 'suspended', 'closed')", name="status"),
    # The few that are suspended or closed, and the shape of a subtree without a look at its rows.
    Index("ix_providers_status", "status", "code"),
    Index("ix_providers_shape", "code", "provider_type", "status"),
    info={"dist": "reference"},
)

# One row: an entry of an accreditation register: who (and which offering) was accredited from when until when, or, on
# a black list, was barred from counting as accredited by anybody.
accreditations = Table(
    "accreditations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("register", Text, nullable=False),
    Column("provider", Code, ForeignKey("providers.code"), nullable=False, index=True),
    Column("offering", Text, doc="the code of one offering; none: all that the provider and those under it offer"),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, doc="the first day outside"),
    Column("recorded_at", Instant, nullable=False),
    Column("list", Text, nullable=False, server_default="white"),
    Column("reason", Text, doc="why it was entered so, or last amended; about an institution, never a person"),
    Column("revision", Integer, nullable=False, server_default="1", doc="rises with each amendment; the ETag"),
    CheckConstraint("valid_until is null or valid_until > valid_from", name="interval"),
    CheckConstraint("list in ('white', 'black')", name="list"),
    Index("ix_accreditations_register", "register"),
    info={"dist": "reference"},
)
