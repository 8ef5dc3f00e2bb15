"""Which cameras a Linux machine has."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgeshift._system.text import printable


class Known(NamedTuple):
    """A camera. path: ``/dev/video0``. name: as its driver calls it."""

    path: str
    name: str


def known_cameras(root: Path = Path("/")) -> list[Known]:
    """The video devices of this machine, in the order of their numbers.

    A camera often has a second device for data about its pictures: that one is listed too, as nothing in its name
    tells it apart.

    Args:
        root: of the file system, for tests.
    """
    found = [path for path in (root / "dev").glob("video*") if path.name[5:].isdecimal()]
    return [
        Known(f"/dev/{path.name}", _name(root / "sys/class/video4linux" / path.name / "name"))
        for path in sorted(found, key=lambda path: int(path.name[5:]))
    ]


def cameras_in_words(root: Path = Path("/")) -> str:
    """Part of a line that says which cameras there are."""
    found = known_cameras(root)
    if not found:
        return "this machine has no camera (no /dev/video*)"
    return "cameras here: " + ", ".join(f"{one.path} ({one.name})" for one in found)


def _name(path: Path) -> str:
    try:
        text = path.read_bytes()[:256].decode("utf-8", "replace")
    except OSError:
        return "no name"
    return printable(text.strip(), replacement="") or "no name"
