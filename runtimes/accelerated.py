"""The check of an artifact on an accelerator, in a process of its own, because drivers of GPUs may crash or hang.

python -m edgeshift.runtimes.accelerated FILE gpu [REFERENCE]      is that process; it prints a line for each frame, and
then one JSON document
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from edgeshift._system.process import run_process
from edgeshift._system.text import printable
from edgeshift.errors import AcceleratorError, DeviceError, EdgeshiftError, one_line
from edgeshift.stream.placement import Placement
from edgeshift.targets import find_runtime

if TYPE_CHECKING:
    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.stream import Model
    from edgeshift.stream.first_difference import Difference

#: All accelerators of ``edgeshift verify --accelerator``.
ACCELERATORS = ("cpu", "gpu", "npu")
#: What the process of a check prints after each frame.
FRAME_DONE = "frame"
#: Longest time of a check, seconds. A software GPU takes up to a second for a frame.
SECONDS = 600
#: "computes": all operators run on it, and the results are those of the CPU. "falls back": it refuses operators.
#: "wrong": results differ. "crashes": its driver crashes or hangs. "estimate": a compiler's estimate; nothing ran.
#: "not run": it could not be used.
Verdict = Literal["computes", "falls back", "wrong", "crashes", "estimate", "not run"]


@dataclass(frozen=True)
class Checked:
    """What is known about an artifact on one accelerator.

    Attributes:
        accelerator: a name in ``ACCELERATORS``.
        verdict: the verdict.
        detail: the verdict in words: what refuses what, where results differ, or why it was not run.
        runtime: runtime and accelerator; None: it was not run.
        ran_on: where the graph ran, as the runtime says; None: it was not run.
        self_check: problems of the self-check; empty if there are none, or if it was not run. An int8 artifact may have
            some on a GPU and still compute, because GPUs compute int8 graphs in float.
        frames: number of frames that were compared with the CPU; None: none were.
        error: largest difference of a logit, as a share of the range of the CPU's logits; None: not compared.
        state_error: error of the state that differs most, in its standard deviations; None: not compared.
        frame: the first frame, counted from 0, at which results differ too much; None: there is none.
        state: the state that differs most in that frame, or "logits"; None: there is none.
        share: share of the operators that the accelerator computes, 0 to 1. For the CPU, it is the share that XNNPACK
            takes, as the artifact's description says; for an estimate, the compiler's share. None: not known.
    """

    accelerator: str
    verdict: Verdict
    detail: str
    runtime: str | None = None
    ran_on: Placement | None = None
    self_check: tuple[str, ...] = ()
    frames: int | None = None
    error: float | None = None
    state_error: float | None = None
    frame: int | None = None
    state: str | None = None
    share: float | None = None


def check_accelerator(
    path: Path, accelerator: str, against: Path | None = None, advance: Callable[[], None] = lambda: None
) -> Checked:
    """Check an artifact on an accelerator, in a process of its own.

    Args:
        path: the artifact, which must have been loaded before, so that it is known to be sound.
        accelerator: a name in ``ACCELERATORS``.
        against: an artifact of the same network that the CPU runs, for a ``path`` that the CPU cannot run. It must have
            been loaded before, too. None: such a ``path`` is not compared; only its self-check is run.
        advance: called after every frame that was compared.
    """
    runtime = find_runtime(path)
    if runtime.only_npu and accelerator != "npu":
        return Checked(accelerator, "not run", "the file is compiled for Qualcomm's NPU: check it with npu")
    if accelerator == "npu" and not runtime.only_npu:
        from edgeshift.runtimes.vela import estimate  # not at import: other accelerators do not need it

        return estimate(path)
    if accelerator == "gpu" and runtime.name != "tflite":
        return Checked(accelerator, "not run", f"verify runs {path.suffix} files on the CPU only")
    command = [sys.executable, "-m", "edgeshift.runtimes.accelerated", str(path), accelerator]
    command += [] if against is None else [str(against)]
    try:
        done = run_process(command, SECONDS, lambda line: advance() if line == FRAME_DONE else None)
    except DeviceError as error:
        return Checked(accelerator, "crashes", f"the check does not end: {one_line(error, 300)}")
    try:
        return msgspec.json.decode(done.out.splitlines()[-1], type=Checked)
    except (IndexError, msgspec.DecodeError):
        return Checked(accelerator, "crashes", f"the process of the check ended with status {done.status}")


def require_same_network(spec: StreamSpec, path: Path, reference: StreamSpec, against: Path) -> None:
    """Check that an artifact for the CPU is the same network as one that is compiled for an accelerator.

    Args:
        spec, path: description and path of the compiled artifact.
        reference, against: those of the artifact for the CPU.

    Raises:
        EdgeshiftError: it is another network, or it does not run on the CPU.
    """
    runtime = find_runtime(against)
    if runtime.accelerators[:1] != ("cpu",):
        raise EdgeshiftError(
            f"{against}: {runtime.title} does not run it on the CPU: give the artifact from before the compilation, "
            "which edgeshift convert --target onnx makes"
        )
    parts = {
        "the model": (spec.model, reference.model),
        "the weights": (spec.weights.sha256, reference.weights.sha256),
        "the precision": (spec.precision, reference.precision),
        "the size of the frames": (spec.frame, reference.frame),
        "the labels": (spec.labels, reference.labels),
        "the frames of a clip": (spec.frames, reference.frames),
        "the states": _states(spec, reference),
    }
    different = [part for part, (first, second) in parts.items() if first != second]
    if different:
        raise EdgeshiftError(
            f"{against} is not the network of {path}; they differ in {', '.join(different)}: convert the same weights "
            "with the same options and --target onnx"
        )


def _states(*specs: StreamSpec) -> tuple[object, ...]:
    return tuple(sorted((state.name, state.shape) for state in spec.states) for spec in specs)


def check_here(path: Path, accelerator: str, against: Path | None = None) -> Checked:
    """Check an artifact on an accelerator in this process. Arguments as for ``check_accelerator``."""
    from edgeshift.runtimes import load
    from edgeshift.stream.first_difference import first_difference
    from edgeshift.stream.selfcheck import self_check

    try:
        # The CPU is what other accelerators are compared with. It is compared with itself as a test of the check.
        compiled = find_runtime(path).only_npu
        opened = load(path) if accelerator == "cpu" or compiled else load(path, accelerator=accelerator)
        model = opened.each_camera()[0]  # verify itself checks the first camera, too
        result = self_check(model)
        check = tuple(result.problems)
        if compiled and against is None:
            return not_compared(accelerator, check, model.runtime, model.placement, _share(model))
        reference = load(path if against is None else against).each_camera()[0]
        found = first_difference(model, reference, advance=lambda: print(FRAME_DONE, flush=True))
    except AcceleratorError as error:
        if error.refused:
            reasons = "; ".join(f"{operator} ({reason})" for operator, reason in error.refused.items())
            return Checked(accelerator, "falls back", f"falls back at {reasons}")
        return Checked(accelerator, "not run", printable(str(error)).removeprefix(f"{path}: "))
    except EdgeshiftError as error:
        return Checked(accelerator, "not run", one_line(error, 300))
    # A GPU computes an int8 graph in float, so its results differ more than the bounds of the self-check allow.
    in_float = accelerator == "gpu" and model.spec.precision == "int8"
    done = in_words(accelerator, found, check, model.placement, model.runtime, in_float=in_float)
    detail = done.detail if against is None else f"{done.detail}; compared with {printable(against.name)} on the CPU"
    return replace(done, detail=detail, share=_share(model))


def in_words(
    accelerator: str,
    found: Difference,
    check: tuple[str, ...],
    ran_on: Placement,
    runtime: str,
    *,
    in_float: bool = False,
) -> Checked:
    """Return the result of a check that compared frames.

    Args:
        accelerator: name of the accelerator.
        found: how far its results are from the CPU's.
        check: problems of its self-check.
        ran_on, runtime: what ran the artifact.
        in_float: whether the accelerator computes an int8 graph in float; its self-check may then fail.
    """
    size = f"logits differ by up to {found.error:.2g} of their range, states by {found.state_error:.2g} deviations"
    verdict: Verdict = "computes" if found.frame is None and (not check or in_float) else "wrong"
    if found.frame is not None:
        detail = f"wrong from frame {found.frame}, {found.state} ({size})"
    elif verdict == "wrong":
        detail = f"the self-check fails: {'; '.join(check)}"
    else:
        detail = f"computes all operators{' in float' * in_float}, {found.frames} frames: {size}"
    return Checked(
        accelerator,
        verdict,
        detail,
        runtime,
        ran_on,
        check,
        found.frames,
        found.error,
        found.state_error,
        found.frame,
        found.state,
    )


def _share(model: Model) -> float | None:
    """Return the share of the operators that the accelerator of a model computes; for the CPU, that of XNNPACK."""
    if model.placement.accelerator == "cpu":
        return None if model.spec.graph is None else model.spec.graph.delegated
    return 1.0 if model.placement.complete else None


def not_compared(
    accelerator: str, failures: tuple[str, ...], runtime: str, ran_on: Placement, share: float | None = 1.0
) -> Checked:
    """Return the result for a file that the CPU cannot run, so that only its self-check is run.

    Args:
        accelerator: name of the accelerator.
        failures: problems of the self-check.
        runtime, ran_on: what ran the artifact.
        share: share of the operators that the accelerator computes.
    """
    if failures:
        detail = f"the self-check fails: {'; '.join(failures)}"
        return Checked(accelerator, "wrong", detail, runtime, ran_on, failures)
    detail = (
        "computes all operators; the self-check passes; not compared with the CPU: for that, add --against FILE.onnx"
    )
    return Checked(accelerator, "computes", detail, runtime, ran_on, share=share)


if __name__ == "__main__":
    print(msgspec.json.encode(check_here(Path(sys.argv[1]), sys.argv[2], *map(Path, sys.argv[3:4]))).decode())
