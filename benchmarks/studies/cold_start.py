"""CPU time from the start of a program to its first answer, beyond importing numpy.

    python -m edgeshift.benchmarks.studies.cold_start FILE.tflite [--repeats N] [--json]

Three programs are started in turns, each in a fresh process. One imports numpy. One imports numpy, loads the artifact
with ``edgeshift.load`` and feeds one frame. One imports numpy and runs the same graph once with LiteRT alone. CPU time
(user and system, of the whole process) is compared, because elapsed time depends on other programs on the machine.

The programs import edgeshift from a folder that is laid out and compiled as pip installs a package. A development
checkout is imported through a finder of setuptools, which adds about 14 ms that no user has. OpenBLAS, a part of numpy,
gets one thread. Its other threads would wait in a busy loop, which counts as CPU time of the program.
"""

from __future__ import annotations

import compileall
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer

from edgeshift.artifact.file import read_artifact
from edgeshift.benchmarks.studies.command import Json, print_json, require_stream, study
from edgeshift.errors import EdgeshiftError

#: Most CPU milliseconds that edgeshift may add to importing numpy.
GOAL = 50.0
#: Each program ends at once after its work, without the clean-up of Python and of the runtime.
PROGRAMS = {
    "numpy": "import os, numpy; os._exit(0)",
    "edgeshift": """\
import os, sys, numpy, edgeshift
stream = edgeshift.load(sys.argv[1]).stream()
stream.step(numpy.zeros((int(sys.argv[2]), int(sys.argv[3]), 3), numpy.uint8)).label
os._exit(0)
""",
    "LiteRT": """\
import os, sys, numpy
from ai_edge_litert.compiled_model import CompiledModel
model = CompiledModel.from_file(sys.argv[1])
inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
model.run_by_index(0, inputs, outputs)
os._exit(0)
""",
}
IGNORED = shutil.ignore_patterns("*.safetensors", "node_modules", "built", "__pycache__")


class ColdStart(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of CPU milliseconds.

    Attributes:
        numpy: time of the program that imports numpy.
        edgeshift: time from importing edgeshift to the first answer, without the time of numpy.
        litert: the same time with LiteRT alone.
        goal: largest acceptable value of ``edgeshift``.
        repeats: number of processes of each kind.
    """

    numpy: float
    edgeshift: float
    litert: float
    goal: float
    repeats: int


@study
def main(
    file: Annotated[
        Path, typer.Argument(help="An int8 TFLite artifact, as `edgeshift convert --target tflite` makes it.")
    ],
    repeats: Annotated[int, typer.Option(min=3, help="Number of processes of each kind.")] = 15,
    as_json: Json = False,
) -> None:
    """Measure the CPU time from the start of a program to its first answer, beyond importing numpy."""
    times = measure(file, repeats)
    if as_json:
        print_json(times)
        return
    print(f"importing numpy              {times.numpy:6.1f} ms of CPU")
    print(f"edgeshift, beyond that       {times.edgeshift:6.1f} ms (goal: at most {times.goal:g})")
    print(f"LiteRT alone, beyond that    {times.litert:6.1f} ms")


def measure(path: Path, repeats: int) -> ColdStart:
    """Start the three programs in turns.

    Args:
        path: an int8 TFLite artifact.
        repeats: number of processes of each kind. One more of each is started first and not counted.

    Raises:
        EdgeshiftError: a program fails, or the artifact takes a whole clip.
    """
    spec = read_artifact(path).spec
    require_stream(path, spec)
    frame = spec.frame
    arguments = (str(path.resolve()), str(frame.height), str(frame.width))
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        copy_as_installed(Path(folder))
        for _ in range(repeats + 1):
            for name, code in PROGRAMS.items():
                seconds[name].append(cpu_seconds([sys.executable, "-c", code, *arguments], Path(folder)))
    numpy, edgeshift, litert = (float(np.median(seconds[name][1:])) * 1e3 for name in PROGRAMS)
    beyond, beyond_alone = round(edgeshift - numpy, 1), round(litert - numpy, 1)
    return ColdStart(numpy=round(numpy, 1), edgeshift=beyond, litert=beyond_alone, goal=GOAL, repeats=repeats)


def copy_as_installed(folder: Path) -> None:
    """Copy the package ``edgeshift``, without its weights, into a folder, and compile its modules, as pip does."""
    for name in ("edgeshift", *(f"edgeshift.{room}" for room in ("converters", "runtimes", "benchmarks", "apps"))):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            copy = folder / name.replace(".", "/")
            shutil.copytree(Path(spec.origin).parent, copy, ignore=IGNORED, dirs_exist_ok=True)
    compileall.compile_dir(folder, quiet=1)


def cpu_seconds(command: list[str], folder: Path) -> float:
    """Return the user and system time of one process.

    Args:
        command: the program and its arguments.
        folder: working directory, which is searched for packages before all other folders.

    Raises:
        EdgeshiftError: the program fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EdgeshiftError(f"a program that is timed failed: {last}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    sys.exit(main())
