"""Whether there is a screen to open a window on: a library that finds none would end the process."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

#: Seconds that a display of the network may take to answer.
PATIENCE = 2.0


def why_no_screen(environ: Mapping[str, str] | None = None) -> str | None:
    """A few words on why no window can be opened; None: one can, as far as can be told without opening it."""
    environ = os.environ if environ is None else environ
    if sys.platform != "linux":
        return None
    wayland = environ.get("WAYLAND_DISPLAY")
    if wayland and (Path(environ.get("XDG_RUNTIME_DIR", "/run")) / wayland).exists():
        return None
    display = environ.get("DISPLAY")
    if not display:
        return "there is no display here (DISPLAY is not set)"
    if not _answers(display):
        return f"the display {display!r} does not answer"
    return None


def _answers(display: str) -> bool:
    found = re.fullmatch(r"(?:unix/)?([^:]*):(\d{1,4})(?:\.\d+)?", display)
    if not found:
        return False
    host, number = found[1], int(found[2])
    if host in ("", "unix"):
        places: list[str] = [f"\0/tmp/.X11-unix/X{number}", f"/tmp/.X11-unix/X{number}"]  # noqa: S108
        return any(_connects(socket.AF_UNIX, place) for place in places)
    return _connects(socket.AF_INET, (host, 6000 + number))


def _connects(family: socket.AddressFamily, place: str | tuple[str, int]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(place)
    except OSError:
        return False
    return True
