"""The cost of a sound beside the picture: a step with a new sound against one without, and memory over many steps.

    python -m edgeshift.benchmarks.studies.sound_step F.tflite [--rounds N] [--steps 100000] [--json]

F is an artifact whose network has a sound segment. Both streams run in one process, in turns, with one thread. The step
with sound also takes the new samples, computes their columns and the picture, and runs the picture through the graph.
A stream does this every ``SoundSettings.every`` seconds; its other steps cost as much as those without sound.

With ``--steps``, one stream runs that many steps with sound, and its memory must not grow after the first tenth.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.latency.memory import resident
from edgeshift.benchmarks.statistics import Interval, ratio
from edgeshift.benchmarks.studies.command import Json, Rounds, one_thread, print_json, print_table, sound_stream, study
from edgeshift.benchmarks.studies.interleave import Turn, calling, interleave
from edgeshift.benchmarks.studies.machine import Machine, load_average, this_machine
from edgeshift.benchmarks.studies.repeats import ROUNDS
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes import load
from edgeshift.sound.drawn import RATE, draw_soundtrack
from edgeshift.stream.sound_stream import SoundStream

#: Largest growth of memory, bytes, as in ``edgeshift.benchmarks.studies.soak``.
GROWTH = 2 << 20


class SoundStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of the study.

    Attributes:
        file: name of the artifact.
        without, with_sound: median time of a step without a sound, and of one with a new sound, milliseconds.
        steps: ``with_sound`` divided by ``without``.
        every: seconds between two sounds of a stream.
        share: share of one core that the sounds of a stream take.
        long: number of steps of the long run; 0: there was none.
        grown: growth of memory in the long run after its first tenth, bytes.
        machine: the machine.
    """

    file: str
    without: float
    with_sound: float
    steps: Interval
    every: float
    share: float
    long: int
    grown: int
    machine: Machine


class Listener:
    """Gives a stream ``every`` seconds of a drawn soundtrack, and then steps it. The soundtrack is repeated."""

    def __init__(self, stream: SoundStream, every: float) -> None:
        self._stream, self._every = stream, every
        size = stream.spec.frame
        self._frame = np.random.default_rng(0).integers(0, 256, (size.height, size.width, 3), np.uint8)
        samples = draw_soundtrack(0, seconds=60.0).samples
        self._pieces = np.split(samples, np.arange(1, int(60 / every)) * round(every * RATE))[:-1]
        self._count = 0
        while stream.step(self._frame).heard != "heard":
            self.hear()

    def hear(self) -> None:
        """Give the next samples."""
        begin = self._count * len(self._pieces[0]) / RATE
        self._stream.hear(self._pieces[self._count % len(self._pieces)], begin, RATE)
        self._count += 1

    def step_with_sound(self) -> None:
        """Give the next samples, and run a frame and the sound."""
        self.hear()
        if self._stream.step(self._frame).heard != "heard":
            raise EdgeshiftError("the stream did not use the sound")

    def step(self) -> None:
        """Run a frame. There are no new samples, so the sound is not run."""
        self._stream.step(self._frame)


@study
def main(
    file: Annotated[Path, typer.Argument(metavar="F", help="An artifact whose network has a sound segment.")],
    rounds: Rounds = ROUNDS,
    steps: Annotated[int, typer.Option(min=0, help="Steps with sound over which memory must not grow.")] = 0,
    as_json: Json = False,
) -> int:
    """Measure what a sound costs beside the picture."""
    result = measure(file, rounds, steps)
    if as_json:
        print_json(result)
    else:
        show(result)
    return 1 if result.grown > GROWTH else 0


def measure(file: Path, rounds: int, steps: int) -> SoundStep:
    """Time steps with and without a new sound, in turns, and run many steps with sound.

    Raises:
        EdgeshiftError: the network has no sound segment.
    """
    before = load_average()
    with one_thread():
        stream = sound_stream(file, load(file))
        settings = stream.spec.model.sound
        assert settings is not None, "a stream with sound has its settings"
        listener = Listener(stream, settings.every)
        turns: dict[str, Turn] = {"without": calling(listener.step), "with": calling(listener.step_with_sound)}
        with ProgressBars(live=False).stage("time", rounds) as advance:
            samples = interleave(turns, rounds, advance=advance)
        grown = _growth(listener, steps) if steps else 0
    without, sound = (1000 * float(np.median(samples[name])) for name in ("without", "with"))
    return SoundStep(
        file=file.name,
        without=round(without, 3),
        with_sound=round(sound, 3),
        steps=ratio(samples["with"], samples["without"]),
        every=settings.every,
        share=round((sound - without) / 1000 / settings.every, 4),
        long=steps,
        grown=grown,
        machine=this_machine(before, load_average()),
    )


def _growth(listener: Listener, steps: int) -> int:
    """Return by how many bytes memory grows after the first tenth of the steps."""
    first = max(steps // 10, 1)
    with ProgressBars(live=False).stage("steps with sound", steps) as advance:
        start = 0
        for step in range(steps):
            if step == first:
                start = resident()
            listener.step_with_sound()
            advance()
    return resident() - start


def show(result: SoundStep) -> None:
    """Print the result as a table."""
    rows = [
        ("a step without a new sound", f"{result.without:.2f} ms"),
        ("a step with a new sound", f"{result.with_sound:.2f} ms"),
        ("with / without", str(result.steps)),
        (f"sounds every {result.every:g} s", f"{result.share:.1%} of one core"),
    ]
    if result.long:
        rows.append((f"growth of memory over {result.long:,} steps", f"{result.grown / 1e6:.1f} MB"))
    print_table((result.file, "measured"), rows)


if __name__ == "__main__":
    sys.exit(main())
