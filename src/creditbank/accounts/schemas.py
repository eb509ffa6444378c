"""API shapes of an account's life."""

from __future__ import annotations

from typing import Literal

from creditbank.web.fields import Body


class AccountStateIn(Body):
    """What becomes of an account, and why, as a code: what anybody said is not kept."""

    state: Literal["active", "closed", "deceased"]
    reason: Literal["learner_asked", "family_told", "register_told", "not_used", "fraud", "mistake"]
