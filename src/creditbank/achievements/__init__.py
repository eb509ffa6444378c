"""What providers say that learners did: facts, in versions of which the highest counts."""
