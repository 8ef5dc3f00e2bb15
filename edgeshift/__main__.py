"""The command line, started as ``python -m edgeshift``."""

from edgeshift.cli import main

main()
