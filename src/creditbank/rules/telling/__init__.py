"""Traces told to people who know nothing of the rule language, in English and Chinese."""
