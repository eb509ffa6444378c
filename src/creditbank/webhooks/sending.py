"""One try to deliver one event: signed, to an address that was looked at, and over soon whatever the receiver does."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import orjson
from standardwebhooks.webhooks import Webhook

from creditbank import __version__
from creditbank.access.domain import Network, is_within
from creditbank.clock import Clock, system_clock
from creditbank.webhooks.addresses import Resolve, is_allowed, read_url, resolver
from creditbank.webhooks.domain import Attempt, Outcome, Parcel, WebhookUrlRefused

CONTENT_TYPE: Final = "application/cloudevents+json"
# Of a name that leads to many machines so many are tried, while none of them answers the door.
_MACHINES_MAX: Final = 4


class NoMachine(Exception):
    """There is no machine to which this may be sent; the text is the code of what is wrong."""


def event_of(parcel: Parcel, public_url: str, source: str) -> bytes:
    """The event as it is sent: a CloudEvent in the JSON format, the same at each try."""
    instant = parcel.occurred_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(parcel.id),
        "source": source,
        "type": parcel.type,
        "subject": parcel.path,
        "time": instant,
        "datacontenttype": "application/json",
        "data": {**parcel.data, "link": public_url + parcel.path},
    }
    return orjson.dumps(event)


def headers_of(parcel: Parcel, body: bytes, now: datetime) -> dict[str, str]:
    """What goes with the body: its id, when it is sent, and a signature under each live secret."""
    text = body.decode()
    signatures = [Webhook(secret).sign(str(parcel.id), now, text) for secret in parcel.secrets]
    return {
        "content-type": CONTENT_TYPE,
        "content-length": str(len(body)),
        "user-agent": f"creditbank/{__version__}",
        "webhook-id": str(parcel.id),
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends events. ``networks`` are the private ones that are allowed; ``seconds`` is all the time there is for a try.

    ``source`` names the bank in events. Signed is by the real clock, whatever time a sandbox has.
    """

    public_url: str
    source: str
    networks: Sequence[Network]
    seconds: float
    resolve: Resolve
    context: ssl.SSLContext
    clock: Clock = system_clock

    @classmethod
    def of(cls, public_url: str, source: str, networks: Sequence[Network], seconds: float) -> Sender:
        """A sender that resolves names as this machine does and trusts whom it trusts."""
        context = httpx2.create_ssl_context(trust_env=False)
        return cls(public_url, source, networks, seconds, resolver(), context)

    async def send(self, parcel: Parcel) -> Outcome:
        """Try once. Whatever goes wrong is an outcome."""
        at, began = self.clock(), time.monotonic()
        status: int | None = None
        retry_after: timedelta | None = None
        problem: str | None
        try:
            async with asyncio.timeout(self.seconds):
                status, headers = await self._post(parcel, at)
            problem = _problem_of(status)
            retry_after = _asked(headers)
        except TimeoutError:
            problem = "timeout"
        except NoMachine as none:
            problem = str(none)
        except (httpx2.ConnectError, OSError) as error:
            problem = "tls" if _is_of_tls(error) else "unreachable"
        except httpx2.HTTPError:
            problem = "broken_answer"
        return Outcome(Attempt(at, status, problem, int((time.monotonic() - began) * 1000)), retry_after)

    async def _post(self, parcel: Parcel, now: datetime) -> tuple[int, Mapping[str, str]]:
        """The status and the headers of the answer; its body is read by nobody. Raises NoMachine, httpx2.HTTPError."""
        try:
            url = read_url(parcel.url, self.networks)
        except WebhookUrlRefused as refused:
            # What the operator allowed when the webhook was made is allowed no more.
            raise NoMachine("address_refused") from refused
        body = event_of(parcel, self.public_url, self.source)
        headers = headers_of(parcel, body, now)
        error: Exception | None = None
        for address in await self._machines(url):
            try:
                return await self._post_to(address, url, headers, body)
            except httpx2.ConnectError as failed:
                # Nothing was sent yet, so the next may be tried.
                error = failed
        raise error or NoMachine("unresolved")

    async def _machines(self, url: httpx2.URL) -> Sequence[str]:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = await self.resolve(url.host, port)
        except (OSError, UnicodeError) as unknown:
            raise NoMachine("unresolved") from unknown
        # One that may not be sent to spoils all: whoever names both hopes that the wrong one is taken.
        networks = self.networks
        if not all(is_allowed(address, networks) for address in addresses):
            raise NoMachine("address_refused")
        if url.scheme == "http" and not all(is_within(address, networks) for address in addresses):
            raise NoMachine("address_refused")
        return addresses[:_MACHINES_MAX]

    async def _post_to(
        self, address: str, url: httpx2.URL, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str]]:
        # A transport follows no redirects, keeps no cookies and asks no proxy. It is of this one try: a connection that
        # was made in one receiver's name never carries what is another's.
        host = url.netloc.decode("ascii")
        request = httpx2.Request(
            "POST",
            url.copy_with(host=address),
            headers={"host": host, **headers},
            content=body,
            # The certificate must be that of the name, though the connection is made to the machine.
            extensions={
                "sni_hostname": url.raw_host.decode("ascii"),
                "timeout": httpx2.Timeout(self.seconds).as_dict(),
            },
        )
        async with httpx2.AsyncHTTPTransport(verify=self.context, trust_env=False) as transport:
            answer = await transport.handle_async_request(request)
            await answer.aclose()
            return answer.status_code, answer.headers


def _problem_of(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "redirected" if 300 <= status < 400 else "refused"


def _asked(headers: Mapping[str, str]) -> timedelta | None:
    """How long the receiver asks to be left alone, in whole seconds; a date is as good as nothing said."""
    given = headers.get("retry-after", "").strip()
    return timedelta(seconds=int(given)) if given.isascii() and given.isdigit() and len(given) < 8 else None


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
