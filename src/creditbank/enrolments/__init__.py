"""Who is enrolled in which programme, since when, and by which version it is governed (rules/v1 section 12)."""
