"""OAuth 2.0 client credentials (RFC 6749 section 4.4): a key as the secret, or `private_key_jwt` (RFC 7523)."""
