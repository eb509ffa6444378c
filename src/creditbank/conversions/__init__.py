"""What people do about an award: apply, decide, withdraw, annul."""
