"""Stored rule sets: versions, publication by two times, and the compiled book that settling reads."""
