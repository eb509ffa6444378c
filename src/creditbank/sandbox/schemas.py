"""API shapes of a sandbox."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from creditbank.web.fields import Body, Instant


class TravelIn(Body):
    """When it shall be in the sandbox."""

    to: Annotated[Instant, Field(strict=False, description="not before its present")]


class SandboxOut(BaseModel):
    """How a sandbox stands."""

    now: datetime = Field(description="by the sandbox's own clock")
    made_at: datetime = Field(description="when it was made or last reset, by the bank's clock")
    is_settled: bool = Field(description="false while something that time has brought is still being worked off")
