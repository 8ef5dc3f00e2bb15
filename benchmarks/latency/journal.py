"""Repeats as they come, a JSON line each."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeshift._system.json_lines import JsonLines
from edgeshift.benchmarks.latency.result import Memory, Minute, Repeat


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One process that ended: ``key`` says of which artifact, on which device, under which settings."""

    key: str
    index: int
    repeat: Repeat | None = None
    minute: Minute | None = None
    memory: Memory | None = None


class Journal:
    """What is known already. Arguments and errors as of ``JsonLines``."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self._lines = JsonLines(path, Entry, resume=resume)
        self._repeats = {(e.key, e.index): e.repeat for e in self._lines.entries if e.repeat is not None}
        self._memory = {e.key: e.memory for e in self._lines.entries if e.memory is not None}

    @staticmethod
    def beside(out: Path) -> Path:
        """Where the journal of a report lies."""
        return out.with_suffix(".repeats.jsonl")

    def repeat(self, key: str, index: int) -> Repeat | None:
        """A repeat that was measured before."""
        return self._repeats.get((key, index))

    def memory(self, key: str) -> Memory | None:
        """The memory that was read before."""
        return self._memory.get(key)

    def add(self, key: str, index: int, repeat: Repeat) -> None:
        """Keep a repeat."""
        self._repeats[key, index] = repeat
        self._lines.add(Entry(key=key, index=index, repeat=repeat))

    def add_minute(self, key: str, index: int, minute: Minute) -> None:
        """Keep a point of a repeat that goes on: there to be read if it never ends, and measured again with it."""
        self._lines.add(Entry(key=key, index=index, minute=minute))

    def add_memory(self, key: str, memory: Memory) -> None:
        """Keep a reading of memory."""
        self._memory[key] = memory
        self._lines.add(Entry(key=key, index=-1, memory=memory))
