"""The log: one JSON object a line, with the request's id, and never a word about a person."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import orjson
import structlog


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send everything, the libraries' words too, to the stream (by default standard error) as JSON."""
    stream = stream or sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value).decode()),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    # The access line is the envelope's: the server's own would name paths, which may identify a person.
    logging.getLogger("uvicorn.access").disabled = True
    # These would write down addresses and the values bound to statements, or simply too much.
    for name in ("aiosqlite", "alembic", "httpcore", "httpcore2", "httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
