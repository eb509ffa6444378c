"""Telling partners' programs what happened: webhooks, the outbox they are told from, and whoever carries it there."""
