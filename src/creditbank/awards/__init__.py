"""Applications for awards, the awards made of them, and how each of them stands."""
