"""What every route needs of the bank, built once by the composition root and found on the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from creditbank.clock import Clock, learning_day
from creditbank.database.engine import Database
from creditbank.sealing import LearnerKey, Vault
from creditbank.settings import Settings

FindKey = Callable[[AsyncConnection, UUID], Awaitable[LearnerKey | None]]
"""Finds the key to what is sealed of a learner; None when the learner was erased. The edge kit knows no learners."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The parts of the bank that all routes share."""

    settings: Settings
    database: Database
    vault: Vault
    clock: Clock
    find_key: FindKey

    def today(self) -> date:
        """The day of learning now, in the bank's own time zone."""
        return learning_day(self.clock(), self.settings.zone)


async def edge_of(request: Request) -> Edge:
    """The edge that the composition root put on the application.

    A coroutine though it awaits nothing, as every dependency here: the framework runs a plain function in a thread,
    which costs a request more than all the rest of its way in.
    """
    found: Edge = request.app.state.edge
    return found


EdgeDep = Annotated[Edge, Depends(edge_of)]
