"""A device that answers from a record: for tests, of edgeshift and of those who build on it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeshift.benchmarks.devices.device import Done, Line
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError, DeviceLostError


@dataclass
class RecordedDevice:
    """See ``edgeshift.benchmarks.devices.device.Device``.

    Attributes:
        answers: {begin of a command line, arguments joined by a space: what it says, or a list of that for one call
            after another}. The longest that fits answers.
        lost_after: calls of ``run`` after which the device is gone; None: never.
        calls: command lines so far. files: {name: contents} that were pushed. pushes: names that were really sent.
    """

    recorded_facts: Facts
    answers: Mapping[str, Done | list[Done]]
    name: str = "recorded"
    lost_after: int | None = None
    calls: list[list[str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], timeout: float, line: Line | None = None) -> Done:
        """The recorded answer."""
        if self.lost_after is not None and len(self.calls) >= self.lost_after:
            raise DeviceLostError(f"{self.name}: the device is gone")
        self.calls.append(list(argv))
        words = " ".join(argv)
        fitting = sorted((begin for begin in self.answers if words.startswith(begin)), key=len)
        if not fitting:
            raise DeviceError(f"{self.name}: nothing is recorded for: {words}")
        answer = self.answers[fitting[-1]]
        done = (answer.pop(0) if len(answer) > 1 else answer[0]) if isinstance(answer, list) else answer
        if line is not None:
            for text in done.out.splitlines():
                line(text)
        return done

    def push(self, local: Path, name: str) -> str:
        """Keep the file, if it is not the one that is kept."""
        data = local.read_bytes()
        known = self.files.get(name)
        if known is None or hashlib.sha256(known).digest() != hashlib.sha256(data).digest():
            self.files[name] = data
            self.pushes.append(name)
        return f"/recorded/{name}"

    def pull(self, remote: str, local: Path) -> None:
        """Write a file that was pushed."""
        name = remote.rpartition("/")[2]
        if name not in self.files:
            raise DeviceError(f"{self.name}: {remote}: there is no such file")
        local.write_bytes(self.files[name])

    def agent(self) -> list[str]:
        """The recorded agent."""
        return ["agent"]

    def facts(self) -> Facts:
        """As recorded."""
        return self.recorded_facts
