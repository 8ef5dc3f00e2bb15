"""Store every repeat as soon as it is measured, as a line of JSON, so that an interrupted run can be resumed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift._system.json_lines import JsonLines
from edgeshift.benchmarks.latency.result import Memory, Minute, Repeat


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One line of the journal: a result of one process.

    Attributes:
        key: hash of the artifact, the device and the settings, see ``Plan.key``.
        index: number of the repeat, from 0; -1 for memory.
        repeat, minute, memory: the result; two of the three are None. A minute is stored for the user to read only: a
            resumed run measures an incomplete repeat again.
    """

    key: str
    index: int
    repeat: Repeat | None = None
    minute: Minute | None = None
    memory: Memory | None = None


class Journal:
    """The results of a run in a file. Arguments and errors as ``JsonLines``."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._lines = JsonLines(path, Entry, resume=resume)
        self._repeats = {(e.key, e.index): e.repeat for e in self._lines.entries if e.repeat is not None}
        self._memory = {e.key: e.memory for e in self._lines.entries if e.memory is not None}

    @staticmethod
    def beside(out: Path) -> Path:
        """Return the path of the journal of a report."""
        return out.with_suffix(".repeats.jsonl")

    @property
    def holds_results(self) -> bool:
        """Whether a result is stored now."""
        return self._lines.holds_results

    def repeat(self, key: str, index: int) -> Repeat | None:
        """Return a stored repeat; None: it was not measured yet."""
        return self._repeats.get((key, index))

    def memory(self, key: str) -> Memory | None:
        """Return the stored memory; None: it was not measured yet."""
        return self._memory.get(key)

    def add(self, entry: Entry) -> None:
        """Store a result."""
        self._lines.add(entry)
