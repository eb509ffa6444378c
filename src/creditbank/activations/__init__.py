"""How a learner comes into the account that an institution opened: by a code and something only they know."""
