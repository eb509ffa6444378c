"""The Learning Credit Bank: achievements are facts, recognition is a function, the ledger posts differences."""

__version__ = "0.1.0"
