"""Which credits fill which requirement of a programme: exact, deterministic, explained (rules/v1 section 19)."""
