"""``python -m edgeshift``."""

from edgeshift.cli import main

main()
