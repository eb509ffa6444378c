"""Learners' accounts, their keys, and how they are found."""
