"""A server in a thread of this process: it ends with the process, however that ends."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

_PORTS_TRIED: Final = 20
_PATIENCE_SECONDS: Final = 30


class NotServing(Exception):
    """The server could not be started; the text says why."""


def take_port(host: str, port: int) -> socket.socket:
    """A socket bound to the port, or to the next one that is free. 0 takes any. Raises NotServing."""
    for candidate in range(port, min(port + _PORTS_TRIED, 2**16)):
        taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, candidate))
            # Only who listens holds the port: two sockets may be bound to it.
            taken.listen()
        except OSError as wrong:
            taken.close()
            if wrong.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise NotServing(f"{host} is no address of this machine ({wrong.strerror}).") from wrong
        else:
            return taken
    raise NotServing(f"Port {port} and the {_PORTS_TRIED - 1} after it are taken; choose another with --port.")


@contextmanager
def serving(app: FastAPI, at: socket.socket) -> Iterator[threading.Event]:
    """The application served on the socket for the time of a ``with`` block; the event says that it ended by itself.

    Raises NotServing. Whoever waits for the end waits for the event: a Ctrl-C that interrupts ``Thread.join`` makes
    Python 3.11 take a running thread for an ended one.
    """
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    ended = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[at])
        finally:
            ended.set()

    threading.Thread(target=run, name="server", daemon=True).start()
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not server.started:
            if ended.is_set() or time.monotonic() > deadline:
                raise NotServing("The server did not start.")
            time.sleep(0.01)
        yield ended
    finally:
        server.should_exit = True
        ended.wait()
        at.close()
