"""Equivalency tables: what institutions publish about each other's courses, and the rule sets they amount to."""
