"""What was answered to each clip, as it comes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift._system.json_lines import JsonLines
from edgeshift.benchmarks.accuracy.score import ClipScore


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One result: ``key`` says of which artifact, under which rule; ``bytes`` how large the clip was."""

    key: str
    bytes: int
    clip: ClipScore


class Journal:
    """The results of all artifacts in one file. Arguments and errors as of ``JsonLines``."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._lines = JsonLines(path, Entry, resume=resume)
        self._entries = {(entry.key, entry.clip.file): entry for entry in self._lines.entries}

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
        self._lines.add(Entry(key, size, clip))
