"""Every error edgeshift raises on purpose. Each message says what, where and what to do, in one or two lines.

EdgeshiftError                exit status 2: the command line prints the message, no traceback
├── ShiftError                a table that does not fit, or cannot stream
├── ModelError                an unknown model, or a size it cannot take
├── CheckpointError           a weights file that is damaged, incomplete or of an unknown layout
├── SpecError                 a stream description that is malformed or hostile
├── ArtifactError             a converted file that is damaged or not one of ours
├── RuntimeMissingError       a package that is not installed (names the extra)
├── VideoError                a clip or camera that cannot be read
├── GestureError              a gesture, script or stroke that cannot be drawn
├── CalibrationError          too few clips, or clips that cannot calibrate
├── TrainingError             a run that cannot start, go on, or learn
├── ConversionError           a converter that cannot do what was asked
├── DeviceError               a device that lacks something, refuses, or takes too long
│   └── DeviceLostError       a device that cannot be reached (any more)
└── CheckFailedError          exit status 1: a check ran and found a difference
"""

from __future__ import annotations

from collections.abc import Iterable


class EdgeshiftError(Exception):
    """The base of all. ``status`` is the exit status of the command line."""

    status = 2


class ShiftError(EdgeshiftError):
    """A shift table that does not fit its channels, or that cannot stream."""


class ModelError(EdgeshiftError):
    """An unknown model name, or an input size or width it cannot take."""


class CheckpointError(EdgeshiftError):
    """A weights file that is damaged, incomplete, mis-shaped or of an unknown layout."""


class SpecError(EdgeshiftError):
    """A stream description that is malformed, of another version, or over its limits."""


class ArtifactError(EdgeshiftError):
    """A converted file that is damaged, cut short, or not made by edgeshift."""


class RuntimeMissingError(EdgeshiftError):
    """A package this work needs is not installed. edgeshift never installs anything itself."""


class VideoError(EdgeshiftError):
    """A video, folder or camera that cannot be read."""


class GestureError(EdgeshiftError):
    """A gesture, a script of gestures or a file of strokes that cannot be drawn."""


class CalibrationError(EdgeshiftError):
    """Clips that cannot calibrate a model: too few, or unreadable."""


class TrainingError(EdgeshiftError):
    """A training run that cannot start, cannot go on, or does not learn."""


class ConversionError(EdgeshiftError):
    """A converter that cannot do what was asked. Never replaced by a lesser artifact."""


class DeviceError(EdgeshiftError):
    """A device that is not there, lacks what is needed, refuses, or takes too long."""


class DeviceLostError(DeviceError):
    """A device that cannot be reached, or was lost in the middle. What was measured before is kept."""


class CheckFailedError(EdgeshiftError):
    """A check ran to its end and found that two things which must be equal are not."""

    status = 1


def one_line(error: BaseException, limit: int = 200) -> str:
    """Somebody else's exception as part of one of our lines."""
    return " ".join(str(error).split())[:limit] or type(error).__name__


def missing(package: str, extra: str, why: str) -> RuntimeMissingError:
    """The error for a package that is not installed, with the command that installs it.

    Args:
        package: its name on PyPI. extra: the extra of edgeshift that brings it. why: what needs it.
    """
    return RuntimeMissingError(f"{why} needs {package}, which is not installed: {install_command(extra)}")


def install_command(extra: str) -> str:
    """The command that installs edgeshift with an extra."""
    return f'pip install "edgeshift[{extra}]"'


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that is not known, with the nearest known ones. Never a guess."""
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return f"unknown {kind} {name!r}; {hint}"
