"""From facts to credits: evaluate a learner and post the difference. One path for every cause."""
