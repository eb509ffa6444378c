"""Tables of divisions, their groups, and population."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

from creditbank.database.metadata import Code, Instant, metadata

# One row: an administrative division. Its level and the division above are in its code, so neither has a column.
regions = Table(
    "regions",
    metadata,
    Column("code", Code, primary_key=True, doc="GB/T 2260, below the county as the National Bureau of Statistics"),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False, doc="the Chinese name where nobody has given another"),
    Column("recorded_at", Instant, nullable=False),
    CheckConstraint("length(code) in (2, 4, 6, 9, 12)", name="code"),
    info={"dist": "reference"},
)

# One row: divisions that are counted together. What it is made of is data of the bank and changes with time.
region_groups = Table(
    "region_groups",
    metadata,
    Column("code", Code, primary_key=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("revision", Integer, nullable=False, doc="rises with each change; the ETag"),
    info={"dist": "reference"},
)

# One row: a division was in a group on these days.
region_group_members = Table(
    "region_group_members",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("region_group", Code, ForeignKey("region_groups.code"), nullable=False, index=True),
    Column("region", Code, ForeignKey("regions.code"), nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date, doc="the first day outside"),
    CheckConstraint("valid_until is null or valid_until > valid_from", name="interval"),
    info={"dist": "reference"},
)

# One row: how many people of an age lived in a division in a year, as one source counted them.
populations = Table(
    "populations",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("region", Code, ForeignKey("regions.code"), nullable=False),
    Column("year", Integer, nullable=False),
    Column("age_from", Integer, nullable=False),
    Column("age_until", Integer, nullable=False, doc="the first age outside; 200 where the band has no end"),
    Column("source", Text, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    UniqueConstraint("region", "year", "age_from", "age_until", "source"),
    CheckConstraint("age_from >= 0 and age_until > age_from", name="ages"),
    CheckConstraint("people >= 0", name="people"),
    info={"dist": "reference"},
)
