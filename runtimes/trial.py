"""The trial of an artifact that this machine has not seen: a child process with limits loads it and runs one step.

Runtimes are native code. A hostile graph can crash them, run without end, or take all memory, although the file is
undamaged. In a child process, each of these is an error of one line.

    python -m edgeshift.runtimes.trial FILE [RUNTIME]      is the child process
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.artifact.seen import is_seen, mark_seen
from edgeshift.artifact.spec import BYTES, StreamSpec
from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.targets import find_runtime

#: Longest time of a trial, seconds. Slow boards need a few.
SECONDS = 30
#: Memory that a runtime may take besides what the artifact declares, bytes; and per byte of the graph and its tensors.
BASE, SHARE = 1 << 30, 8
#: Runtimes whose artifacts are not tried: engines are built on the device for minutes, with gigabytes of memory.
NOT_TRIED = ("tensorrt",)
#: Exit status of the child for an error that it has printed.
REFUSED = 2


def require_tried(path: Path, runtime: str | None = None) -> None:
    """Load an artifact and run one step in a child process, unless it has run on this machine before.

    Args:
        path: the artifact.
        runtime: name of the runtime; None: the default one for the file.

    Raises:
        ArtifactError: the child process crashed, or exceeded its memory or time.
        EdgeshiftError: the artifact cannot be loaded.
    """
    artifact, name = read_artifact(path), find_runtime(path, runtime).name
    if name in NOT_TRIED or is_seen(artifact, name):
        return
    command = [sys.executable, "-m", "edgeshift.runtimes.trial", str(path.absolute()), name]
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise _hostile(path, f"its graph runs for more than {SECONDS} s") from error
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode == REFUSED and text:
        raise ArtifactError(" ".join(text.split())[:600])
    if done.returncode:
        raise _hostile(path, f"its graph crashes the runtime {name}, or takes more memory than its description allows")
    mark_seen(artifact, name)


def limit_memory(spec: StreamSpec, graph_bytes: int) -> None:
    """Limit the memory that this process may allocate, so that a hostile graph cannot take all of the machine's.

    Systems without such a limit, which are those other than Linux, are not changed.
    """
    if sys.platform != "linux":
        return
    import resource

    tensors = sum(tensor.values * BYTES[tensor.dtype] for tensor in (spec.input, spec.output, *spec.states))
    limit = BASE + SHARE * (graph_bytes + tensors)
    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    if highest == resource.RLIM_INFINITY or highest > limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(arguments: list[str]) -> int:
    """Try one artifact. Print an error on standard output, and return the exit status."""
    from edgeshift.runtimes import load

    path, runtime = Path(arguments[0]), arguments[1]
    try:
        artifact: Artifact = read_artifact(path)
        limit_memory(artifact.spec, len(artifact.body))
        stream = load(path, runtime=runtime).stream()
        frame = artifact.spec.frame
        stream.step(np.zeros((frame.height, frame.width, 3), np.uint8))
    except EdgeshiftError as error:
        print(error)
        return REFUSED
    except MemoryError:
        print(_hostile(path, "its graph takes more memory than its description allows"))
        return REFUSED
    return 0


def _hostile(path: Path, what: str) -> ArtifactError:
    return ArtifactError(f"{path}: {what}: it is damaged or hostile; convert the model again")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
