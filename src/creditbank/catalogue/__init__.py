"""What the bank offers to be named: its public code lists, and the offerings of its providers."""
