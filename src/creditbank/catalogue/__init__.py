"""What the bank offers to be named: its public code lists; later offerings and resources."""
