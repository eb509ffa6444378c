"""A learner's rights over what the bank holds of them: erasure, export, consent, and who looked."""
