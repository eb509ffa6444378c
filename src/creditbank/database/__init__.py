"""The engine, the transaction at the edge, and the only code that knows which database it talks to."""
