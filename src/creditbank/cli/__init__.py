"""The command line. Exit codes: 0 done, 1 found something wrong, 2 bad use.

Commands stand in a module for each noun, which holds its Typer group as ``commands``; those on the whole server or bank
have no group. A new noun is a new module and a line here.
"""

from __future__ import annotations

from typing import Final

import typer

from creditbank.cli import audit, backups, bank, clients, config, imports, privacy, providers, rules, server, users

_HELP: Final = (
    "The Learning Credit Bank. From nothing: umask 077, config secrets > .env, migrate, users create, "
    "providers import, clients create, serve, verify, backup. To look around first: demo."
)

app = typer.Typer(no_args_is_help=True, help=_HELP, pretty_exceptions_enable=False)
for command in (
    server.version,
    server.serve,
    server.worker,
    bank.migrate,
    server.demo,
    server.openapi,
    server.healthcheck,
    bank.verify,
    bank.checkpoint,
    backups.backup,
    backups.restore,
):
    app.command()(command)
app.add_typer(clients.commands, name="clients")
app.add_typer(users.commands, name="users")
app.add_typer(providers.commands, name="providers")
app.add_typer(rules.commands, name="rules")
app.add_typer(imports.commands, name="imports")
app.add_typer(privacy.commands, name="privacy")
app.add_typer(audit.commands, name="audit")
app.add_typer(config.commands, name="config")


def main() -> None:
    """The entry point."""
    app()
