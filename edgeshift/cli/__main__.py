"""``python -m edgeshift.cli``."""

from edgeshift.cli import main

main()
