"""Remember which Python the user chose on a board: one small file per board in the user's configuration folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec

from edgeshift._system.files import atomic_write
from edgeshift._system.text import PRINTABLE_PATTERN
from edgeshift.errors import DeviceError

#: Largest size of a file, bytes.
MAX_BYTES = 1 << 14


class BoardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose for a board: the path of the Python there."""

    python: Annotated[str, msgspec.Meta(min_length=1, max_length=1024, pattern=PRINTABLE_PATTERN)]


def settings_file(name: str) -> Path:
    """Return the path of the file for a board, such as ``~/.config/edgeshift/boards/pi@raspberrypi.json``."""
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return folder / "edgeshift" / "boards" / f"{quote(name.removeprefix('ssh://').rstrip('/'), safe='@')}.json"


def remembered_python(name: str) -> str | None:
    """Return the Python that was chosen for the board ``name``, such as "ssh://pi"; None: none was chosen.

    Raises:
        DeviceError: the file is damaged.
    """
    path = settings_file(name)
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=BoardSettings).python
    except OSError:
        return None  # there is no such file, or it cannot be read: the usual places are searched
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DeviceError(f"{path} is damaged: remove it, and give --python again") from error


def remember_python(name: str, python: str | None) -> None:
    """Remember the Python for a board; None: forget it.

    Raises:
        OSError: the file cannot be written.
    """
    path = settings_file(name)
    if python is None:
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(BoardSettings(python=python)))
