"""How people sign in: the pages, local passwords, and identity providers elsewhere."""
