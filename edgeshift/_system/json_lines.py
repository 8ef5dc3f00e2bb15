"""Results as they come, a JSON line each: a run that was cut off goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edgeshift._system.files import atomic_write
from edgeshift.errors import EdgeshiftError

MAX_BYTES = 1 << 30
Entry = TypeVar("Entry")


class JsonLines(Generic[Entry]):
    """A file of entries of one type.

    Args:
        path: where. kind: of the entries. resume: go on with what is there; else it is begun anew.

    Attributes:
        entries: that were there.

    Raises:
        EdgeshiftError: it cannot be read or written, or is no such file.
    """

    def __init__(self, path: Path, kind: type[Entry], *, resume: bool = False) -> None:
        self.path = path
        self.entries: list[Entry] = self._read(kind) if resume else []
        try:
            # Rewritten: a line that was cut off must not run into the next.
            with atomic_write(path) as temporary:
                temporary.write_bytes(b"".join(map(_line, self.entries)))
        except OSError as error:
            raise EdgeshiftError(f"{path}: cannot be written: {error.strerror or error}") from error

    def add(self, entry: Entry) -> None:
        """Keep a result."""
        with self.path.open("ab") as file:
            file.write(_line(entry))

    def _read(self, kind: type[Entry]) -> list[Entry]:
        try:
            if not self.path.exists():
                return []
            if self.path.stat().st_size > MAX_BYTES:
                raise EdgeshiftError(f"{self.path}: larger than {MAX_BYTES:,} bytes, the limit for a journal")
            *lines, cut_off = self.path.read_bytes().split(b"\n")
        except OSError as error:
            raise EdgeshiftError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        del cut_off  # empty, if the run before was not cut off while it wrote
        try:
            return [msgspec.json.decode(line, type=kind) for line in lines]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise EdgeshiftError(
                f"{self.path} is damaged, or no journal of ours: run again without --resume"
            ) from error


def require_resume(journal: Path, out: Path, *, resume: bool) -> None:
    """Raise EdgeshiftError where a run that did not come to its report would be begun anew, and what it has be lost."""
    if not resume and not out.exists() and journal.is_file() and journal.stat().st_size:
        raise EdgeshiftError(
            f"{journal} has the results of a run that was cut off: go on with --resume, or remove it to begin anew"
        )


def _line(entry: object) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
