"""The conditions that two measurements of latency must share to be compared, and those that may differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from edgeshift.benchmarks.latency.result import ArtifactResult, Report
from edgeshift.benchmarks.latency.table import clip_text, frame_size, frames_text, options_text
from edgeshift.errors import EdgeshiftError, unknown

#: An artifact with the report that it belongs to.
Measurement = tuple[Report, ArtifactResult]
Condition = Callable[[Report, ArtifactResult], Any]

#: {name that --across accepts: condition that must be equal in both measurements}.
REQUIRED: dict[str, Condition] = {
    "board": lambda report, artifact: report.facts.board,
    "processor": lambda report, artifact: (report.facts.processor, *report.facts.features),
    "cores": lambda report, artifact: report.facts.cores,
    "max-clock": lambda report, artifact: sorted({clock[1] for clock in report.facts.clock.values()}),
    "power-mode": lambda report, artifact: report.facts.power_mode,
    "governor": lambda report, artifact: sorted(report.facts.governors),
    "locked": lambda report, artifact: report.settings.locked,
    "mode": lambda report, artifact: report.settings.mode,
    "fps": lambda report, artifact: report.settings.fps,
    "minutes": lambda report, artifact: report.settings.minutes,
    "threads": lambda report, artifact: report.settings.threads,
    "pinning": lambda report, artifact: report.settings.cores,
    "frames": lambda report, artifact: report.settings.frames,
    "frame-size": lambda report, artifact: frame_size(report.settings),
    "accelerator": lambda report, artifact: sorted({repeat.placement.title for repeat in artifact.repeats}),
    "options": lambda report, artifact: options_text(_without_accelerator(report.settings.options)),
    "target": lambda report, artifact: artifact.target,
    "model": lambda report, artifact: artifact.model,
    "precision": lambda report, artifact: artifact.precision,
    "form": lambda report, artifact: _form(artifact),
    # The number of frames of a clip belongs to the form.
    "input": lambda report, artifact: "x".join(map(str, (1, *artifact.input[1:]))),
}
#: {name that --across accepts for several conditions: their names}.
GROUPS = {
    "device": ("board", "processor", "cores", "max-clock", "power-mode", "governor"),
    "clocks": ("max-clock", "power-mode", "governor", "locked"),
}
#: Conditions that may differ, because they are often the reason for a comparison. A difference becomes a note.
REPORTED: dict[str, Condition] = {
    "runtime": lambda report, artifact: sorted({repeat.runtime for repeat in artifact.repeats}),
    "system": lambda report, artifact: report.facts.system,
    "edgeshift": lambda report, artifact: report.edgeshift,
}


class Difference(msgspec.Struct, frozen=True):
    """A condition that differs: its name, as ``--across`` accepts it, and its values in the two measurements."""

    name: str
    first: str
    second: str

    def __str__(self) -> str:
        return f"{self.name} ({self.first} against {self.second})"


def permitted(across: Collection[str]) -> frozenset[str]:
    """Return the names of the conditions that may differ, with groups replaced by their members.

    Raises:
        EdgeshiftError: a name is not known; the message gives the nearest known names.
    """
    for name in across:
        if name not in REQUIRED and name not in GROUPS:
            raise EdgeshiftError(f"--across: {unknown('difference', name, [*REQUIRED, *GROUPS])}")
    return frozenset(member for name in across for member in GROUPS.get(name, (name,)))


def differences(
    before: Measurement, after: Measurement, conditions: Mapping[str, Condition] = REQUIRED
) -> list[Difference]:
    """Return the conditions that differ between two measurements."""
    values = [(name, read(*before), read(*after)) for name, read in conditions.items()]
    return [Difference(name, _text(first), _text(second)) for name, first, second in values if first != second]


def _without_accelerator(options: dict[str, str]) -> dict[str, str]:
    """Return the options without the one that chooses an accelerator, which has a condition of its own."""
    return {name: value for name, value in options.items() if name != "accelerator"}


def _form(artifact: ArtifactResult) -> str:
    """Return what a step of an artifact is."""
    if artifact.hop is None:
        return "one frame per step"
    return f"a clip of {clip_text(artifact)}, an answer every {frames_text(artifact.hop)}"


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value in (None, "") else f"{value:g}" if isinstance(value, float) else str(value)
