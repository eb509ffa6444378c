"""A demonstration: an invented city on SQLite, filled over the bank's own HTTP API, with a transcript that says why.

Everything lies in one folder: the database, the secrets, the keys and the log. Run again in the same folder it finds
what it left: the same city is posted again and nothing changes.
"""

from __future__ import annotations

import asyncio
import base64
import fcntl
import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import httpx
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from creditbank import logs
from creditbank.access.actions import NewClient, create_client
from creditbank.access.domain import SCOPES
from creditbank.app import create_app
from creditbank.clock import system_clock
from creditbank.credits import Credits
from creditbank.database import schema
from creditbank.database.engine import Database
from creditbank.demo import city
from creditbank.demo.paper import print_transcript, save_page
from creditbank.demo.serving import NotServing, serving, take_port
from creditbank.settings import Settings

_POLL_SECONDS: Final = 0.05

_BATCH: Final = 100
"""Achievements in one request: few enough that the progress bar moves."""

_PARTNER_SCOPES: Final = (
    "achievements:read",
    "achievements:write",
    "ledger:read",
    "learners:write",
    "providers:read",
    "rules:read",
)

_CLIENTS: Final = {
    "bank": NewClient("demo bank", None, SCOPES, "verified"),
    # Nobody approves what they wrote themselves.
    "approver": NewClient("demo approver", None, ("rules:approve", "rules:read"), "verified"),
    "network": NewClient("demo network", city.NETWORK, _PARTNER_SCOPES, "verified"),
    "university": NewClient("demo university", city.UNIVERSITY, _PARTNER_SCOPES, "verified"),
}
_SPEAKS_FOR: Final = {city.NETWORK: "network", city.UNIVERSITY: "university"}

_FIRST: Final = """\
curl -s {url}/v1/achievements \\
  -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" -H "Idempotency-Key: first-1" \\
  -d '{{"external_id": "2026-S1-00017", "kind": "course", "code": "ENG101", "title": {{"zh": "大学英语", "en": "College English"}},
       "credits": "3", "grade": {{"percent": "86"}}, "completed": "2026-06-20",
       "learner": {{"identity": {{"type": "student_number", "value": "20260017"}}}},
       "open_account": {{"name": "张三"}}}}'"""  # noqa: E501 (as the README has it)


def first_request(url: str) -> str:
    """A curl command for a partner's first achievement, with the key as ``$KEY``. The README shows the same."""
    return _FIRST.format(url=url)


class DemoFailed(Exception):
    """The demonstration cannot go on; the text says why."""


def run_demo(folder: Path, host: str, port: int, *, once: bool) -> None:
    """Fill a small bank in ``folder`` over HTTP, print a transcript, and serve until Ctrl-C; ``once``: do not serve on.

    Exits with a plain message when it cannot: the port, the folder, another demonstration in it.
    """
    # A terminal of another encoding shows question marks; it does not break the demonstration.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    # A file or a pipe has no width of its own.
    out = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 110)
    # Whoever ends the program otherwise than by Ctrl-C wants the same clean end.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _run(out, folder, host, port, once=once)
    except KeyboardInterrupt:
        out.print("\nStopped.")
    except (DemoFailed, NotServing, httpx.HTTPError) as wrong:
        sys.exit(f"{wrong}")


def _run(out: Console, folder: Path, host: str, port: int, *, once: bool) -> None:
    with ExitStack() as stack:
        stack.enter_context(_only_one(folder))
        log = stack.enter_context((folder / "server.log").open("a", encoding="utf-8"))
        logs.configure("info", log)
        settings = _settings(folder)
        schema.upgrade(settings.database_url)
        at = take_port(host, port)
        taken = at.getsockname()[1]
        url = f"http://{f'[{host}]' if ':' in host else host}:{taken}"
        settings = settings.model_copy(update={"public_url": url})
        ended = stack.enter_context(serving(create_app(settings), at))
        out.print(f"Learning Credit Bank: the city of Yunjiang, invented, in {folder}", style="bold")
        if port and taken != port:
            out.print(f"Port {port} is busy; this bank listens on {taken}.", style="yellow")
        town = stack.enter_context(Town(out, url, folder, settings.database_url))
        town.fill()
        town.show()
        if once:
            return
        out.print("\nServing. Ctrl-C stops.", style="bold")
        ended.wait()


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there, and held. Raises DemoFailed: SQLite has one server at a time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = (folder / "lock").open("w", encoding="utf-8")
    except OSError as wrong:
        raise DemoFailed(f"{folder} cannot be written to: {wrong.strerror}.") from wrong
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as wrong:
            raise DemoFailed(f"A demonstration is running in {folder} already; --folder names another.") from wrong
        yield


class _OwnSettings(Settings):
    """Settings that hear of nothing around: those of another bank in the environment must not lead to its database."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is given outright."""
        return (init_settings,)


def _settings(folder: Path) -> Settings:
    """The settings of a bank in this folder. Its ``.env`` serves the other commands too, when they are run there."""
    file = folder / ".env"
    if not file.exists():
        secret = ("SEALING_SECRET", "LOOKUP_SECRET", "CHECKPOINT_KEY", "TOKEN_KEYS")
        names = [f"CREDITBANK_{name}" for name in secret]
        _keep(file, "".join(f"{name}={base64.b64encode(secrets.token_bytes(32)).decode()}\n" for name in names))
    kept = dict(line.split("=", 1) for line in file.read_text("utf-8").splitlines())
    return _OwnSettings(
        database_url=f"sqlite+aiosqlite:///{(folder / 'creditbank.sqlite').resolve()}",
        evidence_folder=folder / "evidence",
        sealing_secret=SecretStr(kept["CREDITBANK_SEALING_SECRET"]),
        lookup_secret=SecretStr(kept["CREDITBANK_LOOKUP_SECRET"]),
        # A folder that an earlier version made has none, and goes on without checkpoints and tokens.
        checkpoint_key=SecretStr(kept.get("CREDITBANK_CHECKPOINT_KEY", "")),
        token_keys=SecretStr(kept.get("CREDITBANK_TOKEN_KEYS", "")),
        sandbox_folder=str((folder / "sandboxes").resolve()),
    )


def _command() -> str:
    """How this program is called from any folder."""
    return "creditbank" if shutil.which("creditbank") else str(Path(sys.argv[0]).absolute())


def _keep(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as kept:
        kept.write(text)


class Town:
    """The city as a client of the bank sees it: fills the bank over HTTP, then shows it."""

    def __init__(self, out: Console, url: str, folder: Path, database_url: str) -> None:
        self._out = out
        self._url = url
        self._folder = folder
        self._database_url = database_url
        # What proxies the environment names have nothing to do with this machine.
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._keys: dict[str, str] = {}
        self._shown = ""
        self._ids: set[str] = set()

    def __enter__(self) -> Town:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def fill(self) -> None:
        """Enter the network, publish the rules, post what everybody achieved. What is there already stays as it is."""
        for name in ("bank", "approver"):
            self._let_in(name)
        new_providers = self._enter_network()
        self._accredit()
        version = self._publish()
        for name in _CLIENTS:
            self._let_in(name)
        learners = city.people()
        self._open_accounts(learners)
        counts = self._post(city.achievements(learners))
        self._say("network", f"{len(city.INSTITUTIONS)} institutions on four levels, {new_providers} of them new")
        self._say("rules", f"{version['code']} {version['version']}, {version['state']}")
        self._say("learners", f"{len(learners)}")
        self._say(
            "achievements",
            f"{counts['recorded']:,} recorded, {counts['unchanged']:,} there already, {counts['refused']:,} refused",
        )
        worth = self._add_up()
        self._say("of these", f"{worth['earning']:,} earned credits, {worth['nothing']:,} did not")
        self._say("credits", f"{Credits(worth['available'])} available, {Credits(worth['excess'])} in excess")
        if not new_providers and not counts["recorded"]:
            self._out.print("The city was loaded before: nothing has changed.")

    def show(self) -> None:
        """Print a transcript, and what a reader needs to go on."""
        path = f"/v1/learners/{self._shown}/transcript"
        spoken = {
            language: self._ask("GET", path, headers={"Accept-Language": language}).json()
            for language in ("en", "zh-Hans")
        }
        print_transcript(self._out, spoken["en"], spoken["zh-Hans"])
        css = self._http.get("/static/transcript.css").text
        for language in spoken:
            asked = {"Accept-Language": language, "Accept": "text/html"}
            save_page(self._page(language), self._ask("GET", path, headers=asked).text, css)
        self._show_addresses(path)

    def _page(self, language: str) -> Path:
        return self._folder / f"transcript.{language}.html"

    def _show_addresses(self, path: str) -> None:
        self._out.print("\nAddresses", style="bold")
        self._say("API", f"{self._url}/v1")
        self._say("its description", f"{self._url}/openapi.json")
        self._say("this transcript", f"{self._url}{path}")
        self._say("", "with the bank's key; JSON, or a page with Accept: text/html; by Accept-Language")
        self._say("the page, saved", f"{self._page('en')}, {self._page('zh-Hans')}")
        self._say("health, figures", f"{self._url}/readyz, {self._url}/metrics")
        self._out.print("\nKeys", style="bold")
        for name, whose in (
            ("bank", "the bank's own, with every scope"),
            ("approver", "the bank's own, to approve what the other wrote"),
            ("university", "Yunjiang University"),
            ("network", "the guidance centre, with all below it"),
        ):
            self._say(name, f"{self._keys[name]}  {whose}")
        self._out.print("\nYour first achievement, as the university", style="bold")
        # Nothing is broken into lines here: it is made to be pasted.
        self._out.print(f"KEY={self._keys['university']}", soft_wrap=True)
        self._out.print(first_request(self._url), soft_wrap=True)
        self._out.print("\nIn the folder", style="bold")
        self._say("creditbank.sqlite", f"the bank; recompute all of it: (cd {self._folder} && {_command()} verify)")
        self._say("server.log", "what the server says, one JSON object a line")
        self._say(".env, keys.json", "its secrets and keys; remove the folder to begin anew")

    def _say(self, what: str, text: str) -> None:
        self._out.print(f"  {what:<18}{text}", soft_wrap=True)

    # --- Over HTTP ----------------------------------------------------------------------------------------------------

    def _ask(
        self, method: str, path: str, *, key: str = "bank", done_before: str | None = None, **options: Any
    ) -> httpx.Response:
        """The answer to a request; a refusal with the code ``done_before`` is one too. Raises DemoFailed."""
        headers = {"Authorization": f"Bearer {self._keys[key]}", **options.pop("headers", {})}
        answer = self._http.request(method, path, headers=headers, **options)
        if answer.is_error and answer.json().get("code") != done_before:
            raise DemoFailed(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer

    def _enter_network(self) -> int:
        answers = [
            self._ask("POST", "/v1/providers", json=one.as_provider(), done_before="provider_code_taken")
            for one in city.INSTITUTIONS
        ]
        return sum(answer.status_code == 201 for answer in answers)

    def _accredit(self) -> None:
        listed = self._ask("GET", "/v1/providers", params={"limit": 500}).json()["items"]
        for provider in listed:
            if provider["code"] in city.ACCREDITED:
                path = f"/v1/providers/{provider['id']}/accreditations"
                entry = {"register": city.REGISTER, "from": city.ACCREDITED_FROM}
                if not self._ask("GET", path).json()["items"]:
                    self._ask("POST", path, json=entry)

    def _publish(self) -> dict[str, Any]:
        document = files("creditbank.demo").joinpath("rules.yaml").read_bytes()
        found = self._ask("GET", "/v1/rule-sets").json()["items"]
        versions: list[dict[str, Any]] = [version for rule_set in found for version in rule_set["versions"]]
        if not versions:
            media_type = {"Content-Type": "application/yaml"}
            versions = [self._ask("POST", "/v1/rule-sets", content=document, headers=media_type).json()]
        for version in versions:
            if version["state"] not in {"published", "superseded", "withdrawn"}:
                self._lead(version)
        return versions[-1]

    def _lead(self, version: dict[str, Any]) -> None:
        """Lead a version from draft to published, which takes another client's approval, and print each step."""
        path = f"/v1/rule-sets/{version['rule_set']}/versions/{version['version']}"
        tests = self._ask("POST", f"{path}/validate").json()["tests"]
        self._say("rules", f"{version['code']} {version['version']}: validated, its {tests} tests hold")
        self._ask("POST", f"{path}/simulate")
        while (simulation := self._ask("GET", f"{path}/simulation").json())["state"] in {"waiting", "running"}:
            time.sleep(_POLL_SECONDS)
        if simulation["report"] is None:
            raise DemoFailed(f"the simulation is {simulation['state']}")
        seen = simulation["report"]["learners"]
        self._say("", f"simulated over {seen['seen']} learners: {seen['gaining']} gain, {seen['losing']} lose")
        for step in ("approve", "publish"):
            version.update(self._ask("POST", f"{path}/{step}", key="approver").json())
        self._say("", "approved by a second client, published")

    def _open_accounts(self, learners: Sequence[city.Learner]) -> None:
        for learner in learners:
            if learner.university_number is not None:
                self._ask("POST", "/v1/learners", json=learner.as_account(), done_before="identity_taken")
        shown = {"identity": city.SHOWN.identity(city.NETWORK)}
        self._shown = self._ask("POST", "/v1/learners/resolve", json=shown).json()["id"]

    def _post(self, achievements: dict[str, list[city.Json]]) -> Counter[str]:
        counts: Counter[str] = Counter()
        bar = Progress(
            TextColumn("  posting"),
            BarColumn(),
            MofNCompleteColumn(),
            console=self._out,
            transient=True,
            disable=not self._out.is_terminal,
        )
        with bar:
            task = bar.add_task("posting", total=sum(map(len, achievements.values())))
            for issuer, mine in achievements.items():
                for at in range(0, len(mine), _BATCH):
                    batch = mine[at : at + _BATCH]
                    answer = self._ask("POST", "/v1/achievements/batch", key=_SPEAKS_FOR[issuer], json=batch).json()
                    counts.update(answer["counts"])
                    self._ids |= {
                        item["achievement"]["learner_id"] for item in answer["results"] if "problem" not in item
                    }
                    bar.advance(task, len(batch))
        return counts

    def _add_up(self) -> Counter[str]:
        """What everybody has, in thousandths of a credit, and how many achievements earned something, from transcripts.

        What was answered to a post may have changed since: a better result of a unit takes an earlier one's place.
        """
        worth: Counter[str] = Counter()
        for id_ in sorted(self._ids):
            transcript = self._ask("GET", f"/v1/learners/{id_}/transcript").json()
            for line in transcript["achievements"]:
                earns = any(credit["credits"] != "0" for credit in line["recognised"])
                worth["earning" if earns else "nothing"] += 1
            for total in transcript["totals"]:
                worth["available"] += Credits.parse(total["by_state"]["available"]).milli
                worth["excess"] += Credits.parse(total["by_state"]["excess"]).milli
        return worth

    # --- Past HTTP: programs are let in by whoever runs the bank ------------------------------------------------------

    def _let_in(self, name: str) -> None:
        """A key for this client: the one that was kept if it is still good, else a new one."""
        file = self._folder / "keys.json"
        kept: dict[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        if name not in kept or not self._is_good(kept[name]):
            kept[name] = asyncio.run(self._create(_CLIENTS[name]))
            _keep(file, json.dumps(kept, indent=1) + "\n")
        self._keys[name] = kept[name]

    def _is_good(self, key: str) -> bool:
        return self._http.get("/v1/providers", headers={"Authorization": f"Bearer {key}"}).is_success

    async def _create(self, new: NewClient) -> str:
        database = Database(self._database_url)
        async with database.write() as connection:
            _, key = await create_client(connection, new, system_clock())
        await database.close()
        return str(key)
