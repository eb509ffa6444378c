"""Sandboxes: a bank of their own for test credentials, with the bank's rules and network and a clock that travels."""
