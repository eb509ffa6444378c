"""Checkpoints: a signed, append-only log of where every learner's hash chain stood (RFC 6962, decision 0022)."""
