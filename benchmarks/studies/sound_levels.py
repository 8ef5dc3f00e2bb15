"""The log-mel values of sounds: their quantiles, from which the settings ``low`` and ``high`` of a picture were chosen.

    python -m edgeshift.benchmarks.studies.sound_levels [FILE...] [--sounds N] [--rate N]

Sounds are drawn with all names in turn, each in a room of its own. The quantiles of all columns of one picture of each
sound are printed for the three channels. With files, the sounds of these .wav files are measured instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

from edgeshift.benchmarks.studies.command import print_table, study
from edgeshift.errors import EdgeshiftError
from edgeshift.sound import SoundSettings, log_mel, read_wav
from edgeshift.sound.analysis import Samples, analysis
from edgeshift.sound.drawn import QUIET, SOUNDS, draw_sound

SETTINGS = SoundSettings(seconds=2.0, frames=8)
PERCENT = (0.1, 0.5, 1.0, 50.0, 99.0, 99.8, 99.9)
#: Seed of the first sound. Training uses smaller seeds.
FIRST_SEED = 800_000_000


@study
def main(
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILE...]", help="Sounds to measure, .wav.")] = None,
    sounds: Annotated[int, typer.Option(min=1, max=100_000, help="Number of sounds to draw.")] = 200,
    rate: Annotated[int, typer.Option(help="Samples per second of drawn sounds.")] = 16_000,
) -> None:
    """Print the quantiles of the log-mel values of sounds."""
    source = read(files) if files else drawn(sounds, rate)
    rows = quantiles([log_mel(samples, rate, SETTINGS) for samples, rate in source])
    columns = (
        "channel",
        *(f"{percent:g} %" for percent in PERCENT),
        f"below {SETTINGS.low:g}",
        f"above {SETTINGS.high:g}",
    )
    title = f"log-mel values of {len(files)} files" if files else f"log-mel values of {sounds} drawn sounds"
    print_table(columns, rows, title)


def drawn(count: int, rate: int) -> Iterator[tuple[Samples, int]]:
    """Yield drawn sounds, as long as one picture, and their rate. The background alone is one of the names."""
    names, seconds = (*SOUNDS, QUIET), analysis(SETTINGS, rate).needed / rate
    for index in range(count):
        yield draw_sound(FIRST_SEED + index, names[index % len(names)], seconds=seconds, rate=rate).samples, rate


def read(files: list[Path]) -> Iterator[tuple[Samples, int]]:
    """Yield the sounds of files, and their rates. Sounds that are too short are skipped."""
    found = 0
    for path in files:
        samples, rate = read_wav(path)
        if len(samples) > rate * SETTINGS.transform:
            found += 1
            yield samples, rate
    if not found:
        raise EdgeshiftError(f"none of the files is longer than {SETTINGS.transform:g} s: give longer sounds")


def quantiles(spectrograms: list[tuple[npt.NDArray[np.float32], ...]]) -> list[list[str]]:
    """Return a row of the table for each channel: quantiles, and the shares outside ``low`` and ``high``."""
    rows = []
    for index, window in enumerate(SETTINGS.windows):
        values = np.concatenate([channels[index].ravel() for channels in spectrograms])
        outside = [float((values < SETTINGS.low).mean()), float((values > SETTINGS.high).mean())]
        cells = [f"{quantile:.2f}" for quantile in np.percentile(values, PERCENT)]
        rows.append([f"window {1000 * window:g} ms", *cells, *(f"{100 * share:.2f} %" for share in outside)])
    return rows


if __name__ == "__main__":
    sys.exit(main())
