"""Journals: each result of a long run is appended to a file as a JSON line, so that an interrupted run can resume."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from edgeshift._system.files import atomic_write, read_file
from edgeshift.errors import EdgeshiftError

#: Largest file that is read, bytes.
MAX_BYTES = 1 << 30
Entry = TypeVar("Entry")


class JsonLines(Generic[Entry]):
    """A file with one JSON line for each entry.

    Args:
        path: path of the file.
        entry_type: type of the entries.
        resume: keep the entries that the file already holds. False: start without entries.

    Attributes:
        entries: the entries that the file held when it was opened.

    Raises:
        EdgeshiftError: the file cannot be read or written, or holds something else.
    """

    def __init__(self, path: Path, entry_type: type[Entry], *, resume: bool = False) -> None:
        self.path = path
        self.entries: list[Entry] = self._read(entry_type) if resume else []
        try:
            if self.entries:
                # The file is written anew, because the next entry must not be appended to an incomplete last line.
                with atomic_write(path) as temporary:
                    temporary.write_bytes(b"".join(map(_line, self.entries)))
            else:  # the first entry creates the file, so that a run that fails before it leaves no empty file
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    def add(self, entry: Entry) -> None:
        """Append an entry to the file.

        Raises:
            EdgeshiftError: the entry cannot be written. The earlier entries are kept.
        """
        try:
            with self.path.open("ab") as file:
                file.write(_line(entry))
        except OSError as error:
            raise _unwritable(self.path, error) from error

    @property
    def holds_results(self) -> bool:
        """Whether the file has an entry now."""
        return self.path.is_file()

    def _read(self, entry_type: type[Entry]) -> list[Entry]:
        try:
            *lines, _incomplete = read_file(self.path, MAX_BYTES).split(b"\n")
        except EdgeshiftError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return []
            raise EdgeshiftError(f"{error}; run again without --resume") from error
        try:
            return [msgspec.json.decode(line, type=entry_type) for line in lines]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise EdgeshiftError(
                f"{self.path} is damaged or not a journal of this command: run again without --resume"
            ) from error


def require_resume(journal: Path, out: Path, *, resume: bool) -> None:
    """Refuse to overwrite the journal of an interrupted run.

    Raises:
        EdgeshiftError: without ``resume``, the journal holds results, and their report ``out`` was not written.
    """
    if not resume and not out.exists() and journal.is_file() and journal.stat().st_size:
        raise EdgeshiftError(
            f"{journal} holds the results of an interrupted run: add --resume to continue it, or remove the file"
        )


def resume_without_effect(journal: Path) -> str | None:
    """Return why ``--resume`` has no effect, as for ``edgeshift.cli.effect``; None: the journal may hold results."""
    if journal.exists() and (journal.stat().st_size or not journal.is_file()):
        return None
    return f"without an earlier run: {journal} holds no results; leave it out"


def _unwritable(path: Path, error: OSError) -> EdgeshiftError:
    return EdgeshiftError(f"{path}: cannot be written: {error.strerror or error}")


def _line(entry: object) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
