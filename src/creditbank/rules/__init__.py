"""The rule language rules/v1: reading documents, compiling, evaluating, explaining. Pure: no table, clock or I/O."""
