"""How people open accounts of their own, and how somebody confirms whose they are."""
