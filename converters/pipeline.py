"""The conversion pipeline, the same for every target: deploy, calibrate, lower, describe, check, write."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

import edgeshift
from edgeshift._system.memory import rare_garbage_collection
from edgeshift._system.progress import Stages
from edgeshift._system.threads import one_thread
from edgeshift.artifact.file import Artifact, artifact_size, require_replaceable, write_artifact
from edgeshift.artifact.seen import mark_seen
from edgeshift.artifact.spec import CalibrationSpec, StreamSpec
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters.calibration import MIN_CLIPS, Clips, require_finite, roll, sample_limit, share
from edgeshift.converters.job import Job, converter_of
from edgeshift.errors import CalibrationError, CheckFailedError, ConversionError
from edgeshift.events.default_rule import rule_for_artifact
from edgeshift.gestures.fitted_clips import FRAMES, drawn_clips
from edgeshift.models.deploy import deploy
from edgeshift.models.network import Step
from edgeshift.runtimes.pytorch import reference, references
from edgeshift.stream import Array
from edgeshift.stream.parity import MIN_FRAMES, compare, failures
from edgeshift.stream.selfcheck import make_check
from edgeshift.targets import TARGETS, Precision, StateForm, Target, find_target, require_converter, runtimes_of
from edgeshift.video.fit import FrameSpec

#: Seed of the clips drawn for the parity check. They are not those of calibration, which would prove too little.
PARITY_SEED = 1001


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        precision: "fp32", "fp16" or "int8".
        calibration: clips for int8, or "drawn" for clips of drawn gestures. None: drawn, but only for weights that were
            trained on drawn gestures, or not at all.
        parity: frames for the parity check, uint8 [H, W, 3] RGB; None: edgeshift draws frames.
        float_boundary: an int8 graph takes and returns float tensors (browsers refuse int8 inputs).
        fresh_states: no operator reads the tensor of a next state (some GPU delegates corrupt outputs that are read).
        state: where the states are kept between two steps; a form that the target supports.
        backend: a back end of the target; None: the first back end of the target.
        force: write an artifact that fails the parity check too. Its description has the reasons.
        float_layers: patterns of layers that an int8 graph computes in float, such as "blocks.0.se"; ``*`` stands for a
            part of a path between two dots.
    """

    precision: Precision = "int8"
    calibration: Clips | Literal["drawn"] | None = None
    parity: Sequence[npt.NDArray[np.uint8]] | None = None
    float_boundary: bool = False
    fresh_states: bool = False
    state: StateForm = "io"
    backend: str | None = None
    force: bool = False
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """The work that all targets share.

    Attributes:
        step: the deployed step function to lower.
        samples: calibration samples; empty unless the precision is int8.
        calibration: the clips that the samples come from; None: there are no samples.
        shared: {name: graph of this step} that targets store for other targets (``edgeshift.converters.job.Job``).
    """

    step: Step
    samples: Sequence[dict[str, Array]]
    calibration: CalibrationSpec | None
    shared: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Converted:
    """An artifact that was written.

    Attributes:
        path: the artifact.
        spec: its description.
        size: its size in bytes.
        seconds: {stage of the conversion: seconds}.
        unproven: why it was not compared with the original on this machine; None: it was compared and passed.
    """

    path: Path
    spec: StreamSpec
    size: int
    seconds: dict[str, float]
    unproven: str | None = None


def require_choices(target: Target, options: Options) -> None:
    """Raise a ConversionError for a precision, state form or back end that the target does not support."""
    name, backend = target.name, target.backend(options.backend)
    if backend is not None:
        if backend not in target.backends:
            known = f"it has {', '.join(target.backends)}" if target.backends else "it has none to choose from"
            raise ConversionError(f"{target.name} has no --backend {backend}; {known}")
        name = f"{target.name} --backend {backend}"
    choices = target.choices(options.backend)
    if options.precision not in choices.precisions:
        raise ConversionError(f"{name} has no {options.precision}; it has {', '.join(choices.precisions)}")
    if options.state not in choices.states:
        raise ConversionError(f"{name} has no --state {options.state}; it has {', '.join(choices.states)}")


def default_path(source: Checkpoint, target: str, precision: Precision, state: StateForm = "io") -> Path:
    """Return the default name of an artifact, such as ``tsm_mobilenet_v2_int8.tflite``."""
    form = "" if state == "io" else f"_{state}"
    return Path(f"{source.network.config.name}_{precision}{form}{find_target(target).suffix}")


def prepare(
    source: Checkpoint, options: Options | None = None, stages: Stages | None = None, step: Step | None = None
) -> Prepared:
    """Do the work that all targets share. The arguments are those of ``convert``.

    Raises:
        CalibrationError: there are too few clips, or none for weights that were not trained on drawn gestures.
        CheckpointError: the network computes NaN or infinity.
    """
    options, stages = options or Options(), stages or Stages()
    with stages.stage("prepare"):
        step = step or deploy(source.network, fresh=options.fresh_states)
        with one_thread():
            require_finite(step, source.network.config.size, source.description.weights.source)
    if options.precision != "int8":
        return Prepared(step, [], None)
    if step.growing:
        raise ConversionError(
            f"int8 cannot hold {step.growing[0]}, whose values grow as long as a stream runs: use --precision fp32 or "
            "fp16, or let the network keep a mean of a fixed number of frames"
        )
    clips = _calibration_clips(source, options)
    if len(clips) < MIN_CLIPS:
        raise CalibrationError(f"{len(clips)} clips; calibration needs {MIN_CLIPS} or more")
    samples: list[dict[str, Array]] = []
    used, digest, limit = 0, hashlib.sha256(), sample_limit(step)
    with stages.stage("calibrate", len(clips)) as advance, one_thread():
        for clip in clips:
            samples.extend(roll(step, [clip], share(used, len(clips), limit)))
            digest.update(clip.tobytes())
            used += 1
            advance()
    spec = CalibrationSpec(
        source=clips.source, clips=used, samples=len(samples), sha256=digest.hexdigest(), total=clips.total
    )
    return Prepared(step, samples, spec)


def _calibration_clips(source: Checkpoint, options: Options) -> Clips:
    """Return the clips for int8. Clips of drawn gestures are used for other weights only if they are asked for."""
    description = source.description
    if options.calibration is not None and options.calibration != "drawn":
        return options.calibration
    if options.calibration is None and description.weights.trained and not source.drawn:
        raise CalibrationError(
            f"{description.weights.source or 'these weights'}: int8 ranges are chosen on clips like those that the "
            "weights were trained on: add --calibration with a folder of at least 16 videos (--calibration drawn uses "
            "drawn gestures anyway, which costs accuracy)"
        )
    return drawn_clips(description.frame, spacing=description.frame_spacing)


@rare_garbage_collection()
def convert(
    source: Checkpoint,
    target: str,
    out: Path,
    options: Options | None = None,
    stages: Stages | None = None,
    step: Step | None = None,
    prepared: Prepared | None = None,
) -> Converted:
    """Convert a checkpoint, compare the result with the original, and write the artifact only if it passes.

    Args:
        source: the original network.
        target: a name in ``edgeshift.targets.TARGETS``.
        out: path of the artifact.
        options: how to convert.
        stages: measures and shows progress.
        step: lower this step instead of the deployed form of the source.
        prepared: the result of ``prepare`` for the same source and options; None: it is made here.

    Raises:
        ConversionError: the target cannot convert with these options. No other artifact is written instead.
        CheckFailedError: the artifact failed the parity check. Nothing is written, unless ``options.force`` is set.
    """
    options, stages = options or Options(), stages or Stages()
    record = find_target(target)
    require_choices(record, options)
    require_replaceable(out)
    if not out.name.endswith(record.suffix):
        raise ConversionError(f"{out}: the name of a {target} artifact must end in {record.suffix}")
    if options.float_boundary and options.precision != "int8":
        raise ConversionError(
            f"--float-boundary is for int8; {options.precision} artifacts have float inputs and outputs anyway"
        )
    if options.float_layers and (options.precision != "int8" or not record.float_layers):
        able = ", ".join(name for name, other in TARGETS.items() if other.float_layers)
        raise ConversionError(
            f"--float-layers is for int8 of the targets {able}, not for {options.precision} of {target}: leave it out"
        )
    require_converter(record)
    prepared = prepared or prepare(source, options, stages, step)
    if prepared.step.growing and options.precision == "fp16" and record.half_arithmetic:
        raise ConversionError(
            f"{target} computes fp16 in float16, which cannot hold {prepared.step.growing[0]}, whose values grow as "
            "long as a stream runs: use --precision fp32"
        )
    job = Job(
        target=record,
        source=source,
        step=prepared.step,
        precision=options.precision,
        samples=prepared.samples,
        float_boundary=options.float_boundary,
        stages=stages,
        state=options.state,
        backend=record.backend(options.backend),
        float_layers=options.float_layers,
        shared=prepared.shared,
    )
    lowered = converter_of(record).lower(job)
    spec = msgspec.structs.replace(
        source.describe(target, options.precision, prepared.step),
        input=lowered.input,
        output=lowered.output,
        states=lowered.states,
        state_form=options.state,
        graph=lowered.graph,
        calibration=prepared.calibration,
        rule=rule_for_artifact(source.description),
        tools={"edgeshift": edgeshift.__version__, **lowered.tools},
    )
    artifact = Artifact(out, spec, lowered.body)
    if lowered.unproven is None:
        spec = _check(artifact, source, job, options, stages)
    else:  # the self-check has the original's logits, for a device that can run the artifact
        spec = msgspec.structs.replace(spec, check=make_check(reference(source), original=True))
    with stages.stage("write"):
        spec = write_artifact(out, lowered.body, spec)
    if lowered.unproven is None:
        for runtime in runtimes_of(record):
            mark_seen(Artifact(out, spec, lowered.body), runtime.name)
    return Converted(out, spec, artifact_size(out), dict(stages.seconds), lowered.unproven)


def _check(artifact: Artifact, source: Checkpoint, job: Job, options: Options, stages: Stages) -> StreamSpec:
    """Compare an artifact with the original on each runtime of the target, and record a self-check for devices.

    Returns:
        The description with the self-check, and with the parity on the target's default runtime.
    """
    frames = parity_frames(source.description.frame) if options.parity is None else options.parity
    target = find_target(artifact.spec.target)
    runtimes = runtimes_of(target)
    wanted, original = references(source, options.precision, target, job.step)
    with stages.stage("verify", len(frames) * len(runtimes)) as advance, one_thread():
        models = [importlib.import_module(runtime.module).open_artifact(artifact) for runtime in runtimes]
        results = [compare(model, wanted, frames, advance, original) for model in models]
    problems = tuple(problem for parity in results for problem in failures(parity, options.precision))
    if problems and not options.force:
        raise CheckFailedError(
            f"{artifact.path.name} does not match the original over {len(frames)} frames, and was not written: "
            f"{'; '.join(problems)}; {_worst_layer(artifact, job, frames)}--force writes it, marked as failed"
        )
    return msgspec.structs.replace(artifact.spec, parity=results[0], check=make_check(models[0]), problems=problems)


def _worst_layer(artifact: Artifact, job: Job, frames: Sequence[npt.NDArray[np.uint8]]) -> str:
    """Return a sentence about the layer with which int8 loses most, for targets that can keep it in float."""
    worst = getattr(converter_of(job.target), "worst_layer", None)
    if job.precision != "int8" or worst is None:
        return ""
    return f"the layer that loses most is {worst(job, artifact.body, frames)} (--float-layers keeps it in float); "


def parity_frames(frame: FrameSpec) -> list[npt.NDArray[np.uint8]]:
    """Return the frames of four drawn clips for the parity check. Calibration does not use these clips."""
    clips = drawn_clips(frame, MIN_FRAMES // FRAMES, PARITY_SEED).frames
    return [picture for clip in clips for picture in clip]
