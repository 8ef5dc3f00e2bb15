"""``edgeshift verify``: run the self-check of an artifact, and compare it with the original if torch is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgeshift._system.progress import ProgressBars
from edgeshift.cli import glossary
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.facts import UNTRAINED, Facts, parity_facts, unit_of
from edgeshift.cli.options import Artifact, AsJson, Explain, Runtime, Threads, option
from edgeshift.cli.output import print_facts, print_json, print_next
from edgeshift.errors import CheckFailedError, missing
from edgeshift.targets import TARGETS

#: What is said about the self-check of an artifact that an older version of edgeshift made.
OLDER_CHECK = "format version 1: this check accepts larger errors and compares no states; convert again for the new one"

if TYPE_CHECKING:
    from edgeshift.artifact.spec import ParitySpec, StreamSpec
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.stream import Model
    from edgeshift.stream.selfcheck import SelfCheck


def run(
    file: Artifact,
    weights: Annotated[Path | None, option("Source", effect=ALWAYS, metavar="FILE")] = None,
    runtime: Runtime = None,
    threads: Threads = 1,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Check an artifact on this machine.

    The self-check compares logits and states over a few frames with those recorded in the artifact. It needs only the
    runtime.
    If torch is installed, the artifact is also compared with its original over at least 32 frames. The original is
    found if it ships with edgeshift; otherwise name it with --weights.

    Args:
        weights: The checkpoint that the artifact was made from. Default: weights that ship with edgeshift, if the
            artifact was made from them.

    Examples:
      edgeshift verify tsm_mobilenet_v2_int8.tflite
      edgeshift verify kinetics.tflite --weights checkpoint.pth
      edgeshift verify tsm_mobilenet_v2_int8.trt.onnx --runtime tensorrt

    Exit status: 1 if a check fails.
    """
    from edgeshift.runtimes import load
    from edgeshift.stream.parity import failures
    from edgeshift.stream.selfcheck import self_check

    bars = ProgressBars()
    with bars.stage("load"):
        model = load(file, runtime=runtime, threads=threads, isolate=True)
    with bars.stage("self-check"):
        check = self_check(model)
    parity, reason = _compare(model, weights, bars)
    problems = failures(parity, model.spec.precision) if parity else []
    if parity is None:
        problems += [f"conversion: {problem}" for problem in model.spec.problems]
    problems[:0] = [f"self-check: {problem}" for problem in check.problems]
    if as_json:
        print_json(
            {
                "ok": not problems,
                "problems": problems,
                "runtime": model.runtime,
                "trained": model.spec.weights.trained,
                "self_check": asdict(check),
                "parity": parity,
                "parity_not_run": reason,
            }
        )
    else:
        facts = _facts(model, check, parity, reason, passed=not problems)
        print_facts(str(file), facts)
        if explain:
            glossary.explain(name.strip() for name, _ in facts)
    if problems:
        raise CheckFailedError(f"{file}: " + "; ".join(problems))
    if not as_json:
        print_next("edgeshift", "demo", file, "--headless")


def _facts(model: Model, check: SelfCheck, parity: ParitySpec | None, reason: str | None, *, passed: bool) -> Facts:
    verdict = "ok" if check.ok else "FAILED"
    errors = f"logits {check.error:.3g} of {check.tolerance:.3g} allowed"
    if check.state_error is not None:
        errors += f", states {check.state_error:.3g} of {check.state_tolerance:g}"
    facts: Facts = [
        ("runtime", model.runtime),
        ("self-check", f"{check.frames} {unit_of(model.spec)}, errors: {errors}: {verdict}"),
    ]
    if check.version == 1:
        facts.append(("", OLDER_CHECK))
    compared = parity_facts(parity, model.spec, passed=passed) if parity else [("parity", reason)]
    facts += [(name, value) for name, value in compared if name != "  executed by"]  # the first line has the runtime
    return facts if model.spec.weights.trained else [*facts, ("weights", UNTRAINED)]


def _compare(model: Model, weights: Path | None, bars: ProgressBars) -> tuple[ParitySpec | None, str | None]:
    """Compare the artifact with its original. Returns the comparison, or None and the reason why there is none."""
    spec = model.spec
    if importlib.util.find_spec("torch") is None:
        if weights is not None:
            raise missing("torch", "convert", "comparing with the checkpoint")
        return None, "not run: torch is not installed"
    from edgeshift._system.files import sha256
    from edgeshift.checkpoints.source import UNTRAINED_WEIGHTS
    from edgeshift.weights import all_shipped

    if weights is None:
        shipped = (path for path in all_shipped().values() if sha256(path.read_bytes()) == spec.weights.sha256)
        weights = next(shipped, None)
    if weights is None and spec.weights.source != UNTRAINED_WEIGHTS:
        return None, f"not run: give the checkpoint ({spec.weights.source}) with --weights"
    from edgeshift._system.threads import one_thread
    from edgeshift.converters.pipeline import parity_frames
    from edgeshift.runtimes.pytorch import references
    from edgeshift.stream.parity import compare, frames_needed

    with bars.stage("original"):
        source = _load_original(spec, weights)
    if weights is None and source.description.weights.sha256 != spec.weights.sha256:
        return None, "not run: the untrained weights of this machine differ from those of the artifact"
    frames = parity_frames(source.description.frame, frames_needed(spec))
    with bars.stage("parity", len(frames) - spec.frames + 1) as advance, one_thread():
        wanted, original = references(source, spec.precision, TARGETS.get(spec.target), frames=spec.frames)
        return compare(model, wanted, frames, advance, original), None


def _load_original(spec: StreamSpec, weights: Path | None) -> Checkpoint:
    from edgeshift.checkpoints import load, load_for_streaming, weights_file
    from edgeshift.checkpoints.source import untrained_source

    model = spec.model
    if weights is None:
        return untrained_source(model.name, size=model.size, width=model.width, depth=model.depth)
    # Before the labels are compared: those of another checkpoint rarely fit, and the error would be about them.
    if weights_file.read(weights).sha256 != spec.weights.sha256:
        raise CheckFailedError(f"{weights} is not the checkpoint this artifact was made from ({spec.weights.source})")
    read = load if spec.mode == "clip" else load_for_streaming
    return read(
        weights,
        model=model.name,
        size=model.size,
        fit=spec.frame.fit,
        order=spec.frame.order,
        labels=spec.labels,
        bidirectional=None if model.bidirectional else False,
        stream_bidirectional=model.streamed_bidirectional,
    )
