"""Store the result of every clip as soon as it is measured, so that an interrupted run can be resumed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift._system.json_lines import JsonLines
from edgeshift.benchmarks.accuracy.score import ClipScore
from edgeshift.stream.placement import Placement


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the journal.

    Attributes:
        key: hash of the artifact and its event rule, see ``Candidate.key``.
        bytes: size of the clip's file.
        clip: the predictions for the clip.
        ran_on: where the graph ran; None: the entry is older than this field, or the device did not say it.
    """

    key: str
    bytes: int
    clip: ClipScore
    ran_on: Placement | None = None


class Journal:
    """The results of all artifacts in one file. Arguments and errors as ``JsonLines``."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._lines = JsonLines(path, Entry, resume=resume)
        self._entries = {(entry.key, entry.clip.file): entry for entry in self._lines.entries}

    @staticmethod
    def beside(out: Path) -> Path:
        """Return the path of the journal of a report."""
        return out.with_suffix(".clips.jsonl")

    @property
    def holds_results(self) -> bool:
        """Whether a result is stored now."""
        return self._lines.holds_results

    def find(self, key: str, file: str, label: str, size: int) -> Entry | None:
        """Return the stored result of a clip; None: it was not measured yet, or its label or file changed."""
        entry = self._entries.get((key, file))
        return entry if entry and entry.bytes == size and entry.clip.label == label else None

    def add(self, key: str, size: int, clip: ClipScore, ran_on: Placement | None = None) -> None:
        """Store a result."""
        self._lines.add(Entry(key, size, clip, ran_on))
