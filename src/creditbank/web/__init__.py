"""The edge kit, which knows no noun: problems, paging, idempotency, bodies, request ids, metrics."""
