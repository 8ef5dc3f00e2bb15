"""A test double of a device, which returns recorded results instead of running commands.

Use it to test code that measures on devices without having one::

    facts = msgspec.json.decode(Path("pi5_facts.json").read_bytes(), type=Facts)  # once: encode(device.facts())
    board = RecordedDevice(facts, {"uname": CommandResult(0, "Linux\\n", ""), "agent bench": [first, second]})
    assert board.run(["uname", "-a"], timeout=5).out == "Linux\\n"
    assert board.calls == [["uname", "-a"]]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeshift._system.process import CommandResult, OnLine
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.errors import DeviceError, DeviceLostError


@dataclass
class RecordedDevice:
    """A device with recorded results; see ``edgeshift.benchmarks.devices.device.Device``. It is public and stable.

    Attributes:
        recorded_facts: the result of ``facts``.
        results: {start of a command line, with its arguments joined by spaces: the result}. If several starts match a
            command, the longest one is used. A list has one result per call; its last result is repeated.
        name: name of the device.
        lost_after: number of calls of ``run`` after which the device is lost; None: never.
        calls: the commands that were run, in order.
        files: {name: contents} of the files that were pushed.
        pushes: names of the files that were copied, in order; a file that the device had already is not copied again.
    """

    recorded_facts: Facts
    results: Mapping[str, CommandResult | list[CommandResult]]
    name: str = "recorded"
    lost_after: int | None = None
    calls: list[list[str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    pushes: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Return the recorded result of a command, after ``on_line`` was called with each line of its output.

        Raises:
            DeviceLostError: ``lost_after`` calls were made before.
            DeviceError: nothing is recorded for this command.
        """
        if self.lost_after is not None and len(self.calls) >= self.lost_after:
            raise DeviceLostError(f"{self.name}: the device was lost")
        self.calls.append(list(argv))
        command = " ".join(argv)
        start = max((start for start in self.results if command.startswith(start)), key=len, default=None)
        if start is None:
            raise DeviceError(f"{self.name}: nothing is recorded for the command: {command}")
        recorded = self.results[start]
        if isinstance(recorded, list):
            recorded = recorded.pop(0) if len(recorded) > 1 else recorded[0]
        if on_line is not None:
            for line in recorded.out.splitlines():
                on_line(line)
        return recorded

    def push(self, local: Path, name: str) -> str:
        """Store the contents of a file under its name."""
        data = local.read_bytes()
        if self.files.get(name) != data:
            self.files[name] = data
            self.pushes.append(name)
        return f"/recorded/{name}"

    def pull(self, remote: str, local: Path) -> None:
        """Write a file that was pushed before.

        Raises:
            DeviceError: no such file was pushed.
        """
        name = remote.rpartition("/")[2]
        if name not in self.files:
            raise DeviceError(f"{self.name}: {remote}: there is no such file")
        local.write_bytes(self.files[name])

    def agent(self) -> list[str]:
        """Return ``["agent"]``: record commands of the agent under "agent probe", "agent bench" and so on."""
        return ["agent"]

    def facts(self) -> Facts:
        """Return the recorded facts."""
        return self.recorded_facts
