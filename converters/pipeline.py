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
from edgeshift._system.hexagon import DEFAULT
from edgeshift._system.memory import rare_garbage_collection
from edgeshift._system.npus import find_chip, require_sdk
from edgeshift._system.progress import Stages
from edgeshift._system.threads import one_thread
from edgeshift.artifact.file import Artifact, artifact_size, require_replaceable, write_artifact
from edgeshift.artifact.seen import mark_seen
from edgeshift.artifact.spec import CalibrationSpec, ParitySpec, StreamSpec
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters.calibration import (
    MIN_CLIPS,
    Clips,
    require_finite,
    sample_limit,
    samples_of,
    share,
    sound_samples,
    with_sounds,
)
from edgeshift.converters.job import Job, converter_of
from edgeshift.errors import CalibrationError, CheckFailedError, ConversionError, unknown
from edgeshift.events.default_rule import rule_for_artifact
from edgeshift.gestures.fitted_clips import FRAMES, drawn_clips
from edgeshift.models.deploy import deploy, deploy_clip
from edgeshift.models.network import Exportable
from edgeshift.runtimes.lint import DEVICES, lint
from edgeshift.runtimes.onnxruntime import open_artifact as open_onnx
from edgeshift.runtimes.pytorch import reference, references
from edgeshift.sound.picture import Picture
from edgeshift.stream import Array
from edgeshift.stream.parity import failures, frames_needed, parity_frames
from edgeshift.stream.selfcheck import make_check
from edgeshift.stream.sound_parity import compare_each_with_sounds, comparisons, drawn_picture
from edgeshift.targets import TARGETS, Precision, StateForm, Target, find_target, require_converter, runtimes_of

#: Softmax and second product of non-local blocks (``edgeshift.models.non_local``). They stay in float in int8, because
#: a softmax over thousands of values is smaller than one step of int8 nearly everywhere.
NON_LOCAL_ATTENTION = "layer*.*.nl.attention"
#: Seed of the first drawn sound for int8, and number of drawn sounds.
SOUND_SEED, SOUNDS = 1_000_000_000, 64
#: Largest number of cameras that a graph takes in one call.
MAX_BATCH = 64


@dataclass(frozen=True)
class ClipOptions:
    """Options of clip mode.

    Attributes:
        frames: number of frames that the graph takes at once.
        hop: number of frames from one answer of a stream to the next; None: half of ``frames``.

    Raises:
        ConversionError: the hop is larger than a clip, or below 1.
    """

    frames: int
    hop: int | None = None

    def __post_init__(self) -> None:
        if self.hop is None:
            return
        if self.hop > self.frames:
            raise ConversionError(
                f"--hop {self.hop} is more than the {self.frames} frames of a clip: give {self.frames} or less"
            )
        if self.hop < 1:
            raise ConversionError(f"--hop {self.hop} is not possible: give 1 or more")


@dataclass(frozen=True)
class Options:
    """How to convert.

    Attributes:
        precision: "fp32", "fp16" or "int8".
        calibration: clips for int8, or "drawn" for clips of drawn gestures. None: drawn, but only for weights that were
            trained on drawn gestures, or not at all.
        parity: frames for the parity check, uint8 [H, W, 3] RGB; None: edgeshift draws frames.
        float_boundary: an int8 graph takes and returns float tensors (browsers refuse int8 inputs).
        fresh_states: compute every next state anew before it is returned (``edgeshift.converters.fresh``).
        device: a device in ``edgeshift.runtimes.lint.DEVICES``, whose rules the graph must keep, except for those about
            speed; None: no rules.
        state: where the states are kept between two steps; a form that the target supports.
        backend: a back end of the target; None: the first back end of the target.
        clip: how to convert to a graph that takes a whole clip; None: it takes one frame at a time.
        force: write an artifact that fails the parity check too. Its description has the reasons.
        float_layers: patterns of layers that an int8 graph computes in float, such as "blocks.0.se"; ``*`` stands for a
            part of a path between two dots.
        sounds: pictures of sounds for the int8 ranges of a network with a sound segment, or "drawn" for drawn sounds.
            None: drawn, but only for weights that were trained on drawn data, or not at all.
        htp: version of Qualcomm's NPU to compile for, such as "v75"; None: the default. Only for the target "qnn".
        batch: number of cameras whose frames the graph takes in one call, 1 to ``MAX_BATCH``.
        aot: chip whose NPU the graph is compiled for, such as "SM8650" (``edgeshift._system.npus``); None: it is not
            compiled. Only for int8 of the target "tflite".
    """

    precision: Precision = "int8"
    calibration: Clips | Literal["drawn"] | None = None
    parity: Sequence[npt.NDArray[np.uint8]] | None = None
    float_boundary: bool = False
    fresh_states: bool = False
    device: str | None = None
    state: StateForm = "io"
    backend: str | None = None
    clip: ClipOptions | None = None
    force: bool = False
    float_layers: tuple[str, ...] = ()
    sounds: Sequence[Picture] | Literal["drawn"] | None = None
    htp: str | None = None
    batch: int = 1
    aot: str | None = None

    @property
    def fresh(self) -> bool:
        """Whether the graph computes every next state anew: it was asked for, or the device needs it."""
        return self.fresh_states or (self.device is not None and DEVICES[self.device].fresh_states)


@dataclass(frozen=True)
class Prepared:
    """The work that all targets share.

    Attributes:
        step: the deployed step or clip function to lower.
        samples: calibration samples; empty unless the precision is int8.
        calibration: the clips that the samples come from; None: there are no samples.
        shared: {name: graph of this step} that targets store for other targets (``edgeshift.converters.job.Job``).
    """

    step: Exportable
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
        before: the comparison of the graph from before its compilation with another: with the compiled graph for the
            target "qnn", with the original network for ``Options.aot``. None: the graph is not compiled.
    """

    path: Path
    spec: StreamSpec
    size: int
    seconds: dict[str, float]
    unproven: str | None = None
    before: ParitySpec | None = None


def require_choices(target: Target, options: Options) -> None:
    """Check that a target supports the precision, state form, back end and chip.

    Raises:
        ConversionError: the target does not support one of them.
        RuntimeMissingError: the SDK that compiles for the chip is not installed.
    """
    name, backend = target.name, target.backend(options.backend)
    if backend is not None:
        if backend not in target.backends:
            known = f"it has {', '.join(target.backends)}" if target.backends else "it has none to choose from"
            raise ConversionError(f"{target.name} has no --backend {backend}; {known}")
        name = f"{target.name} --backend {backend}"
    choices = target.choices(options.backend)
    if options.precision not in choices.precisions:
        raise ConversionError(f"{name} has no {options.precision}; it has {', '.join(choices.precisions)}")
    if options.clip is not None and (options.fresh_states or options.state != "io"):
        raise ConversionError("a clip has no states: leave out fresh_states and state")
    if options.batch != 1:
        _require_batch(target, options)
    if options.htp is not None and target.runtime != "qnn":
        raise ConversionError(f"{name} is not compiled for a version of Hexagon: leave out --htp and --soc")
    if options.aot is not None:
        _require_aot(target, options)
    if options.state not in choices.states:
        raise ConversionError(f"{name} has no --state {options.state}; it has {', '.join(choices.states)}")
    if options.device is not None and options.device not in DEVICES:
        raise ConversionError(unknown("device", options.device, DEVICES))
    if options.device is not None and target.suffix not in DEVICES[options.device].reads:
        raise ConversionError(f"{options.device} does not read {target.suffix} files: leave out the device")


def _require_batch(target: Target, options: Options) -> None:
    """Raise a ConversionError if a graph for several cameras cannot be made with these options."""
    if not target.batches:
        able = ", ".join(name for name, other in TARGETS.items() if other.batches)
        raise ConversionError(f"--batch is for the targets {able}, not for {target.name}: leave it out")
    if not 1 <= options.batch <= MAX_BATCH:
        raise ConversionError(f"--batch {options.batch} is not possible: give 1 to {MAX_BATCH}")
    if options.clip is not None or options.fresh_states:
        raise ConversionError(
            "--batch is for graphs that take one frame of each camera: leave out clip and fresh_states"
        )


def _require_aot(target: Target, options: Options) -> None:
    """Raise an error if a graph cannot be compiled for the NPU of a chip with these options."""
    assert options.aot is not None, "a chip is given"
    if target.name != "tflite":
        raise ConversionError(f"--aot is for the target tflite, not for {target.name}: leave it out")
    if options.precision != "int8":
        raise ConversionError(f"--aot compiles int8 graphs, not {options.precision}: use --precision int8")
    if options.device is not None:
        raise ConversionError(f"--aot is for an NPU and --for {options.device} for a GPU: leave one of the two out")
    require_sdk(find_chip(options.aot))


def default_path(
    source: Checkpoint,
    target: str,
    precision: Precision,
    state: StateForm = "io",
    clip: ClipOptions | None = None,
    htp: str | None = None,
    batch: int = 1,
    aot: str | None = None,
) -> Path:
    """Return the default name of an artifact, such as ``tsm_mobilenet_v2_int8.tflite``.

    The name also has the version of Qualcomm's NPU, or the chip of ``--aot``, that an artifact is compiled for, such as
    ``tsm_mobilenet_v2_int8_v75.qnn.onnx`` and ``tsm_mobilenet_v2_int8_SM8650.tflite``.
    """
    form = "" if state == "io" else f"_{state}"
    mode = f"_clip{clip.frames}" if clip else f"_batch{batch}" if batch > 1 else ""
    chip = f"_{htp or DEFAULT}" if find_target(target).runtime == "qnn" else ""
    chip += f"_{find_chip(aot).name}" if aot else ""
    return Path(f"{source.network.config.name}{mode}_{precision}{form}{chip}{find_target(target).suffix}")


def prepare(
    source: Checkpoint, options: Options | None = None, stages: Stages | None = None, step: Exportable | None = None
) -> Prepared:
    """Do the work that all targets share. The arguments are those of ``convert``.

    Raises:
        CalibrationError: there are too few clips, or none for weights that were not trained on drawn gestures.
        CheckpointError: the network computes NaN or infinity.
    """
    options, stages = options or Options(), stages or Stages()
    with stages.stage("prepare"):
        step = step or _deployed(source, options)
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
            samples.extend(samples_of(step, clip, share(used, len(clips), limit)))
            digest.update(clip.tobytes())
            used += 1
            advance()
    origin = clips.source
    if source.config.sound is not None:
        sounds, kind = _calibration_sounds(source, options)
        samples = with_sounds(samples, sounds) if step.sounds else [*samples, *sound_samples(step, sounds)]
        digest.update(b"".join(picture.tobytes() for picture in sounds))
        origin += f", {len(sounds)} {kind}"
    spec = CalibrationSpec(
        source=origin, clips=used, samples=len(samples), sha256=digest.hexdigest(), total=clips.total
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
    frames = options.clip.frames if options.clip else FRAMES
    return drawn_clips(description.frame, spacing=description.frame_spacing, frames=frames)


def _calibration_sounds(source: Checkpoint, options: Options) -> tuple[Sequence[Picture], str]:
    """Return the pictures of sounds for int8, and what they are, in words.

    Drawn sounds are used for weights that were trained on other sounds only if they are asked for.
    """
    settings = source.config.sound
    assert settings is not None, "the network has a sound segment"
    if options.sounds is None and source.description.weights.trained and not source.drawn:
        raise CalibrationError(
            f"{source.description.weights.source or 'these weights'}: int8 ranges are also chosen on sounds like those "
            "that the weights were trained on: add --sounds with a folder of .wav files (--sounds drawn uses drawn "
            "sounds anyway)"
        )
    if options.sounds is None or options.sounds == "drawn":
        seeds = range(SOUND_SEED, SOUND_SEED + SOUNDS)
        return [drawn_picture(seed, settings, source.config.size) for seed in seeds], "drawn sounds"
    return options.sounds, "sounds"


def _deployed(source: Checkpoint, options: Options) -> Exportable:
    if source.config.sound is not None:
        _require_sound(source, options)
    if options.clip is None:
        return deploy(source.network, fresh=options.fresh)
    return deploy_clip(source.network, options.clip.frames)


@rare_garbage_collection()
def convert(
    source: Checkpoint,
    target: str,
    out: Path,
    options: Options | None = None,
    stages: Stages | None = None,
    step: Exportable | None = None,
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
        CheckFailedError: the artifact failed the parity check, or breaks a rule about ``options.device``. Nothing is
            written, unless ``options.force`` is set.
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
    lowered_step, samples, shared = prepared.step, prepared.samples, prepared.shared
    if options.batch > 1:
        lowered_step, samples, shared = _batched(source, options.batch), _repeated(samples, options.batch), {}
    job = Job(
        target=record,
        source=source,
        step=lowered_step,
        precision=options.precision,
        samples=samples,
        float_boundary=options.float_boundary,
        stages=stages,
        state=options.state,
        backend=record.backend(options.backend),
        float_layers=(*options.float_layers, *_float_attention(source, record, options)),
        htp=options.htp,
        chip=None if options.aot is None else find_chip(options.aot),
        shared=shared,
    )
    lowered = converter_of(record).lower(job)
    settings = source.config.sound
    if settings is not None and not settings.cut and lowered.input.dtype in ("int8", "uint8"):
        raise _unscaled_sound(source, f"the {lowered.input.dtype} input of {target}", "--mode clip or another target")
    described = source.describe(target, options.precision, lowered_step)
    hop = (options.clip and options.clip.hop) or described.hop
    spec = msgspec.structs.replace(
        described,
        input=lowered.input,
        output=lowered.output,
        states=lowered.states,
        state_form=options.state,
        hop=hop,
        graph=lowered.graph,
        calibration=prepared.calibration,
        float_layers=job.float_layers,
        rule=rule_for_artifact(source.description, hop),
        tools={"edgeshift": edgeshift.__version__, **lowered.tools},
    )
    artifact = Artifact(out, spec, lowered.body)
    if options.device is not None and not options.force:
        _require_rules(artifact, options.device)
    before: ParitySpec | None = None
    if lowered.unproven is None:
        spec, before = _check(artifact, source, job, options, stages, lowered.before)
    if lowered.ahead is not None:
        lowered = lowered.ahead()
        before = spec.parity
        tools = {**spec.tools, **lowered.tools}
        spec = msgspec.structs.replace(spec, parity=None, graph=lowered.graph, tools=tools)
    if lowered.unproven is not None:  # the self-check has the original's logits, for a device that can run the artifact
        original = reference(source, frames=prepared.step.frames)
        spec = msgspec.structs.replace(spec, check=make_check(original, original=True))
    with stages.stage("write"):
        spec = write_artifact(out, lowered.body, spec)
    if lowered.unproven is None:
        for runtime in runtimes_of(record):
            mark_seen(Artifact(out, spec, lowered.body), runtime.name)
    return Converted(out, spec, artifact_size(out), dict(stages.seconds), lowered.unproven, before)


def _batched(source: Checkpoint, batch: int) -> Exportable:
    """Return the deployed step for several cameras.

    Raises:
        ConversionError: the network has a sound segment, or is of the user's own code.
    """
    config = source.network.config
    if config.sound is not None or config.adopted:
        what = "networks of your own code" if config.adopted else "networks with a sound segment"
        raise ConversionError(f"--batch is not possible for {what}: leave it out")
    return deploy(source.network, batch=batch)


def _repeated(samples: Sequence[dict[str, Array]], batch: int) -> list[dict[str, Array]]:
    """Return calibration samples for several cameras, which all see the same."""
    return [{name: np.repeat(values, batch, 0) for name, values in sample.items()} for sample in samples]


def _require_rules(artifact: Artifact, device: str) -> None:
    """Raise a CheckFailedError if the device that a graph is for refuses a part of it or gets it wrong."""
    findings = [finding for finding in lint(artifact, [device]) if finding.effect != "slow"]
    if findings:
        broken = "; ".join(f"{finding.rule} ({finding.places[0]})" for finding in findings)
        raise CheckFailedError(
            f"{artifact.path.name} breaks rules for {device}, and was not written: {broken}; --force writes it, and "
            "edgeshift lint explains the rules"
        )


def _require_sound(source: Checkpoint, options: Options) -> None:
    """Raise a ConversionError for a network with a sound segment that cannot be converted with these options."""
    settings = source.config.sound
    assert settings is not None, "the network has a sound segment"
    if settings.norms == "separate":
        raise ConversionError(
            f"the sounds of this {source.config.name} have their own batch norms, which no target has a graph for yet: "
            "train again with --sound-norms shared, or leave the sound segment out with --without-sound"
        )
    if not settings.cut and options.precision == "int8":
        raise _unscaled_sound(source, "int8", "--precision fp16")


def _unscaled_sound(source: Checkpoint, what: str, remedy: str) -> ConversionError:
    return ConversionError(
        f"{what} cannot hold the sounds of this {source.config.name} beside its frames, because their pictures are "
        f"logarithms without a scale: use {remedy}, or --without-sound"
    )


def _float_attention(source: Checkpoint, target: Target, options: Options) -> tuple[str, ...]:
    """Return the pattern of the layers of a network with non-local blocks that int8 must not round."""
    if source.config.non_local is None or options.precision != "int8":
        return ()
    if target.float_layers:
        return (NON_LOCAL_ATTENTION,)
    if getattr(converter_of(target), "FLOAT_SOFTMAX", False):
        return ()
    raise ConversionError(
        f"int8 of non-local blocks needs float arithmetic in their attention, which {target.name} cannot do here: use "
        "--precision fp16, or --target tflite, onnx or coreml"
    )


def _check(
    artifact: Artifact,
    source: Checkpoint,
    job: Job,
    options: Options,
    stages: Stages,
    before: bytes | None,
) -> tuple[StreamSpec, ParitySpec | None]:
    """Compare an artifact with the original on each runtime of the target, and record a self-check for devices.

    Returns:
        The description with the self-check, and with the parity on the target's default runtime; and the comparison
        with the graph from before a compilation, if ``before`` is that graph.
    """
    needed = frames_needed(artifact.spec.frames)
    frames = parity_frames(source.description.frame, needed) if options.parity is None else options.parity
    target = find_target(artifact.spec.target)
    runtimes = runtimes_of(target)
    step = job.step
    whole = step if step.batch == 1 else None
    wanted, original = references(source, options.precision, target, whole, frames=step.frames)
    steps = comparisons(artifact.spec, len(frames)) * len(runtimes) * artifact.spec.batch
    with stages.stage("verify", steps) as advance, one_thread():
        opened = [importlib.import_module(runtime.module).open_artifact(artifact) for runtime in runtimes]
        models = [camera for model in opened for camera in model.each_camera()]
        all_wanted = [wanted]
        if before is not None:
            all_wanted.append(open_onnx(msgspec.structs.replace(artifact, body=before)))
        compared = [compare_each_with_sounds(model, all_wanted, frames, advance, original) for model in models]
    results, uncompiled = [parities[0] for parities in compared], compared[0][1:]
    non_local = source.config.non_local is not None
    problems = tuple(
        problem for parity in results for problem in failures(parity, options.precision, non_local=non_local)
    )
    for parity in uncompiled:
        problems += tuple(f"compared with {parity.reference}, {problem}" for problem in failures(parity, "int8"))
    if problems and not options.force:
        remedy = "more or other clips for --calibration may help; " if artifact.spec.calibration else ""
        unit = "frames" if step.frames == 1 else "windows"
        raise CheckFailedError(
            f"{artifact.path.name} does not match the original over {results[0].frames} {unit}, and was not written: "
            f"{'; '.join(problems)}; {_worst_layer(artifact, job, frames)}{remedy}--force writes it, marked as failed"
        )
    spec = msgspec.structs.replace(artifact.spec, parity=results[0], check=make_check(models[0]), problems=problems)
    return spec, next(iter(uncompiled), None)


def _worst_layer(artifact: Artifact, job: Job, frames: Sequence[npt.NDArray[np.uint8]]) -> str:
    """Return a sentence about the layer with which int8 loses most, for targets that can keep it in float."""
    worst = getattr(converter_of(job.target), "worst_layer", None)
    if job.precision != "int8" or worst is None:
        return ""
    return f"the layer that loses most is {worst(job, artifact.body, frames)} (--float-layers keeps it in float); "
