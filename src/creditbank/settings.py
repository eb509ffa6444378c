"""Everything an operator can set: environment variables ``CREDITBANK_*``, a ``.env`` file, or files of secrets."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

_SECRET_BYTES_MIN = 32
_PREFIX: Final = "CREDITBANK_"
# What only the tests read: it says on what they run.
_OF_TESTS: Final = f"{_PREFIX}TEST_"


class UnknownSettings(ValueError):
    """The environment, or ``.env``, names settings that there are not: a slip would silently change nothing."""

    def __init__(self, given: Iterable[str], known: Iterable[str]) -> None:
        # Held against each other without what all have in common.
        nearest = {name: get_close_matches(name, known, 1) for name in given}
        super().__init__(
            "\n".join(
                f"{_PREFIX}{name} is no setting"
                + (f"; {_PREFIX}{near[0]} is the nearest that there is." if near else ".")
                for name, near in nearest.items()
            )
        )


class Settings(BaseSettings):
    """The bank's settings, built once and handed down. Frozen: nothing changes its own configuration."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_file=".env", frozen=True, extra="ignore")

    database_url: str = Field(
        default="sqlite+aiosqlite:///creditbank.sqlite",
        description="SQLAlchemy address: `sqlite+aiosqlite:///file` or `postgresql+asyncpg://user:password@host/name`.",
    )
    database_pool_size: int = Field(
        default=8, ge=1, le=64, description="PostgreSQL connections a process; more than 8 a core loses throughput."
    )
    database_pooler: Literal["none", "transaction"] = Field(
        default="none", description="`transaction` when a pooler such as pgbouncer stands between, in that mode."
    )
    sealing_secret: SecretStr = Field(
        default=SecretStr(""), description="Base64 of 32 or more random bytes; wraps the learners' keys."
    )
    lookup_secret: SecretStr = Field(
        default=SecretStr(""), description="Base64 of 32 or more random bytes; makes look-up keys of identities."
    )
    checkpoint_key: SecretStr = Field(
        default=SecretStr(""), description="Base64 of 32 random bytes: signs checkpoints. Without it none are made."
    )
    checkpoint_origin: str = Field(
        default="creditbank.local",
        pattern=r"^[A-Za-z0-9./:_-]{1,100}$",
        description="The name under which checkpoints are signed; one for each bank, such as `bank.example/log`.",
    )
    checkpoint_former_keys: str = Field(
        default="", description="Public keys under which checkpoints were signed before, separated by spaces."
    )
    checkpoint_minutes: int = Field(
        default=60, ge=1, le=10_080, description="How often a worker makes a checkpoint, when there is a key."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8000",
        pattern=r"^https?://[A-Za-z0-9.\[\]:-]{1,255}$",
        description="The address under which the world reaches the bank: https, or this machine itself.",
    )
    session_idle_minutes: int = Field(default=60, ge=5, le=1440, description="How long an unused session lasts.")
    session_hours: int = Field(default=12, ge=1, le=168, description="How long a session lasts at the most.")
    step_up_minutes: int = Field(
        default=10, ge=1, le=60, description="How long after signing in a person may do what is gravest."
    )
    password_length_min: int = Field(default=12, ge=8, le=64, description="Fewest characters of a new password.")
    registration: Literal["open", "closed"] = Field(
        default="open", description="Whether people may open accounts of their own, which somebody confirms later."
    )
    activation_days: int = Field(
        default=90, ge=1, le=730, description="How long a code lives with which a learner comes into an account."
    )
    identity_providers: str = Field(
        default="", description="A JSON file of the identity providers where people may sign in."
    )
    time_zone: str = Field(default="Asia/Shanghai", description="The zone in which days of learning are counted.")
    account_prefix: str = Field(default="CQ", pattern="^[A-Z]{1,4}$", description="First letters of account numbers.")
    account_digits: int = Field(
        default=9, ge=6, le=15, description="Digits of an account number before its check digit."
    )
    body_bytes_max: int = Field(
        default=8 * 1024 * 1024, ge=1024, description="Largest request body; a larger one is answered 413."
    )
    batch_items_max: int = Field(default=1000, ge=1, le=10_000, description="Most achievements in one batch.")
    import_bytes_max: int = Field(
        default=512 * 1024 * 1024, ge=1024, description="Largest file of results; a larger one is answered 413."
    )
    import_rows_max: int = Field(default=1_000_000, ge=1, description="Most rows of one file of results.")
    import_days: int = Field(
        default=7, ge=1, le=90, description="How long the rows of a file are kept, sealed, after its import has ended."
    )
    gather_items_max: int = Field(
        default=256, ge=1, le=1000, description="Most single achievements that one commit gathers."
    )
    gather_waiting_max: int = Field(
        default=4096, ge=1, description="Single achievements that may wait; beyond it the answer is 503."
    )
    credential_cache_seconds: int = Field(
        default=30, ge=0, le=60, description="How long a revoked key may still be honoured by a process."
    )
    token_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Base64 of 32 random bytes, or several, by spaces: the first signs access tokens, all verify them.",
    )
    token_algorithm: Literal["ES256", "Ed25519"] = Field(default="ES256", description="How access tokens are signed.")
    security_contact: str = Field(
        default="",
        pattern=r"^((https://|mailto:|tel:)[!-~]+)?$",
        description="Whom `/.well-known/security.txt` names, such as `mailto:security@bank.example`.",
    )
    rate_client_per_minute: int = Field(
        default=6000, ge=0, description="Requests that one client may make a minute; 0: no limit."
    )
    rate_failed_per_minute: int = Field(
        default=30, ge=0, description="Requests without a good credential that one address may make a minute."
    )
    rate_token_per_minute: int = Field(
        default=60, ge=0, description="Access tokens that one address may ask for a minute."
    )
    rate_resolve_per_minute: int = Field(default=60, ge=0, description="Learners that one client may look up a minute.")
    rate_register_per_minute: int = Field(
        default=20, ge=0, description="Accounts that one address may open for itself a minute."
    )
    rate_public_per_minute: int = Field(
        default=600, ge=0, description="Requests for what is public that one address may make a minute."
    )
    rate_reset_per_hour: int = Field(default=6, ge=0, description="Times that one sandbox may be begun anew an hour.")
    rate_processes: int = Field(
        default=1, ge=1, description="Server processes among which these are divided, on all machines together."
    )
    sandbox_folder: str = Field(
        default="",
        description="Where sandboxes lie, for test keys; set it in one server process.",
    )
    transcript_cache_bytes: int = Field(
        default=32 * 1024 * 1024, ge=0, description="Memory a process gives to transcripts that it may answer again."
    )
    evidence_folder: Path = Field(
        default=Path("evidence"), description="Where files of evidence lie, sealed; as large as what people upload."
    )
    looks_seconds: int = Field(
        default=5, ge=1, le=300, description="How often a process writes down who read whose data; lost in a crash."
    )
    audit_months: int = Field(
        default=36, ge=6, le=600, description="Whole months of the audit log that are kept; older ones once exported."
    )
    looks_months: int = Field(
        default=36, ge=6, le=600, description="Whole months for which it is kept who read whose data."
    )
    erasure_roll: Path = Field(
        default=Path("erasures.jsonl"),
        description="The list of who was erased: on another disk than the database, and in none of its backups.",
    )
    evidence_unnamed_days: int = Field(
        default=30, ge=1, description="How long a file of evidence that no row names lies aside before it is removed."
    )
    simulation_days: int = Field(
        default=7, ge=1, description="How old the simulation may be on which a rule set is approved and published."
    )
    idempotency_days: int = Field(default=7, ge=1, description="How long an Idempotency-Key is remembered.")
    hold_days: int = Field(
        default=60, ge=1, le=730, description="How long an application for an award holds credits before it lapses."
    )
    small_cell: int = Field(
        default=5, ge=1, le=100, description="Figures of fewer learners than this are not shown to institutions."
    )
    check_in_minutes: int = Field(
        default=2, ge=1, le=60, description="How long a check-in code shown at the venue is taken."
    )
    webhook_networks: str = Field(
        default="",
        description="Private networks in which webhooks may lie, by spaces, such as `10.1.0.0/16`; none: nowhere.",
    )
    webhook_seconds: int = Field(default=15, ge=1, le=60, description="How long a receiver of events has to answer.")
    webhook_failing_days: int = Field(
        default=5, ge=1, le=5, description="How long nothing reaches a webhook before it is disabled."
    )
    webhook_days: int = Field(default=30, ge=7, le=365, description="How long events and their deliveries are kept.")
    worker: bool = Field(default=True, description="Whether `serve` also works off jobs.")
    metrics: bool = Field(default=True, description="Whether `/metrics` answers.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given outright, then the environment, ``.env``, and files of secrets. Raises UnknownSettings."""
        heard = (env_settings, dotenv_settings)
        named = {name.upper() for source in heard if isinstance(source, EnvSettingsSource) for name in source.env_vars}
        ours = {one.removeprefix(_PREFIX) for one in named if one.startswith(_PREFIX) and not one.startswith(_OF_TESTS)}
        known = [field.upper() for field in cls.model_fields]
        if unknown := ours.difference(known):
            raise UnknownSettings(sorted(unknown), known)
        return (init_settings, *heard, file_secret_settings)

    @field_validator("sealing_secret", "lookup_secret")
    @classmethod
    def _is_strong(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value()
        try:
            size = len(base64.b64decode(value, validate=True))
        except binascii.Error as wrong:
            raise ValueError("not base64") from wrong
        if value and size < _SECRET_BYTES_MIN:
            raise ValueError(f"shorter than {_SECRET_BYTES_MIN} bytes")
        return secret

    @field_validator("checkpoint_key")
    @classmethod
    def _is_seed(cls, secret: SecretStr) -> SecretStr:
        value = secret.get_secret_value()
        try:
            size = len(base64.b64decode(value, validate=True))
        except binascii.Error as wrong:
            raise ValueError("not base64") from wrong
        if value and size != _SECRET_BYTES_MIN:
            raise ValueError(f"not {_SECRET_BYTES_MIN} bytes")
        return secret

    @field_validator("token_keys")
    @classmethod
    def _are_seeds(cls, secret: SecretStr) -> SecretStr:
        for value in secret.get_secret_value().split():
            try:
                size = len(base64.b64decode(value, validate=True))
            except binascii.Error as wrong:
                raise ValueError("not base64") from wrong
            if size != _SECRET_BYTES_MIN:
                raise ValueError(f"not {_SECRET_BYTES_MIN} bytes each")
        return secret

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, networks: str) -> str:
        for network in networks.split():
            ip_network(network)
        return networks

    @field_validator("public_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        # Cookies that sign people in must not travel in the clear; to this machine itself nothing travels.
        if parts.scheme != "https" and parts.hostname not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError("not https, and not this machine's own address")
        return url

    @field_validator("time_zone")
    @classmethod
    def _is_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, OSError) as wrong:
            raise ValueError("not the name of a time zone, such as Asia/Shanghai") from wrong
        return name

    @model_validator(mode="after")
    def _secrets_differ(self) -> Self:
        sealing = self.sealing_secret.get_secret_value()
        if sealing and sealing == self.lookup_secret.get_secret_value():
            raise ValueError("sealing_secret and lookup_secret must differ")
        return self

    @property
    def session_cookie(self) -> str:
        """The cookie of a session. Browsers take the prefix only with Secure, from this very host and for all of it."""
        return "__Host-creditbank" if self.has_secure_cookies else "creditbank"

    @property
    def has_secure_cookies(self) -> bool:
        """Whether cookies are for https only; over plain http, this machine's own, some browsers keep none that are."""
        return self.public_url.startswith("https://")

    @property
    def activation_lasting(self) -> timedelta:
        """How long a code lives with which a learner comes into an account."""
        return timedelta(days=self.activation_days)

    @property
    def zone(self) -> ZoneInfo:
        """The bank's own time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded database is used: one server process, one writer."""
        return self.database_url.startswith("sqlite")

    @property
    def database_place(self) -> str:
        """Where the database is, without who asks it: what tells it from a copy of it that lies elsewhere."""
        file = sqlite_file(self.database_url)
        if file is not None:
            return f"sqlite:{file.resolve()}"
        url = make_url(self.database_url)
        way = {name: value for name, value in url.query.items() if name in {"host", "port"}}
        bare = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database, query=way)
        return bare.render_as_string()

    @property
    def checkpoint_seed(self) -> bytes | None:
        """The seed of the private key that signs checkpoints; None when there is none."""
        return base64.b64decode(self.checkpoint_key.get_secret_value()) or None

    def secrets(self) -> tuple[bytes, bytes]:
        """The sealing and the look-up secret. Raises ValueError when one is not set: there is no default."""
        found = [self.sealing_secret.get_secret_value(), self.lookup_secret.get_secret_value()]
        if not all(found):
            raise ValueError("CREDITBANK_SEALING_SECRET and CREDITBANK_LOOKUP_SECRET must be set")
        return base64.b64decode(found[0]), base64.b64decode(found[1])


def sqlite_file(url: str) -> Path | None:
    """The file behind an SQLite address, None for another database."""
    return Path(url.split("///", 1)[1]) if url.startswith("sqlite") and "///" in url else None
