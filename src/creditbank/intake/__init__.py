"""The doors through which achievements come in, and the one write path behind them."""
