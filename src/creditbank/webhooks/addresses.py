"""Where events may be sent: what an address may look like, and to which machines a name may lead.

A name is resolved once for each try, every machine it leads to is looked at, and the connection is made to the one that
was looked at: a name that leads elsewhere a moment later leads nobody anywhere (decision 44).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx2

from creditbank.access.domain import Network, is_within
from creditbank.webhooks.domain import WebhookUrlRefused

URL_CHARS_MAX: Final = 2000

# Set apart by IANA, which not every Python knows; the last of them carry an IPv4 address inside, or stand for one, and
# would lead where the address itself may not.
_SET_APART: Final = (
    IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv6Network("::/96"),
    IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2001::/32"),
    IPv6Network("2002::/16"),
)  # fmt: skip

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of the machines to which a name and a port lead. Raises OSError when it leads nowhere."""

# Threads of their own: a name server that does not answer keeps nobody else waiting.
_RESOLVERS: Final = 32


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether the whole world may be sent there: no private, local, shared, reserved or multicast address."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    is_site_local = isinstance(address, IPv6Address) and address.is_site_local
    return not (is_site_local or any(address in network for network in _SET_APART))


def is_allowed(address: str, networks: Sequence[Network]) -> bool:
    """Whether events are sent to this machine: it is public, or in a network that the operator allowed."""
    try:
        at = ip_address(address)
    except ValueError:
        return False
    at = getattr(at, "ipv4_mapped", None) or at
    return is_within(str(at), networks) or is_public(at)


def read_url(text: str, networks: Sequence[Network]) -> httpx2.URL:
    """An address to which events may be sent, as far as it can be told without asking anybody.

    Plain http is only for networks that the operator allowed. Raises WebhookUrlRefused.
    """
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as wrong:
        raise WebhookUrlRefused from wrong
    schemes = {"https", "http"} if networks else {"https"}
    if url.scheme not in schemes or not url.host or url.userinfo or url.fragment or len(text) > URL_CHARS_MAX:
        raise WebhookUrlRefused
    if url.port is not None and not 0 < url.port < 65536:
        raise WebhookUrlRefused
    try:
        ip_address(url.host)
    except ValueError:
        return url
    if not is_allowed(url.host, networks):
        raise WebhookUrlRefused
    return url


def shown(text: str) -> str:
    """An address as it may be shown: what follows the question mark is often as good as a password."""
    before, mark, after = text.partition("?")
    return f"{before}{mark}…" if after else text


def resolver() -> Resolve:
    """The machine's own way to resolve names."""
    threads = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="webhook-names")

    async def resolve(host: str, port: int) -> Sequence[str]:
        def look() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))

        return await asyncio.get_running_loop().run_in_executor(threads, look)

    return resolve
