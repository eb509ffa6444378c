"""What learners let institutions read that these could not read otherwise."""
