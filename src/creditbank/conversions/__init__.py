"""From credits to an award: apply, hold, decide, redeem, annul; and credits that change their unit or institution."""
