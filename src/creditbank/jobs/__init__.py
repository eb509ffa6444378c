"""Work that outlives a request: the job table, leases with fence tokens, and the worker that runs them."""
