"""How fast the bank is, always measured against what PostgreSQL itself can do with the same rows."""
