"""The page's code that also exists in Python."""

from __future__ import annotations

from pathlib import Path

#: That code, built by ``make phone`` as a module for Node.
TYPESCRIPT = Path(__file__).parents[3] / "build" / "phone" / "python-copies" / "python-copies.mjs"
