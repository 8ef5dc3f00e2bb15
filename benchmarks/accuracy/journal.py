"""Results as they come, a JSON line each: a run that was cut off goes on where it was."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift.benchmarks.accuracy.score import ClipScore
from edgeshift.errors import EdgeshiftError
from edgeshift.files import whole_file

MAX_BYTES = 1 << 30


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One result: ``key`` says of which artifact, under which rule; ``bytes`` how large the clip was."""

    key: str
    bytes: int
    clip: ClipScore


class Journal:
    """The results of all artifacts in one file.

    Args:
        path: where. resume: go on with what is there; else it is begun anew.

    Raises:
        EdgeshiftError: it cannot be read or written, or is not a journal.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self._entries = {(entry.key, entry.clip.file): entry for entry in (self._read() if resume else ())}
        try:
            # Rewritten: a line that was cut off must not run into the next.
            with whole_file(path) as temporary:
                temporary.write_bytes(b"".join(map(_line, self._entries.values())))
        except OSError as error:
            raise EdgeshiftError(f"{path}: cannot be written: {error.strerror or error}") from error

    @staticmethod
    def beside(out: Path) -> Path:
        """Where the journal of a report lies."""
        return out.with_suffix(".clips.jsonl")

    def find(self, key: str, file: str, label: str, size: int) -> ClipScore | None:
        """The result of a clip that has not changed, if it is known."""
        entry = self._entries.get((key, file))
        return entry.clip if entry and entry.bytes == size and entry.clip.label == label else None

    def add(self, key: str, size: int, clip: ClipScore) -> None:
        """Keep a result."""
        with self.path.open("ab") as file:
            file.write(_line(Entry(key, size, clip)))

    def _read(self) -> list[Entry]:
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
            return [msgspec.json.decode(line, type=Entry) for line in lines]
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise EdgeshiftError(
                f"{self.path} is damaged, or no journal of ours: run again without --resume"
            ) from error


def _line(entry: Entry) -> bytes:
    return msgspec.json.encode(entry) + b"\n"
