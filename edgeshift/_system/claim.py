"""Record the arguments of long work in its folder, so that a run with other arguments does not continue there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from edgeshift._system.files import atomic_write, read_file

#: Size of the largest file that is read, bytes.
MAX_BYTES = 1 << 20


def claim(path: Path, arguments: Any) -> dict[str, tuple[Any, Any]]:
    """Write the arguments of long work to a JSON file, or compare them with those in the file if it exists.

    Args:
        path: the file; its folder is created.
        arguments: anything that msgspec encodes as a JSON object.

    Returns:
        {name: (value in the file, value now)} of the arguments that differ; empty if none does, or the file is new.

    Raises:
        ValueError: the file is damaged.
        EdgeshiftError: the file cannot be read.
        OSError: the file cannot be written.
    """
    data = msgspec.json.encode(arguments)
    if not path.exists():
        write_arguments(path, arguments)
        return {}
    try:
        before, now = msgspec.json.decode(read_file(path, MAX_BYTES)), msgspec.json.decode(data)
        if not isinstance(before, dict) or not before.keys() & now.keys():
            raise TypeError("these are other arguments")
        # Older files lack arguments that were added later, for which None stands.
        before = dict.fromkeys(now) | before
        # Values are compared as JSON, because the order of the keys of an object may matter.
        return {
            name: (before[name], now[name])
            for name in now
            if msgspec.json.encode(before[name]) != msgspec.json.encode(now[name])
        }
    except (msgspec.MsgspecError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def write_arguments(path: Path, arguments: Any) -> None:
    """Write the arguments of long work to its file, in place of those that it holds."""
    with atomic_write(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(arguments), indent=1))
