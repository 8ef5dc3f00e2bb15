"""The check of an artifact on an accelerator, in a process of its own, because drivers of GPUs may crash or hang.

python -m edgeshift.runtimes.accelerated FILE gpu REFERENCES      is that process; it prints a line for each frame, and
then one JSON document. REFERENCES is a ``References`` as JSON.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from edgeshift._system.process import run_process
from edgeshift._system.text import printable
from edgeshift.artifact.spec import SoundParitySpec
from edgeshift.errors import AcceleratorError, DeviceError, EdgeshiftError, one_line
from edgeshift.stream.placement import Placement
from edgeshift.targets import TARGETS, find_runtime

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.stream import Model
    from edgeshift.stream.first_difference import Difference, Step
    from edgeshift.stream.selfcheck import Bound

#: Accelerators of ``edgeshift verify --accelerator`` that this module checks. ``emulated.NAMES`` adds processors.
ACCELERATORS = ("cpu", "gpu", "npu")
#: What the process of a check prints after each frame.
FRAME_DONE = "frame"
#: Longest time of a check, seconds. A software GPU takes up to a second for a frame.
SECONDS = 600
#: "computes": all operators run on it, and the results are those of the CPU. "falls back": it refuses operators.
#: "wrong": results differ. "crashes": its driver crashes or hangs. "estimate": a compiler's estimate; nothing ran.
#: "not run": it could not be used.
Verdict = Literal["computes", "falls back", "wrong", "crashes", "estimate", "not run"]


class References(msgspec.Struct, frozen=True, kw_only=True):
    """What the results of an artifact on an accelerator are compared with, besides those of the CPU.

    Attributes:
        against: path of an artifact of the same network that the CPU runs, for one that the CPU cannot run. It must
            have been loaded before, so that it is known to be valid.
        weights, network: where the original network is, as for ``edgeshift.runtimes.original.find_original``.
        transcript: path of a golden transcript.
    """

    against: str | None = None
    weights: str | None = None
    network: str | None = None
    transcript: str | None = None


@dataclass(frozen=True)
class Compared:
    """How far the results are from those of the original network.

    Attributes:
        reference: runtime of the original network.
        frames: number of frames that were compared.
        error: largest difference of a logit, as a share of the range of the original's logits; None: it is no number.
        state_error: error of the state that differs most, in its standard deviations; None: it is no number.
        frame: the first frame, counted from 0, at which results differ too much; None: there is none.
        state: the state that differs most in that frame, or "logits"; None: there is none.
    """

    reference: str
    frames: int
    error: float | None
    state_error: float | None
    frame: int | None = None
    state: str | None = None


@dataclass(frozen=True)
class Checked:
    """What is known about an artifact on one accelerator.

    Attributes:
        accelerator: a name in ``ACCELERATORS``, of an emulated processor, or of a device.
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
        original: how far its results are from those of the original network; None: not compared.
        sound: how far its answers to sounds, and to frames with sounds, are from those of the original network; None:
            not compared.
        transcript: differences to the golden transcript; empty if there are none; None: it was not replayed.
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
    original: Compared | None = None
    sound: SoundParitySpec | None = None
    transcript: tuple[str, ...] | None = None


def check_accelerator(
    path: Path,
    accelerator: str,
    references: References = References(),  # noqa: B008 - it cannot be changed
    advance: Callable[[], None] = lambda: None,
) -> Checked:
    """Check an artifact on an accelerator, in a process of its own.

    Args:
        path: the artifact, which must have been loaded before, so that it is known to be valid.
        accelerator: a name in ``ACCELERATORS``.
        references: what its results are compared with. Without ``against``, one that the CPU cannot run is compared
            with the original network only.
        advance: called after every frame of the self-check and every frame that is compared, ``frames_of_check`` times.
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
    command.append(msgspec.json.encode(references).decode())
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


def check_here(path: Path, accelerator: str, references: References = References()) -> Checked:  # noqa: B008
    """Check an artifact on an accelerator in this process. Arguments as for ``check_accelerator``.

    Returns:
        The result; of a batched artifact that of its first camera that fails, or else that of its first camera.
    """
    from edgeshift.runtimes import load

    against = None if references.against is None else Path(references.against)
    try:
        # The CPU is what other accelerators are compared with. It is compared with itself as a test of the check.
        compiled = find_runtime(path).only_npu
        opened = load(path) if accelerator == "cpu" or compiled else load(path, accelerator=accelerator)
        compared = against if compiled else path
        cameras = opened.each_camera()
        wanted = [None] * len(cameras) if compared is None else load(compared).each_camera()
        original = cache(lambda: original_of(cameras[0].spec, references))  # all cameras have the same one
        first = None
        for index, (model, reference) in enumerate(zip(cameras, wanted, strict=True)):
            done = _check_camera(model, accelerator, reference, original, references)
            if done.verdict != "computes":
                return replace(done, detail=f"camera {index}: {done.detail}") if opened.spec.batch > 1 else done
            first = first or done
        assert first is not None, "a model has at least one camera"
    except AcceleratorError as error:
        if error.refused:
            reasons = "; ".join(f"{operator} ({reason})" for operator, reason in error.refused.items())
            return Checked(accelerator, "falls back", f"falls back at {reasons}")
        return Checked(accelerator, "not run", printable(str(error)).removeprefix(f"{path}: "))
    except EdgeshiftError as error:
        return Checked(accelerator, "not run", one_line(error, 300))
    return first


def _check_camera(
    model: Model,
    accelerator: str,
    reference: Model | None,
    load_original: Callable[[], Model | None],
    references: References,
) -> Checked:
    """Check a model, or one camera of a batched one.

    Args:
        model: the artifact on the accelerator.
        accelerator: its name.
        reference: what the CPU runs; None: nothing, because the CPU cannot run the artifact.
        load_original: returns the original network; None: it is not known.
        references: the other things that the results are compared with.
    """
    from edgeshift.stream.first_difference import limit_of, original_limit, sample_pictures, steps
    from edgeshift.stream.selfcheck import self_check
    from edgeshift.stream.sound_parity import compare_sounds

    check = tuple(self_check(model, _say_frame).problems)
    pictures = sample_pictures(model.spec)
    # The frames are run before torch is imported, because the accelerator's library may not work beside torch.
    taken = list(steps(model, pictures, _say_frame))
    transcript = _replay(model, references.transcript)
    # A GPU computes an int8 graph in float, so its results differ more than the bounds of the self-check allow.
    in_float = accelerator == "gpu" and model.spec.precision == "int8"
    original = load_original()
    ran = Ran(accelerator, model.spec, pictures, taken, check, model.runtime, model.placement, model.processor)
    done = compare_all(ran, reference, limit_of(model), original, references, in_float=in_float)
    if original is not None and model.spec.model.sound is not None:
        limit = original_limit(model.spec, model.processor)
        done = _add_sound(done, compare_sounds(model, original, list(pictures), _say_frame), limit)
    return add_transcript(replace(done, share=_share(model)), transcript, in_float=in_float)


class Ran(NamedTuple):
    """What an artifact answered on an accelerator.

    Attributes:
        accelerator: name of the accelerator, or of the device.
        spec: the description of the artifact.
        pictures: the frames that it was given, [N, H, W, 3] RGB.
        steps: its results after each frame, or window.
        failures: problems of its self-check.
        runtime, ran_on: what ran it, and where.
        processor: kind of processor that ran it, a key of ``edgeshift.stream.selfcheck.BOUNDS``.
    """

    accelerator: str
    spec: StreamSpec
    pictures: npt.NDArray[np.uint8]
    steps: list[Step]
    failures: tuple[str, ...]
    runtime: str
    ran_on: Placement
    processor: str


def compare_all(
    ran: Ran,
    reference: Model | None,
    limit: Bound,
    original: Model | None,
    references: References,
    *,
    in_float: bool = False,
) -> Checked:
    """Compare the results of an artifact with those of the CPU and of the original network.

    Args:
        ran: the results.
        reference: what the CPU runs; None: it is not compared with the CPU.
        limit: the largest errors that are accepted against the CPU.
        original: the original network; None: it is not known.
        references: names the artifact that the CPU runs in place of this one.
        in_float: as for ``in_words``.
    """
    from edgeshift.stream.first_difference import find_difference, original_limit, steps

    if reference is None:
        done = not_compared(ran.accelerator, ran.failures, ran.runtime, ran.ran_on)
    else:
        found = find_difference(ran.steps, steps(reference, ran.pictures), limit)
        done = in_words(ran.accelerator, found, ran.failures, ran.ran_on, ran.runtime, in_float=in_float)
        if references.against is not None:
            done = replace(done, detail=f"{done.detail}; compared with {_name(references.against)} on the CPU")
    if original is not None:
        allowed = original_limit(ran.spec, ran.processor)
        found = find_difference(ran.steps, steps(original, ran.pictures), allowed, common=True)
        done = _add_original(done, original, found)
    return done


def _name(path: str) -> str:
    return printable(Path(path).name)


def frames_of_check(spec: StreamSpec) -> int:
    """Return how often the check of an artifact on an accelerator calls ``advance``, if the original is known."""
    from edgeshift.stream.parity import MIN_FRAMES
    from edgeshift.stream.selfcheck import runs_of_check
    from edgeshift.stream.sound_parity import COUNT

    return spec.batch * (runs_of_check(spec) + MIN_FRAMES + (0 if spec.model.sound is None else COUNT))


def _say_frame() -> None:
    print(FRAME_DONE, flush=True)


def original_of(spec: StreamSpec, references: References) -> Model | None:
    """Return the network that an artifact was made from, for comparison; None: it is not known, or torch is missing.

    Raises:
        EdgeshiftError: as ``edgeshift.runtimes.original.find_original``.
    """
    from edgeshift.runtimes.original import find_original

    weights = None if references.weights is None else Path(references.weights)
    source, _ = find_original(spec, weights, references.network)
    if source is None:
        return None
    from edgeshift.runtimes.pytorch import references as networks

    return networks(source, spec.precision, TARGETS.get(spec.target), frames=spec.frames)[0]


def _add_original(done: Checked, original: Model, found: Difference) -> Checked:
    """Return a result with the comparison with the original network."""
    compared = Compared(original.runtime, found.frames, found.error, found.state_error, found.frame, found.state)
    if found.frame is None:
        return replace(done, original=compared)
    detail = f"{done.detail}; against {original.runtime}, wrong from frame {found.frame}, {found.state}"
    return replace(done, verdict="wrong", detail=detail, original=compared)


def _add_sound(done: Checked, found: SoundParitySpec, limit: Bound) -> Checked:
    """Return a result with the comparison of the answers to sounds, whose logits have the limit of the frames."""
    from edgeshift.stream.parity import sound_failures

    problems = sound_failures(found, limit.logits if math.isfinite(limit.logits) else None)
    if all(map(math.isfinite, (found.max_error, found.cosine, found.fused_error, found.fused_cosine))):
        done = replace(done, sound=found)  # JSON has no NaN
    return replace(done, verdict="wrong", detail=f"{done.detail}; {'; '.join(problems)}") if problems else done


def add_transcript(done: Checked, differences: tuple[str, ...] | None, *, in_float: bool = False) -> Checked:
    """Return a result with the differences to a golden transcript; None: it was not replayed.

    ``in_float`` says that the accelerator computes an int8 graph in float, which may then have differences.
    """
    done = replace(done, transcript=differences)
    if not differences or in_float:
        return done
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    return replace(done, verdict="wrong", detail=f"{done.detail}; transcript: {differences[0]}{more}")


def _replay(model: Model, transcript: str | None) -> tuple[str, ...] | None:
    from edgeshift.stream.replay import replay
    from edgeshift.stream.transcript import read_transcript

    return None if transcript is None else tuple(replay(model, read_transcript(Path(transcript))))


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


def not_compared(accelerator: str, failures: tuple[str, ...], runtime: str, ran_on: Placement) -> Checked:
    """Return the result for a file with which the CPU has nothing to compare. It says whether the self-check passed.

    Args:
        accelerator: name of the accelerator.
        failures: problems of the self-check.
        runtime, ran_on: what ran the artifact.
    """
    if failures:
        detail = f"the self-check fails: {'; '.join(failures)}"
        return Checked(accelerator, "wrong", detail, runtime, ran_on, failures)
    detail = (
        "computes all operators; the self-check passes; not compared with the CPU: for that, add --against FILE.onnx"
    )
    return Checked(accelerator, "computes", detail, runtime, ran_on)


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.argv[3], type=References)
    print(msgspec.json.encode(check_here(Path(sys.argv[1]), sys.argv[2], wanted)).decode())
