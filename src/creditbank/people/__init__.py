"""People who work with the bank: their accounts, the roles they hold and where, how they sign in, their sessions."""
