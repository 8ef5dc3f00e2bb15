"""CPU time from the start of a program to its first answer, beyond importing numpy.

    python -m edgeshift.benchmarks.studies.cold_start FILE.tflite [--repeats N] [--json]

Three programs are started in turns, each in a fresh process: one imports numpy; one imports numpy, loads the artifact
with ``edgeshift.load`` and feeds one frame; one imports numpy and runs the same graph once with LiteRT alone. CPU time
(user and system, of the whole process) is compared, because elapsed time depends on what else the machine does.

The programs find edgeshift in a folder that is laid out as an installed package. A development checkout is imported
through a finder of setuptools, which adds about 14 ms that no user has.
"""

from __future__ import annotations

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
        numpy: of a program that imports numpy.
        edgeshift: from importing edgeshift to the first answer, numpy not counted.
        litert: the same with LiteRT alone.
        goal: the most that ``edgeshift`` should be.
        repeats: processes of each kind.
    """

    numpy: float
    edgeshift: float
    litert: float
    goal: float
    repeats: int


def measure(path: Path, repeats: int) -> ColdStart:
    """Start the three programs in turns.

    Args:
        path: an int8 TFLite artifact.
        repeats: processes of each kind; one more of each is started first and not counted.

    Raises:
        EdgeshiftError: a program that fails.
    """
    frame = read_artifact(path).spec.frame
    arguments = (str(path.resolve()), str(frame.height), str(frame.width))
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        copy_as_installed(Path(folder))
        for index in range(repeats + 1):
            for name, code in PROGRAMS.items():
                used = cpu_seconds([sys.executable, "-c", code, *arguments], Path(folder))
                if index:
                    seconds[name].append(used)
    numpy, edgeshift, litert = (float(np.median(seconds[name])) * 1e3 for name in PROGRAMS)
    return ColdStart(
        numpy=round(numpy, 1),
        edgeshift=round(edgeshift - numpy, 1),
        litert=round(litert - numpy, 1),
        goal=GOAL,
        repeats=repeats,
    )


def copy_as_installed(folder: Path) -> None:
    """Copy the package ``edgeshift``, with its rooms, into a folder as pip lays it out; weights are left out."""
    for name in ("edgeshift", *(f"edgeshift.{room}" for room in ("converters", "runtimes", "benchmarks", "apps"))):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            to = folder / name.replace(".", "/")
            shutil.copytree(Path(spec.origin).parent, to, ignore=IGNORED, dirs_exist_ok=True)


def cpu_seconds(command: list[str], folder: Path) -> float:
    """User and system time of one process.

    Args:
        command: the program and its arguments.
        folder: searched for packages before all others.

    Raises:
        EdgeshiftError: the program fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise EdgeshiftError(
            f"a program that was to be timed failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        )
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main(
    file: Annotated[
        Path, typer.Argument(help="An int8 TFLite artifact, as `edgeshift convert --target tflite` makes it.")
    ],
    repeats: Annotated[int, typer.Option(min=3, help="Processes of each kind. Default 15.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Measure the CPU time from the start of a program to its first answer, beyond importing numpy."""
    try:
        found = measure(file, repeats)
    except EdgeshiftError as error:
        typer.echo(f"edgeshift: {error}", err=True)
        raise typer.Exit(error.status) from error
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    typer.echo(f"importing numpy              {found.numpy:6.1f} ms of CPU")
    typer.echo(f"edgeshift, beyond that       {found.edgeshift:6.1f} ms (at most {found.goal:g} is asked)")
    typer.echo(f"LiteRT alone, beyond that    {found.litert:6.1f} ms")


if __name__ == "__main__":
    typer.run(main)
