"""``edgeshift verify``."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import click
import msgspec

from edgeshift._system.files import sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.spec import ParitySpec
from edgeshift.cli.facts import UNTRAINED, Facts, parity_facts
from edgeshift.cli.output import print_facts, print_json, print_next
from edgeshift.errors import CheckFailedError, missing
from edgeshift.stream import Model


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path), metavar="F")
@click.option("--weights", type=click.Path(path_type=Path), metavar="F", help="The checkpoint, for full parity.")
@click.option("--runtime", metavar="R", help="tensorrt, or mil (Core ML's checker). Default: by the file's name.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(file: Path, weights: Path | None, runtime: str | None, threads: int, as_json: bool) -> None:
    """Check an artifact on this machine.

    The self-check compares the answers to embedded test frames with those recorded when it was made: no torch, no
    other file. Where torch is installed, an artifact of a model that ships with edgeshift (or of any, with --weights)
    is also compared with the original over many frames.

    \b
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
        model = load(file, runtime=runtime, threads=threads)
    with bars.stage("self-check"):
        check = self_check(model)
    parity, reason = _parity(model, weights, bars)
    problems = failures(parity, model.spec.precision) if parity else []
    if not check.ok:
        problems.insert(0, f"self-check: logits differ by {check.error:.3g}, {check.tolerance:.3g} is allowed")
    if as_json:
        print_json(
            {
                "ok": not problems,
                "problems": problems,
                "runtime": model.runtime,
                "trained": model.spec.weights.trained,
                "self_check": {
                    "frames": check.frames,
                    "error": check.error,
                    "tolerance": check.tolerance,
                    "repeatable": check.repeatable,
                },
                "parity": None if parity is None else msgspec.to_builtins(parity),
                "parity_not_run": reason,
            }
        )
    else:
        verdict = "ok" if check.ok else "FAILED"
        words = f"{check.frames} frames, error {check.error:.3g} of {check.tolerance:.3g} allowed: {verdict}"
        facts: list[tuple[str, object]] = [
            ("runtime", model.runtime),
            ("self-check", words),
            *(_compared(parity, model, holds=not problems) if parity else [("parity", reason)]),
        ]
        if not model.spec.weights.trained:
            facts.append(("weights", UNTRAINED))
        print_facts(str(file), facts)
    if problems:
        raise CheckFailedError(f"{file}: " + "; ".join(problems))
    if not as_json:
        print_next("edgeshift", "demo", file, "--headless")


def _compared(parity: ParitySpec, model: Model, *, holds: bool) -> Facts:
    """Parity, without the runtime, which has a line of its own here."""
    return parity_facts(msgspec.structs.replace(parity, runtime=None), model.spec.precision, holds=holds)


def _parity(model: Model, weights: Path | None, bars: ProgressBars) -> tuple[ParitySpec | None, str | None]:
    """Full parity where it can be had, else why not."""
    spec = model.spec
    if importlib.util.find_spec("torch") is None:
        if weights is not None:
            raise missing("torch", "convert", "comparing with the checkpoint")
        return None, "not verified on this platform: torch is not installed"
    from edgeshift.checkpoints.source import UNTRAINED_WEIGHTS
    from edgeshift.weights import all_shipped

    if weights is None:
        ours = (path for path in all_shipped().values() if sha256(path.read_bytes()) == spec.weights.sha256)
        weights = next(ours, None)
    if weights is None and spec.weights.source != UNTRAINED_WEIGHTS:
        return None, f"not run: give the checkpoint ({spec.weights.source}) with --weights"
    from edgeshift._system.threads import one_thread
    from edgeshift.converters.pipeline import parity_frames
    from edgeshift.runtimes.pytorch import reference
    from edgeshift.stream.parity import compare

    with bars.stage("original"):
        source = _original(spec, weights)
    if weights is None and source.weights.sha256 != spec.weights.sha256:
        return None, "not run: this machine draws other untrained weights than the one that made the artifact"
    frames = parity_frames(source.frame)
    with bars.stage("parity", len(frames)) as advance, one_thread():
        return compare(model, reference(source), frames, advance), None


def _original(spec: Any, weights: Path | None) -> Any:
    from edgeshift.checkpoints.source import checkpoint_source, untrained_source

    if weights is None:
        model = spec.model
        return untrained_source(model.name, size=model.size, width=model.width, depth=model.depth)
    source = checkpoint_source(
        weights,
        model=spec.model.name,
        size=spec.model.size,
        fit=spec.frame.fit,
        order=spec.frame.order,
        labels=spec.labels,
        past_only=not spec.model.bidirectional,
        stream_bidirectional=spec.model.streamed_bidirectional,
    )
    if source.weights.sha256 != spec.weights.sha256:
        raise CheckFailedError(f"{weights} is not the checkpoint this artifact was made from ({spec.weights.source})")
    return source
