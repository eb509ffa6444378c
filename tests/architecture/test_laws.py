"""Laws of the house that imports alone cannot hold: who commits, who knows the databases, what is pure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch

import pytest

from tests.architecture.source import Module, dotted, modules

# --- Transactions -----------------------------------------------------------------------------------------------------

ENDING = {"commit", "rollback", "begin", "begin_nested", "savepoint"}
OPENING = {"write", "read", "snapshot"}
# The edges: whoever answers a caller, the flusher, a job's step, a command.
EDGES = (
    "*/routes.py",
    "*/routes/*.py",
    "people/login/proving.py",
    "people/operating.py",
    "people/sessions.py",
    "access/commands.py",
    "access/credentials.py",
    "activities/counting.py",
    "app.py",
    "backups.py",
    "cli/*.py",
    "conversions/taking.py",
    "demo/__init__.py",
    "intake/gathering.py",
    "jobs/working.py",
    "proving.py",
    "providers/commands.py",
    "publishing/commands.py",
    "recognition/verify.py",
    "sandbox/dispatch.py",
    "web/health.py",
    "web/idempotency.py",
    "webhooks/courier.py",
    "worker.py",
)


def calls_of(names: set[str], module: Module) -> list[str]:
    """Where the module calls a method of one of these names."""
    return [
        f"{module.name}:{call.lineno} {dotted(call.func)}"
        for call in module.calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in names
    ]


def test_only_the_database_ends_a_transaction() -> None:
    found = [place for module in modules() for place in calls_of(ENDING, module)]
    assert [place for place in found if not place.startswith("database/")] == []
    assert found, "the one place that begins transactions is not found: the test looks for the wrong names"


def test_only_the_edges_open_a_transaction() -> None:
    opening = {
        module.name: [place for place in calls_of(OPENING, module) if "database." in place] for module in modules()
    }
    strangers = {name: found for name, found in opening.items() if found and not any(fnmatch(name, e) for e in EDGES)}
    assert {name: found for name, found in strangers.items() if not name.startswith("database/")} == {}
    for edge in EDGES:
        assert any(fnmatch(name, edge) for name in opening), f"{edge} is no module any more"


# --- The policy -------------------------------------------------------------------------------------------------------

# For whom an actor acts is looked at by the policy; everybody else asks it.
DECIDING = {"is_bank", "acts_for"}
POLICY = {"access/domain.py", "access/policy.py"}


def test_only_the_policy_looks_at_whom_an_actor_acts_for() -> None:
    looking = {
        module.name
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in DECIDING
    }
    assert looking == POLICY


# --- The databases ----------------------------------------------------------------------------------------------------

DIALECT = re.compile(r"sqlite|postgres|psycopg|asyncpg|dialect|pragma", re.IGNORECASE)
# By module: what it may name, and why.
NAMING: Mapping[str, tuple[str, str]] = {
    "settings.py": ("sqlite|postgres|asyncpg", "The address of a database is a setting, and says which it is."),
    "cli/running.py": ("sqlite", "Where the bank is a file, there is a file to look for."),
    "cli/server.py": ("sqlite|postgres", "One process serves SQLite; describing the API opens no database."),
    "demo/__init__.py": ("sqlite", "The demonstration runs on the embedded database."),
    "sandbox/dispatch.py": ("sqlite", "A sandbox lies in a file of its own, whatever the bank lies in."),
    "access/tables.py": ("postgresql_partition_by", "How a table is partitioned stands with its columns."),
    "logs.py": ("aiosqlite", "The driver's own log is silenced by its name."),
}


def names_of(module: Module) -> Iterator[tuple[int, str]]:
    """Every identifier, keyword and text of a module, but for what describes it."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.keyword) and node.arg is not None:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.ImportFrom | ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
            yield node.lineno, getattr(node, "module", None) or ""
    yield from ((text.lineno, str(text.value)) for text in module.texts())


def test_no_database_is_named_outside_its_folder() -> None:
    strangers, used = [], set()
    for module in modules():
        if module.name.startswith("database/"):
            continue
        allowed, _ = NAMING.get(module.name, ("(?!)", ""))
        for line, name in names_of(module):
            if DIALECT.search(name):
                used.add(module.name)
                if not re.search(allowed, name, re.IGNORECASE):
                    strangers.append(f"{module.name}:{line} {name}")
    assert strangers == []
    assert used == set(NAMING), "an exception that nothing needs any more"


# --- Purity -----------------------------------------------------------------------------------------------------------

# Modules of the standard library that neither read nor write, and know neither the time nor chance.
PURE = frozenset(
    {"__future__", "abc", "bisect", "calendar", "collections", "copy", "dataclasses", "datetime", "decimal", "enum"}
    | {"fractions", "functools", "graphlib", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math"}
    | {"numbers", "operator", "re", "string", "types", "typing", "unicodedata", "uuid", "zlib"}
)
PYDANTIC = {"pydantic", "pydantic_core", "typing_extensions"}
# By module of the rules: what it may import from others, and why.
BORROWING: Mapping[str, tuple[set[str], str]] = {
    "rules/document.py": (PYDANTIC, "Documents are read with Pydantic."),
    "rules/language/*": (PYDANTIC, "The shape of documents is written in Pydantic."),
    "rules/source.py": ({"yaml"}, "The text of a document is YAML."),
    "rules/allocate/solver.py": ({"highspy"}, "Allocation is an optimisation (architecture.md)."),
}
# Even pure modules have doors to the clock and to chance.
DOORS = re.compile(
    r"(datetime|date)\.(now|today|utcnow)|uuid\.?uuid[147]|uuid[147]|new_id|new_number|system_clock|open|print|input|exec"
)


def pure_modules() -> list[Module]:
    return [m for m in modules() if m.name.startswith("rules/") or m.name.endswith("domain.py")]


@pytest.mark.parametrize("module", pure_modules(), ids=lambda module: module.name)
def test_rules_and_domains_are_pure(module: Module) -> None:
    allowed = {name for pattern, (names, _) in BORROWING.items() if fnmatch(module.name, pattern) for name in names}
    for line, imported in module.imports():
        top = imported.partition(".")[0]
        place = f"{module.name}:{line} imports {imported}"
        if top in sys.stdlib_module_names:
            assert top in PURE, place
        else:
            assert top == "creditbank" or top in allowed, place
        assert imported not in {"creditbank.identifiers.new_id", "creditbank.identifiers.new_number"}, place
    doors = [f"{module.name}:{call.lineno} {dotted(call.func)}" for call in module.calls() if is_door(call)]
    assert doors == []


def is_door(call: ast.Call) -> bool:
    """Whether a call reads the clock, draws a number or leaves the program; what a caller hands in is the caller's."""
    name = dotted(call.func)
    return isinstance(call.func, ast.Name | ast.Attribute) and DOORS.fullmatch(name) is not None


def test_there_are_rules_and_domains() -> None:
    assert len(pure_modules()) > 15
    assert all(top in sys.stdlib_module_names for top in PURE)
