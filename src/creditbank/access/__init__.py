"""Who may do what: API clients and their keys, scopes, the policy, and the audit log."""
