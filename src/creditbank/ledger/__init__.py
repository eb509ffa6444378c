"""Lots and postings: where every credit is, and how it came there. Postings are never changed."""
