"""Where people live: administrative divisions, groups of districts with their own targets, and how many live there."""
