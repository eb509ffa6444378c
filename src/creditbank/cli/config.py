"""Commands on the settings."""

from __future__ import annotations

import base64
import secrets

import typer
from sqlalchemy.engine import make_url

from creditbank.cli.running import out, read_settings

commands = typer.Typer(no_args_is_help=True, help="The settings.")


@commands.command("check")
def check() -> None:
    """Say whether the settings are usable; secrets are not shown."""
    settings = read_settings()
    for name, value in settings.model_dump(
        exclude={"sealing_secret", "lookup_secret", "checkpoint_key", "token_keys"}
    ).items():
        shown = make_url(value).render_as_string(hide_password=True) if name == "database_url" else value
        out.print(f"CREDITBANK_{name.upper()}={shown}", highlight=False, markup=False)


@commands.command("secrets")
def print_secrets() -> None:
    """Print fresh secrets for a .env file. Keep them: without the first two nothing that is sealed can be read."""
    for name in ("SEALING_SECRET", "LOOKUP_SECRET", "CHECKPOINT_KEY", "TOKEN_KEYS"):
        out.print(f"CREDITBANK_{name}={base64.b64encode(secrets.token_bytes(32)).decode()}", highlight=False)
