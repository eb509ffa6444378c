"""Merges: two accounts of one person become one, and two again."""
