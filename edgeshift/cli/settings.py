"""Read the texts of options, and make the settings of a measurement from those of `bench` and `phone`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift.cli.options import Mode
from edgeshift.errors import EdgeshiftError
from edgeshift.targets import accelerator_options

if TYPE_CHECKING:
    from edgeshift.benchmarks.latency.result import Settings

FRAME_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
#: The --frame-size of frames that already have the network's size.
FITTED = "fitted"


def mode_settings(
    mode: Mode, *, repeats: int | None = None, fps: float | None = None, minutes: int | None = None, **others: Any
) -> Settings:
    """Return the settings of a mode, by default with drawn frames of a camera's size and one thread.

    Args:
        mode: name of the mode.
        repeats: number of fresh processes; None: the mode's own number.
        fps: frame rate of the mode paced, Hz; None: its default. Other modes ignore it.
        minutes: length of the mode sustained; None: its default. Other modes ignore it.
        others: fields of ``Settings`` that differ from the default.
    """
    from edgeshift.benchmarks.latency.frames import DRAWN
    from edgeshift.benchmarks.latency.mode import FPS, MINUTES, MODES
    from edgeshift.benchmarks.latency.result import Settings

    length = MODES[mode]
    usual: dict[str, Any] = {"frames": DRAWN, "width": 640, "height": 480, "max_temperature": 80.0}
    return Settings(
        mode=mode,
        steps=length.steps,
        seconds=length.seconds,
        repeats=repeats or length.repeats,
        fps=(fps or FPS) if mode == "paced" else None,
        minutes=(minutes or MINUTES) if mode == "sustained" else None,
        **usual | others,
    )


def parse_frame_size(text: str) -> tuple[int, int]:
    """Return the width and height that a text such as ``640x480`` gives; (0, 0) for ``fitted``."""
    size = FRAME_SIZE.fullmatch(text)
    if size is None and text != FITTED:
        raise EdgeshiftError(f"--frame-size {text}: give width and height, such as 640x480, or {FITTED}")
    return (int(size[1]), int(size[2])) if size else (0, 0)


def parse_runtime_options(texts: Sequence[str]) -> dict[str, str]:
    """Return {name: value} of texts such as ``provider=cuda``."""
    options = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise EdgeshiftError(f"--option {text}: give NAME=VALUE, such as provider=cuda")
        if key in ("threads", "accelerator"):
            raise EdgeshiftError(f"--option {text}: use --{key} {value}")
        options[key] = value
    return options


def options_of_all(files: Sequence[Path], accelerator: str, runtime: str | None) -> dict[str, str]:
    """Return the options with which all artifacts run on an accelerator.

    Raises:
        AcceleratorError: edgeshift does not run one of them there.
    """
    found: dict[str, str] = {}
    for file in files:
        found |= accelerator_options(file, accelerator, runtime)
    return found


def parse_cores(text: str) -> tuple[int, ...]:
    """Return the numbers of the cores in a text: (4, 6, 7) for ``4,6-7``."""
    cores: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 9:
            raise EdgeshiftError(f"--cores {text}: give numbers of cores, such as 4,5 or 4-7")
        cores.update(range(int(low), min(int(high or low), 1023) + 1))
    if not cores:
        raise EdgeshiftError(f"--cores {text}: the range is empty")
    return tuple(sorted(cores))


def parse_names(option: str, text: str | None) -> tuple[str, ...] | None:
    """Return the names in a text such as ``clap,whistle-up``; None: the option is not given."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise EdgeshiftError(f"{option} {text}: give names with commas between them")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise EdgeshiftError(f"{option} {text}: {twice} is given twice")
    return names
