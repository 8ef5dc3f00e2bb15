"""The trial of an artifact that this machine has not seen: a child process with limits loads it and runs one step.

Runtimes are native code. A hostile graph can crash them, run without end, or take all memory, although the file is
undamaged. In a child process, each of these is an error of one line.

    python -m edgeshift.runtimes.trial FILE RUNTIME [ACCELERATOR]      is the child process
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgeshift._system.memory import limit_memory
from edgeshift._system.text import printable
from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.artifact.seen import is_seen, mark_seen
from edgeshift.artifact.spec import BYTES, StreamSpec
from edgeshift.errors import AcceleratorError, ArtifactError, EdgeshiftError, RuntimeStepError, one_line
from edgeshift.targets import Runtime

#: Longest time of a trial, seconds. Slow boards need a few. The driver of a GPU first compiles the graph.
SECONDS, GPU_SECONDS = 30, 180
#: A trial may allocate ``BASE`` bytes, and ``SHARE`` bytes for each byte of the graph and of its inputs and outputs.
BASE, SHARE = 1 << 30, 8
#: Runtimes whose artifacts are not tried: engines are built on the device for minutes, with gigabytes of memory.
NOT_TRIED = ("tensorrt",)
#: {runtime: packages that its own package imports if they are installed, and that running an artifact does not need}.
#: Without them, coremltools is imported in 1 s in place of 5 s.
NOT_NEEDED = dict.fromkeys(("coreml", "mil"), ("torch", "sklearn", "scipy", "transformers", "torchao", "executorch"))
#: Exit status of the child for an error that it has printed: about the artifact, or about a GPU.
REFUSED, NO_GPU = 2, 3


def require_tried(artifact: Artifact, runtime: Runtime, accelerator: str | None = None) -> None:
    """Load an artifact and run one step in a child process, unless it has run on this machine before.

    Args:
        artifact: the artifact, as it is in its file.
        runtime: the runtime that will run it.
        accelerator: "gpu" if a GPU will run it; its driver may crash, too.

    Raises:
        AcceleratorError: the GPU cannot be used or refuses a part of the graph, or its driver crashes or is too slow.
        ArtifactError: the child process crashed, exceeded its memory or time, or cannot load the artifact.
    """
    path, name = artifact.path, runtime.name
    # If the runtime is not installed, the attempt to load the artifact here gives the error that says so.
    on_gpu = accelerator == "gpu"
    seen_as = f"{name} gpu" if on_gpu else name
    if name in NOT_TRIED or is_seen(artifact, seen_as) or not any(map(_installed, runtime.packages)):
        return
    if on_gpu:  # the trial on the CPU also limits the memory, which a trial on a GPU cannot
        require_tried(artifact, runtime)
    command = [sys.executable, "-m", "edgeshift.runtimes.trial", os.fspath(path), name, *(["gpu"] if on_gpu else [])]
    seconds = GPU_SECONDS if on_gpu else SECONDS
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        if on_gpu:
            slow = f"the driver of the GPU takes more than {seconds} s for its graph"
            raise AcceleratorError(f"{path}: {slow}: use the CPU") from error
        raise _hostile(path, f"its graph runs for more than {seconds} s") from error
    text = done.stdout.decode(errors="replace").strip()
    if done.returncode == NO_GPU and text:
        raise AcceleratorError(" ".join(text.split())[:600])
    if done.returncode == REFUSED and text:
        raise ArtifactError(" ".join(text.split())[:600])
    if done.returncode and on_gpu:
        raise AcceleratorError(f"{path}: the driver of the GPU crashes with its graph: use the CPU")
    if done.returncode:
        raise _hostile(path, f"its graph crashes the runtime {name}, or takes more memory than its description allows")
    mark_seen(artifact, seen_as)


def memory_limit(spec: StreamSpec) -> int:
    """Return the memory that a process which runs an artifact may allocate, bytes."""
    tensors = sum(tensor.values * BYTES[tensor.dtype] for tensor in (spec.input, spec.output, *spec.states))
    return BASE + SHARE * (spec.body_bytes + tensors)


def main(arguments: list[str]) -> int:
    """Try one artifact. Print an error on standard output, and return the exit status."""
    from edgeshift.runtimes import load
    from edgeshift.runtimes.native import without_packages

    path, runtime = Path(arguments[0]), arguments[1]
    options: dict[str, Any] = {"accelerator": arguments[2]} if len(arguments) > 2 else {}
    try:
        spec = read_artifact(path).spec
        if not options:  # the libraries of a GPU reserve more memory than they use
            limit_memory(memory_limit(spec))
        black = np.zeros((spec.frame.height, spec.frame.width, 3), np.uint8)
        with without_packages(*NOT_NEEDED.get(runtime, ())):
            model = load(path, runtime=runtime, **options)
            if spec.mode == "clip":
                model.clip([black])
            else:
                model.each_camera()[0].stream().step(black)
    except RuntimeStepError as error:
        print(printable(f"{path}: its graph cannot run: {one_line(error.__cause__ or error)}; convert the model again"))
        return REFUSED
    except AcceleratorError as error:
        print(printable(str(error)))
        return NO_GPU
    except EdgeshiftError as error:
        print(printable(str(error)))
        return REFUSED
    except MemoryError:
        print(printable(str(_hostile(path, "its graph takes more memory than its description allows"))))
        return REFUSED
    return 0


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _hostile(path: Path, what: str) -> ArtifactError:
    return ArtifactError(f"{path}: {what}: it is damaged or hostile; convert the model again")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
