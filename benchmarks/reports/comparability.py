"""What two measurements must have in common to be compared, and what of it differs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import msgspec

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.latency.table import frame_size, options_text
from edgeshift.errors import EdgeshiftError, unknown


class Difference(msgspec.Struct, frozen=True):
    """``name`` as ``--across`` takes it, and what either side has."""

    name: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.name} ({self.first} against {self.second})"


Of = tuple[Report, ArtifactResult]
Reading = Callable[[Report, ArtifactResult], Any]

#: What must be equal. A name is what ``--across`` takes.
MUST: dict[str, Reading] = {
    "board": lambda report, subject: report.facts.board,
    "processor": lambda report, subject: (report.facts.processor, *report.facts.features),
    "cores": lambda report, subject: report.facts.cores,
    "max-clock": lambda report, subject: sorted({clock[1] for clock in report.facts.clock.values()}),
    "power-mode": lambda report, subject: report.facts.power_mode,
    "governor": lambda report, subject: sorted(report.facts.governors),
    "locked": lambda report, subject: report.settings.locked,
    "mode": lambda report, subject: report.settings.mode,
    "fps": lambda report, subject: report.settings.fps,
    "minutes": lambda report, subject: report.settings.minutes,
    "threads": lambda report, subject: report.settings.threads,
    "pinning": lambda report, subject: report.settings.cores,
    "frames": lambda report, subject: report.settings.frames,
    "frame-size": lambda report, subject: frame_size(report.settings),
    "options": lambda report, subject: options_text(report.settings.options),
    "target": lambda report, subject: subject.target,
    "model": lambda report, subject: subject.model,
    "precision": lambda report, subject: subject.precision,
    "input": lambda report, subject: "x".join(map(str, subject.input)),
}
#: Names for several.
GROUPS = {
    "device": ("board", "processor", "cores", "max-clock", "power-mode", "governor"),
    "clocks": ("max-clock", "power-mode", "governor", "locked"),
}
#: What may differ, as it is what one compares, and is told.
MAY: dict[str, Reading] = {
    "runtime": lambda report, subject: sorted({repeat.runtime for repeat in subject.repeats}),
    "system": lambda report, subject: report.facts.system,
    "edgeshift": lambda report, subject: report.edgeshift,
}


def permitted(across: Collection[str]) -> frozenset[str]:
    """The names that are asked for, groups taken apart.

    Raises:
        EdgeshiftError: an unknown one, with the nearest that are known.
    """
    for name in across:
        if name not in MUST and name not in GROUPS:
            raise EdgeshiftError(f"--across: {unknown('difference', name, [*MUST, *GROUPS])}")
    return frozenset(one for name in across for one in GROUPS.get(name, (name,)))


def differences(first: Of, second: Of, of: dict[str, Reading] = MUST) -> list[Difference]:
    """What differs between two artifacts and the runs that they belong to."""
    both = [(name, read(*first), read(*second)) for name, read in of.items()]
    return [Difference(name, _words(a), _words(b)) for name, a, b in both if a != b]


def _words(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_words, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)
