"""Programmes: entering them, what is missing for the award, and the nearest ways to it (rules/v1 sections 7, 19)."""
