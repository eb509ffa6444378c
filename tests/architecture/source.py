"""The bank's own source, as trees and modules, for the tests that read it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import creditbank

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "creditbank"


@dataclass(frozen=True)
class Module:
    """One file of the package; ``name`` is its path below the package, such as ``ledger/domain.py``."""

    name: str
    tree: ast.Module

    def calls(self) -> Iterator[ast.Call]:
        """Every call in it."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))

    def texts(self) -> Iterator[ast.Constant]:
        """Every text in it that is not a docstring."""
        described = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in described:
                yield node

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full name of everything it imports, what stands under TYPE_CHECKING too."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno} imports by a relative name"
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@cache
def modules() -> tuple[Module, ...]:
    """Every file of the package."""
    return tuple(
        Module(file.relative_to(PACKAGE).as_posix(), ast.parse(file.read_text("utf-8"), str(file)))
        for file in sorted(PACKAGE.rglob("*.py"))
    )


def import_all() -> None:
    """Import every module of the package, so that everything which is declared is known."""
    for found in pkgutil.walk_packages(creditbank.__path__, "creditbank."):
        if not found.name.endswith("__main__") and not found.name.startswith("creditbank.migrations"):
            importlib.import_module(found.name)


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of a chain of names; what is not a name is left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""
