"""``python -m creditbank`` is ``creditbank``."""

from creditbank.cli import main

main()
