"""The closed model of the rule language, one module a part (rules/v1 sections 2 to 9).

``values`` has numbers, days, ids and texts (section 2), ``definitions`` the header and what rules refer to (3 and 4),
``recognition`` rules, limits and validity (5 and 6), ``programmes`` awards and transitions (7 and 8), ``examples`` the
tests (9).
"""
