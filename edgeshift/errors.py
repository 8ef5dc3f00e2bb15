"""Every error that edgeshift raises on purpose. A message says what is wrong, where, and what to do, in one line.

The command line prints the message without a traceback, and exits with the status of the error: 1 for a check that
found a difference, 2 for everything else. All errors derive from EdgeshiftError, DeviceLostError
from DeviceError, and NotAnArtifactError from ArtifactError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Extras that contain OpenCV, or whose packages do not need it.
WITHOUT_OPENCV = ("video", "window", "report", "microphone")


#: A pattern for a place in native source code, as runtimes write it into their messages: a file, a line, and perhaps
#: the declaration of a function.
SOURCE_PLACE = (
    r"(?:ERROR: )?[\[(]?(?<![\w./+-])/?(?:[\w.+-]+/)*[\w+-]+\.{1,2}(?:cc|cpp|cxx|c|hpp|hh|h|mm|cu)"  # path and file
    r":\d+(?::\d+)?(?!\w)[\])]?[:,]?"  # line, and perhaps column
    r"(?: [^()]*::[^()]*\([^()]*\)(?: const)?)?(?:\s*└)?"  # declaration; LiteRT puts the sign before the next line
)


class EdgeshiftError(Exception):
    """The base class. ``status`` is the exit status of the command line."""

    status = 2


class ShiftError(EdgeshiftError):
    """A shift table does not fit its channels, or cannot stream."""


class ModelError(EdgeshiftError):
    """The model name is unknown, or the model does not support the input size or width."""


class CheckpointError(EdgeshiftError):
    """A weights file is damaged or incomplete, has tensors of wrong shapes, or has an unknown layout."""


class SpecError(EdgeshiftError):
    """The description of an artifact is malformed, has another version, or exceeds a limit."""


class ArtifactError(EdgeshiftError):
    """An artifact is damaged, cut short, or was not written by edgeshift."""


class NotAnArtifactError(ArtifactError):
    """A file is something else than an artifact, such as a video."""


class RuntimeStepError(EdgeshiftError):
    """A runtime failed while it ran the graph for a frame."""


class AcceleratorError(EdgeshiftError):
    """A GPU or NPU cannot run a graph here.

    Args:
        message: what is wrong, and what to do.
        refused: {operator of the graph that the accelerator refuses: why}; empty: it cannot be used at all.
    """

    def __init__(self, message: str, refused: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.refused = dict(refused or {})


class RuntimeMissingError(EdgeshiftError):
    """A required package is not installed. edgeshift never installs packages itself."""


class VideoError(EdgeshiftError):
    """A video, a folder of images or a camera cannot be read."""


class ArtifactWarning(UserWarning):
    """An artifact can be used, but not be trusted: it failed its comparison with the original network."""


class VideoWarning(UserWarning):
    """A video was read, but not all of it."""


class SoundWarning(UserWarning):
    """A sound is not used."""


class SoundError(EdgeshiftError):
    """A sound cannot be read, drawn or made into a picture, or its sampling rate does not fit."""


class GestureError(EdgeshiftError):
    """A gesture, a script of gestures or a file of strokes cannot be drawn."""


class CalibrationError(EdgeshiftError):
    """The calibration clips are too few or cannot be read."""


class TrainingError(EdgeshiftError):
    """Training cannot start, cannot continue, or does not learn."""


class ConversionError(EdgeshiftError):
    """A conversion is not possible as requested. edgeshift never writes a lesser artifact instead."""


class DeviceError(EdgeshiftError):
    """A device is missing, lacks something, refuses a command, or does not answer in time."""


class DeviceLostError(DeviceError):
    """The connection to a device is lost. Results that were measured before are kept."""


class CheckFailedError(EdgeshiftError):
    """A check was completed and found a difference between results that must be equal."""

    status = 1


def one_line(error: BaseException, limit: int = 200) -> str:
    """Return the message of another library's exception on one line of at most ``limit`` characters.

    Native libraries put the place in their own source code into messages, such as "runtime/model.cc:97", which says
    nothing to users. It is left out. If the message is empty, the name of the exception's class is returned.
    """
    import re  # every program that uses edgeshift imports this module, so it imports little at the top

    text = re.sub(r"\s*└", ":", re.sub(SOURCE_PLACE, " ", str(error)))
    return " ".join(text.split())[:limit] or type(error).__name__


def missing(package: str, extra: str, why: str) -> RuntimeMissingError:
    """Return the error for a package that is not installed, with the command that installs it.

    ``package`` is its name on PyPI, ``extra`` the extra of edgeshift with it, ``why`` the work that needs it.
    """
    return RuntimeMissingError(f"{why} needs {package}, which is not installed: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that installs edgeshift with an extra. All messages take it from here.

    edgeshift is not on a package index, so the command installs it from where it came from: a clone of the repository,
    a wheel or a URL. OpenCV is an extra of its own, which the command includes if OpenCV is not installed.
    """
    import importlib.util  # every program that uses edgeshift imports this module, so it imports little at the top
    import re
    import shlex

    if extra not in WITHOUT_OPENCV and importlib.util.find_spec("cv2") is None:
        extra = f"{extra},video"
    requirement = _requirement(extra)
    if requirement is None:
        return f'pip install ".[{extra}]" (in a clone of edgeshift)'
    plain = re.fullmatch(r"[\w./@+:~%=,\[\] -]+", requirement)
    return "pip install " + (f'"{requirement}"' if plain else shlex.quote(requirement))


def _requirement(extra: str) -> str | None:
    """Return what pip installs for an extra: a clone, a wheel or a URL; None: where edgeshift came from is unknown."""
    import importlib.metadata
    import json
    from pathlib import Path
    from urllib.parse import unquote, urlsplit

    clone = Path(__file__).resolve().parents[1]
    if (clone / "pyproject.toml").is_file() and (clone / "converters").is_dir():
        return f".[{extra}]" if clone == Path.cwd() else f"{clone}[{extra}]"
    try:
        # pip records the origin (PEP 610).
        origin = json.loads(importlib.metadata.distribution("edgeshift").read_text("direct_url.json") or "{}")
        url, version_control = str(origin.get("url", "")), origin.get("vcs_info")
        if version_control is not None:
            revision = version_control.get("requested_revision") or version_control["commit_id"]
            return f"edgeshift[{extra}] @ {version_control['vcs']}+{url}@{revision}"
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError, AttributeError):
        return None
    scheme, path = urlsplit(url).scheme, Path(unquote(urlsplit(url).path))
    if scheme == "file":
        return f"{path}[{extra}]" if path.exists() else None
    return f"edgeshift[{extra}] @ {url}" if scheme else None


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name of a kind, such as "target", with similar ones of the known names."""
    import difflib

    names = sorted(known)
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(similar)}?" if similar else f"known: {', '.join(names)}"
    return f"unknown {kind} {name!r}; {hint}"
