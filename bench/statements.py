"""From what PostgreSQL logged for a lone request to a pgbench script that does the same to the same tables.

Two lone requests that differ in nothing but learner, course and external id are captured. What is equal in both is a
constant and is sent with every execution, as the bank sends it. What differs is made anew for each transaction: a fresh
id, a fresh key, the code of another course, the learner's next number, the present instant. A difference that none of
these explains is an error: a script that does something else than the bank would compare nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench import city
from tests.postgres import EmbeddedPostgres

LOGGING: Final = {"logging_collector": "on", "log_destination": "jsonlog", "log_parameter_max_length": "-1"}
"""Settings of a server whose statements can be captured; nothing is logged until a capture begins."""

_EXECUTED: Final = re.compile(r"^(?:statement: |execute [^:]*: )", re.DOTALL)
_PARAMETER: Final = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')")
_PLACE: Final = re.compile(r"\$(\d+)(?:::([A-Za-z ]+?)(\[\])?(?=[\s,)]|$))?")
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_INSTANT: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_SAME_PID_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as it was executed: parameters as texts, None for NULL."""

    sql: str
    parameters: Mapping[int, str | None]


@dataclass(frozen=True, slots=True)
class Captured:
    """A lone request: its statements, whom it was about, and how far that learner's chain was before."""

    statements: Sequence[Statement]
    learner_id: str
    seq: int
    course: int
    lookup_key: str


@dataclass(slots=True)
class Script:
    """A pgbench script with its constants."""

    lines: list[str] = field(default_factory=list)
    constants: dict[str, str] = field(default_factory=dict)
    statements: int = 0

    def text(self) -> str:
        """The script as pgbench reads it."""
        return "\n".join(self.lines) + "\n"


class Capture:
    """Turns a server's statement log on for the time of a ``with`` block."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._from = 0

    def __enter__(self) -> Capture:
        self._set("set log_statement = 'all'")
        self._from = len(self._read(0))
        return self

    def __exit__(self, *_: object) -> None:
        self._set("reset log_statement")

    def _set(self, what: str) -> None:
        self._server.sql(f"alter system {what}")
        self._server.sql("select pg_reload_conf()")
        time.sleep(_SAME_PID_SECONDS)

    def _read(self, begin: int) -> bytes:
        wanted = f"pg_read_binary_file(pg_current_logfile('jsonlog'), {begin}, 1000000000)"
        return bytes.fromhex(self._server.sql(f"select encode({wanted}, 'hex')"))

    def lone(self, request: Callable[[], None], mark: str, learner_id: str) -> list[Statement]:
        """The statements of one request: those of the transaction that holds ``mark`` and is about this learner.

        The server's own work, such as what a day brings, reads and writes the same tables beside it.
        """
        begin = self._from
        request()
        time.sleep(_SAME_PID_SECONDS)
        fresh = self._read(begin)
        self._from = begin + len(fresh)
        by_pid: dict[int, list[Statement]] = {}
        for line in fresh.decode().splitlines():
            entry = json.loads(line)
            if entry.get("application_name") == "creditbank" and _EXECUTED.match(entry["message"]):
                sql = _EXECUTED.sub("", entry["message"]).strip().rstrip(";")
                by_pid.setdefault(entry["pid"], []).append(Statement(sql, _parameters(entry.get("detail", ""))))
        found = [
            part
            for mine in by_pid.values()
            for part in _transactions(mine)
            if any(mark in s.sql for s in part) and any(_names(s, learner_id) for s in part)
        ]
        if len(found) != 1:
            told = "\n".join(s.sql[:300] for part in found for s in part)
            raise RuntimeError(f"{len(found)} transactions about the learner name {mark}, and one was made:\n{told}")
        return found[0]


def _names(statement: Statement, learner_id: str) -> bool:
    return any(learner_id in given for given in statement.parameters.values() if given is not None)


def _parameters(detail: str) -> dict[int, str | None]:
    found = _PARAMETER.findall(detail) if detail.startswith("Parameters: ") else []
    return {int(n): None if text == "NULL" else text[1:-1].replace("''", "'") for n, text in found}


def _transactions(statements: Sequence[Statement]) -> list[list[Statement]]:
    """The statements of one connection, by transaction; one outside any stands alone."""
    parts: list[list[Statement]] = []
    is_open = False
    for statement in statements:
        word = statement.sql.split(None, 1)[0].upper()
        if word == "BEGIN" or not is_open:
            parts.append([])
        parts[-1].append(statement)
        is_open = (is_open or word == "BEGIN") and word not in {"COMMIT", "ROLLBACK"}
    return parts


def elements(text: str) -> list[str | None]:
    """The elements of an array in PostgreSQL's text form, of one dimension."""
    found: list[str | None] = []
    at, end = 1, len(text) - 1
    while at < end:
        if text[at] == '"':
            at += 1
            letters = []
            while text[at] != '"':
                at += text[at] == "\\"
                letters.append(text[at])
                at += 1
            found.append("".join(letters))
            at += 2
        else:
            stop = text.find(",", at, end)
            stop = end if stop < 0 else stop
            found.append(None if text[at:stop] == "NULL" else text[at:stop])
            at = stop + 1
    return found


class _Translation:
    """Finds for each value of the first request what stands for it in the script."""

    def __init__(self, first: Captured, second: Captured) -> None:
        self.first, self.second = first, second
        self.fresh: dict[str, int] = {}
        self.constants: dict[str, str] = {}

    def sql(self, index: int) -> str:
        """A statement with an expression in each place."""
        ours, theirs = self.first.statements[index], self.second.statements[index]

        def put(place: re.Match[str]) -> str:
            number, type_, array = int(place[1]), place[2], place[3] or ""
            mine, other = ours.parameters[number], theirs.parameters[number]
            cast = f"::{type_}{array}" if type_ else ""
            if mine == other:
                return self.constant(mine) + cast
            assert mine is not None, ours.sql
            assert other is not None, ours.sql
            if not array:
                return f"({self.expression(mine, other, ours.sql)}){cast}"
            pairs = list(zip(elements(mine), elements(other), strict=True))
            inside = [self.element(a, b, ours.sql) for a, b in pairs]
            return f"ARRAY[{', '.join(inside)}]{cast}"

        # A script is read by lines.
        return " ".join(_PLACE.sub(put, ours.sql).split())

    def element(self, mine: str | None, other: str | None, sql: str) -> str:
        if mine is None or other is None or mine == other:
            return self.constant(mine)
        return self.expression(mine, other, sql)

    def constant(self, text: str | None) -> str:
        if text is None:
            return "NULL"
        name = f"c{len(self.constants)}"
        self.constants[name] = text
        return f":{name}"

    def expression(self, mine: str, other: str, sql: str) -> str:
        """What stands for a value that is another in every transaction."""
        if mine == self.first.learner_id:
            return ":learner_id"
        if _UUID.fullmatch(mine):
            return self.fresh_id(mine)
        if mine.startswith("\\x"):
            return self.bytes_(mine)
        if _INSTANT.match(mine):
            return "now()"
        if mine.lstrip("-").isdigit() and int(mine) - self.first.seq == int(other) - self.second.seq:
            return f":seq::bigint + {int(mine) - self.first.seq}"
        if mine.startswith("{"):
            # JSON: its bytes say who, but no index reads them.
            return self.constant(mine)
        return self.text(mine, other, sql)

    def fresh_id(self, mine: str) -> str:
        """Time-ordered as the bank's: sixteen rising digits, then random ones. A uuid takes them without dashes."""
        number = self.fresh.setdefault(mine, len(self.fresh))
        return f"(:high::text || :low{number}::text)::uuid"

    def bytes_(self, mine: str) -> str:
        if mine == self.first.lookup_key:
            return "sha256(int8send(:learner))"
        size = len(mine) // 2 - 1
        if size == 32:
            return f"sha256(uuid_send({self.fresh_id(mine)}))"
        if size == 16:
            return f"uuid_send({self.fresh_id(mine)})"
        # Sealed bytes: no constraint reads them, and these are as long as others.
        return self.constant(mine)

    def text(self, mine: str, other: str, sql: str) -> str:
        """A text made of ids and of the course's five digits."""
        ours = f"{city.FIRST_COURSE + self.first.course}"
        theirs = f"{city.FIRST_COURSE + self.second.course}"
        if _UUID.sub("@", mine).replace(ours, "#") != _UUID.sub("@", other).replace(theirs, "#"):
            raise RuntimeError(f"nothing explains why {mine!r} became {other!r} in: {sql}")
        parts = []
        for piece in re.split(f"({_UUID.pattern}|{ours})", mine):
            if piece == ours:
                parts.append(":course::text")
            elif _UUID.fullmatch(piece):
                parts.append(f"{self.fresh_id(piece)}::text")
            elif piece:
                parts.append("'" + piece.replace("'", "''") + "'")
        return f"({' || '.join(parts)})"


def to_script(first: Captured, second: Captured, *, learners: int, clients: int, courses: int) -> Script:
    """The script of a write. Each client has learners of its own, so that pgbench never waits for a row."""
    translation = _Translation(first, second)
    body = [translation.sql(index) for index in range(len(first.statements))]
    script = Script(constants=translation.constants, statements=len(body))
    script.lines = [
        "\\set n :n + 1",
        f"\\set high 1000000000000000 + :base + :n * {clients} + :client_id",
        "\\set low random(1000000000000000, 8999999999999999)",
        *(f"\\set low{k} :low + {k}" for k in range(len(translation.fresh))),
        f"\\set learner :client_id + {clients} * random(0, {learners // clients - 1})",
        f"\\set course random({city.FIRST_COURSE}, {city.FIRST_COURSE + courses - 1})",
    ]
    names = []
    for sql in body:
        # What the bank reads and then writes, the script reads and then writes.
        if "FROM learner_identities" in sql:
            names.append("learner_id")
            script.lines.append(f"{sql} \\gset")
        elif "FOR NO KEY UPDATE OF learners" in sql:
            names.append("seq")
            script.lines.append(f"{sql} \\gset")
        else:
            script.lines.append(f"{sql};")
    if names != ["learner_id", "seq"]:
        raise RuntimeError(f"a POST no longer finds its learner by identity and then locks the account: {names}")
    script.constants.update({"n": "0", "base": "0"})
    return script


def to_read_script(first: Captured, second: Captured, *, readers_from: int) -> Script:
    """The script of a read; client i reads the i-th reader, whom it looks up once."""
    translation = _Translation(first, second)
    body = [translation.sql(index) for index in range(len(first.statements))]
    who = f"sha256(int8send({readers_from} + :client_id))"
    find = f"SELECT learner_id FROM learner_identities WHERE key = {who}"  # noqa: S608 (a number of our own)
    script = Script(constants={**translation.constants, "begun": "0"}, statements=len(body))
    script.lines = ["\\if :begun = 0", f"{find} \\gset", "\\set begun 1", "\\endif", *(f"{sql};" for sql in body)]
    return script


def alike(captured: Sequence[Captured]) -> tuple[Captured, Captured]:
    """Two requests that ran the same statements, as most did, for learners whose chains are of different length.

    Now and then a request runs more: the first of a connection asks what types there are.
    """
    lists = Counter(tuple(s.sql for s in one.statements) for one in captured)
    usual = lists.most_common(1)[0][0]
    those = [one for one in captured if tuple(s.sql for s in one.statements) == usual]
    second = next((one for one in those if one.seq != those[0].seq), None)
    if second is None:
        raise RuntimeError(f"of {len(captured)} lone requests no two ran the same statements for different chains")
    return those[0], second


@dataclass(frozen=True, slots=True)
class Run:
    """What pgbench reached."""

    rate: float
    transactions: int
    latency_ms: float


def run_pgbench(
    server: EmbeddedPostgres,
    database: str,
    script: Script,
    folder: Path,
    *,
    clients: int,
    seconds: float,
    base: int = 0,
) -> Run:
    """Run a script: prepared statements, two threads. ``base`` keeps the ids of one run from those of others."""
    file = folder / "script.sql"
    file.write_text(script.text())
    constants = {**script.constants, **({"base": str(base)} if "base" in script.constants else {})}
    done = subprocess.run(
        [
            *(str(server.bin("pgbench")), "-n", "-M", "prepared", "-c", str(clients), "-j", "2"),
            *("-T", str(max(1, round(seconds))), "-f", str(file)),
            *(part for name, value in constants.items() for part in ("-D", f"{name}={value}")),
        ],
        env=server.environment(database),
        capture_output=True,
        text=True,
        check=False,
    )
    rate = re.search(r"tps = ([\d.]+)", done.stdout)
    count = re.search(r"transactions actually processed: (\d+)", done.stdout)
    latency = re.search(r"latency average = ([\d.]+)", done.stdout)
    if done.returncode != 0 or "aborted" in done.stderr or not (rate and count and latency):
        raise RuntimeError(f"pgbench: {done.stdout[-1500:]}{done.stderr[-3000:]}")
    return Run(float(rate[1]), int(count[1]), float(latency[1]))
