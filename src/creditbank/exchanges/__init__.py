"""Exchanges of credits: into another unit, or to another institution."""
