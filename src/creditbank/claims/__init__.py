"""Where people decide: rulings, claims of prior learning with their evidence, appeals, and one work list."""
