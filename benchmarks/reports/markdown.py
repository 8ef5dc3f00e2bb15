"""Markdown, for a pull request or a README. Text of reports is untrusted and escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: What Markdown or HTML would take for more than text.
SPECIAL = re.compile(r"([\\`*_\[\]<>|~&$@]|^[#+-]|:(?=//))")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; numbers stand right."""
    right = [bool(rows) and all(str(row[at])[:1] in "-0123456789" for row in rows) for at in range(len(columns))]
    lines = [columns, ["---:" if side else "---" for side in right]]
    body = [[escape(str(value)) for value in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (*lines, *body))


def escape(text: str) -> str:
    """Text that stays text, on one line."""
    plain = re.sub(r"(?i)(www)\.", r"\1 .", " ".join(text.split()))  # GitHub makes links of bare names
    return plain if plain == "-" else SPECIAL.sub(r"\\\1", plain)
