"""``edgeshift convert``: convert a model to one target, or to all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast
from unicodedata import normalize

import typer

from edgeshift._system.files import read_text
from edgeshift._system.output_file import require_writable
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.completion import ALL, VALUES
from edgeshift.cli.convert_text import show_all, show_one
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, decide, excludes, needs, only_for
from edgeshift.cli.options import AsJson, only_for_model, option
from edgeshift.cli.output import print_note
from edgeshift.errors import EdgeshiftError, missing
from edgeshift.targets import TARGETS, Precision, find_target, missing_package, require_converter, targets_of_all

if TYPE_CHECKING:
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters import ClipOptions
    from edgeshift.converters.calibration import Chosen, VideoClips
    from edgeshift.video.fit import Frame

#: The value of --calibration for clips of drawn gestures.
DRAWN = "drawn"


def run(
    target: Annotated[str, option("Target", effect=ALWAYS, metavar="NAME", autocompletion=VALUES["targets"])],
    model: Annotated[str | None, typer.Argument(metavar="MODEL", autocompletion=VALUES["models"])] = None,
    precision: Annotated[Precision, option("Target", effect=ALWAYS, autocompletion=VALUES["precisions"])] = "int8",
    state: Annotated[
        str, option("Target", effect=_state_effect, metavar="FORM", autocompletion=VALUES["states"])
    ] = "io",
    backend: Annotated[
        str | None, option("Target", effect=_backend_effect, metavar="NAME", autocompletion=VALUES["backends"])
    ] = None,
    batch: Annotated[
        int | None, option("Target", effect=(_batch_effect, only_for("mode", "stream")), min=2, max=64)
    ] = None,
    htp: Annotated[
        str | None,
        option("Target", effect=only_for("target", "qnn"), metavar="VERSION", autocompletion=VALUES["hexagons"]),
    ] = None,
    soc: Annotated[
        str | None,
        option(
            "Target",
            effect=(only_for("target", "qnn"), excludes("htp")),
            metavar="CHIP",
            autocompletion=VALUES["chips"],
        ),
    ] = None,
    aot: Annotated[
        str | None,
        option(
            "Target",
            effect=(only_for("target", "tflite"), only_for("precision", "int8"), excludes("device")),
            metavar="CHIP",
            autocompletion=VALUES["npus"],
        ),
    ] = None,
    fresh_states: Annotated[
        bool,
        option("Target", effect=(only_for("mode", "stream"), only_for("state", "io"), excludes("device"), DECIDED)),
    ] = False,
    device: Annotated[
        Literal["mali"] | None, option("Target", "--for", effect=only_for("target", "tflite"), metavar="mali")
    ] = None,
    mode: Annotated[Literal["stream", "clip"], option("Target", effect=ALWAYS)] = "stream",
    frames: Annotated[int | None, option("Target", effect=only_for("mode", "clip"), min=2, max=64)] = None,
    hop: Annotated[int | None, option("Target", effect=only_for("mode", "clip"), min=1, max=64)] = None,
    weights: Annotated[Path | None, option("Source", effect=ALWAYS, metavar="FILE")] = None,
    network: Annotated[str | None, option("Source", effect=excludes("model"), metavar="FILE.py:FUNCTION")] = None,
    place: Annotated[str | None, option("Source", effect=needs("network"), metavar="PATTERN")] = None,
    table: Annotated[
        str | None, option("Source", effect=needs("place"), metavar="NAME", autocompletion=VALUES["tables"])
    ] = None,
    bidirectional: Annotated[bool, option("Source", effect=needs("place"))] = False,
    shift_div: Annotated[int | None, option("Source", effect=(_shift_div_effect, DECIDED), min=2, max=64)] = None,
    labels: Annotated[Path | None, option("Source", effect=needs("weights", "network"), metavar="FILE")] = None,
    rule: Annotated[Path | None, option("Source", effect=ALWAYS, metavar="FILE")] = None,
    past_only: Annotated[bool, option("Source", effect=(needs("weights"), excludes("network"), DECIDED))] = False,
    stream_bidirectional: Annotated[
        bool,
        option(
            "Source", effect=(only_for("mode", "stream"), needs("weights", "network"), excludes("past_only"), DECIDED)
        ),
    ] = False,
    width: Annotated[
        float | None,
        option(
            "Source",
            effect=(excludes("weights"), excludes("network"), only_for_model("mobilenet")),
            min=0.1,
            max=4,
        ),
    ] = None,
    depth: Annotated[int | None, option("Source", effect=(_depth_effect, DECIDED), min=1, max=16)] = None,
    non_local: Annotated[
        Literal["embedded_gaussian", "scaled_embedded_gaussian", "dot_product"] | None,
        option("Source", effect=(needs("weights"), excludes("network"), DECIDED)),
    ] = None,
    without_sound: Annotated[bool, option("Source", effect=(excludes("network"), excludes("sounds"), DECIDED))] = False,
    size: Annotated[int | None, option("Frames", effect=ALWAYS, min=64, max=1024)] = None,
    fit: Annotated[Literal["squash", "crop"] | None, option("Frames", effect=needs("weights", "network"))] = None,
    order: Annotated[Literal["rgb", "bgr"] | None, option("Frames", effect=needs("weights", "network"))] = None,
    mean: Annotated[str | None, option("Frames", effect=needs("network"), metavar="R,G,B")] = None,
    std: Annotated[str | None, option("Frames", effect=needs("network"), metavar="R,G,B")] = None,
    frame_spacing: Annotated[
        float | None, option("Frames", effect=needs("weights", "network"), min=0.001, max=3600, metavar="SECONDS")
    ] = None,
    calibration: Annotated[
        Path | None, option("int8", effect=only_for("precision", "int8"), metavar="DIR|drawn")
    ] = None,
    calibration_clips: Annotated[
        int | None, option("int8", effect=(only_for("precision", "int8"), _calibration_effect), min=16, max=1000)
    ] = None,
    fps: Annotated[
        float | None,
        option(
            "int8",
            effect=(only_for("precision", "int8"), _calibration_effect, DECIDED),
            min=0.01,
            max=1000,
            metavar="HZ",
        ),
    ] = None,
    sounds: Annotated[
        Path | None, option("int8", effect=(only_for("precision", "int8"), DECIDED), metavar="DIR|drawn")
    ] = None,
    float_boundary: Annotated[
        bool, option("int8", effect=(only_for("precision", "int8"), _float_boundary_effect))
    ] = False,
    float_layers: Annotated[
        list[str] | None,
        option("int8", effect=(only_for("precision", "int8"), _float_layers_effect), metavar="PATTERN"),
    ] = None,
    out: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE")] = None,
    force: Annotated[bool, option("Output", effect=ALWAYS)] = False,
    as_json: AsJson = False,
) -> int:
    """Convert a model to one file that runs on a device, frame by frame or clip by clip, and check it.

    The artifact is compared with the original over at least 32 frames before it is written: fp32 and fp16 must be
    equal up to rounding, int8 must stay within stated limits. An artifact that fails is not written without --force.

    Args:
        target: What to convert to: {targets}; or all, for every target (qnn only where its package is installed).
        model: A name from edgeshift models. Default: tsm_mobilenet_v2, or the model of --weights.
        precision: Number format of weights and activations.
        state: Where the states are kept between two frames: {states}.
        backend: Back end of a target that has several: {backends}. Default: the target's first.
        batch: Number of cameras whose frames the graph takes in one call, for onnx and tensorrt. Each camera has its
            own states. It is meant for GPUs.
        htp: Version of Qualcomm's NPU that qnn compiles for: {hexagons}. Default: v75.
        soc: The chip in place of --htp, such as SM8650, as phones call it in their settings or in ro.soc.model.
        aot: Compile the int8 graph for the NPU of this phone chip, such as SM8650, MT6989 or Tensor_G5. The SDK of the
            chip's vendor must be installed. The compiled file runs on this chip only, and is not verified here.
        mode: stream: the graph takes one frame and the states. clip: it takes all frames of a clip at once, so that
            bi-directional weights run as trained, and each answer takes the time of all these frames.
        frames: Number of frames of a clip. Default: as recorded in --weights, or 8.
        hop: Number of frames from one answer to the next if a clip artifact runs on a camera. Default: half a clip.
        fresh_states: Compute every next state anew before it is returned, as the GPUs of some phones need.
        device: Convert for this GPU: states as with --fresh-states, and a graph that keeps the rules of edgeshift lint
            --for mali, except for those about speed. A graph that breaks one is not written without --force.
        weights: A checkpoint of MIT's TSM, torchvision, mmaction2, TSAM or edgeshift. Default: the weights that ship
            with edgeshift for MODEL; if there are none, untrained weights.
        network: A network of your own code: a file and a function in it that returns a torch.nn.Module, such as
            nets/gestures.py:make. The file is run. The network maps a batch of normalised frames to
            logits. With --weights, the weights are loaded into it strictly.
        place: Paths of the modules of --network whose input is shifted; * stands for a part of a name between two
            dots, as in blocks.*.conv1. Default: edgeshift finds the modules that shift.
        table: The shift at --place: tsm, stsm, or tsam, which needs --depth. Default: tsm.
        bidirectional: The weights were trained with a shift at --place that reads the next frame too.
        shift_div: Divisor of the shift of --weights, or of a TSM or TSAM at --place: 1/N of the channels are shifted in
            each direction. Default: as recorded in the weights, or 8.
        non_local: Kind of the non-local blocks in --weights of mmaction2: their mode, or scaled_embedded_gaussian for
            use_scale=True. Default: as recorded in --weights; it must be given if they do not record it.
        labels: Text file with the labels of --weights or --network, one label per line.
        past_only: The --weights of MIT or mmaction2 were trained past-only. Default: they were trained bi-directional.
        stream_bidirectional: Stream a bi-directional network with the fill (zeros for TSM) in place of future frames.
            Accuracy drops.
        width: Width multiplier of an untrained MobileNetV2. Default: 1.0.
        depth: Number of past frames that TSAM uses (K in the paper). Default: 2 for an untrained TSAM; 1 for --weights
            of the public TSAM, which do not record it. With --table tsam, it must be given.
        without_sound: Leave out the sound segment of the network, so that it answers to frames alone.
        size: Height and width of the frames, pixels. Default: as recorded in the weights; 112 for an untrained MODEL;
            otherwise 224.
        fit: How frames are fitted to --size. Default: as recorded in --weights, or crop.
        order: Channel order of the frames in training. Default: as recorded in --weights, or rgb.
        mean: Mean of each channel that --network expects to be subtracted, for pixels from 0 to 1, or from 0 to 255
            if a value is above 1. Default: ImageNet's.
        std: Standard deviation of each channel, in the unit of --mean. Default: ImageNet's.
        frame_spacing: Seconds between two frames in training. Default: as recorded in --weights; without a record,
            every frame is fed.
        rule: JSON file with the event rule, as edgeshift rule writes it. Default: the rule in --weights, or a rule that
            needs no tuning.
        calibration: Folder with at least 16 videos or folders of images, from which the int8 ranges are chosen; or
            drawn, for clips of drawn gestures. Default: drawn, if the model was trained on drawn gestures.
        calibration_clips: Number of clips that are chosen at random from --calibration. Default: 128.
        fps: Frames per second of clips without times: folders of images and raw H.264 or H.265 streams.
        sounds: Folder with .wav files, from which the int8 ranges of a network with a sound segment are chosen too; or
            drawn, for drawn sounds. Default: drawn, if the model was trained on drawn sounds.
        float_layers: Layers that stay in float32 in an int8 graph, such as blocks.0.se; * stands for a part of a name
            between two dots. May be given several times. edgeshift verify --layers shows which layers lose most.
        float_boundary: Keep the inputs and outputs of the graph in float32, as browsers need them.
        out: File to write; a folder with --target all. Default: MODEL_PRECISION.SUFFIX in the current folder.
        force: Write an artifact that fails the comparison too. It is marked as failed, and the exit status is still 1.

    Examples:
      edgeshift convert --target tflite
      edgeshift convert --target tflite --weights TSM_kinetics_RGB_mobilenetv2_shift8_blockres_avg_segment8_e100.pth \\
          --stream-bidirectional --labels kinetics.txt --calibration clips/ --out kinetics.tflite
      edgeshift convert stsm_mobilenet_v2 --target onnx --precision fp32 --size 224
      edgeshift convert tsam_mobilenet_v2_sound --target tflite
      edgeshift convert --target qnn --soc SM8650
      edgeshift convert --target tflite --aot SM8650
      edgeshift convert --target coreml --precision fp16 --state native
      edgeshift convert --target tflite --precision fp16 --for mali
      edgeshift convert --target tflite --weights bidirectional.pth --mode clip --frames 8 --calibration clips/
      edgeshift convert --target tflite --weights runs/sound/model.safetensors --calibration clips/ --sounds sounds/
      edgeshift convert --target tflite --weights viewer_emotions.pt --mode clip --precision fp16
      edgeshift convert --target tflite --precision fp32 --network nets/gestures.py:make --weights gestures.pth
      edgeshift convert --target all --out artifacts

    Exit status: 1 if the comparison fails.
    """
    from msgspec.structs import replace

    from edgeshift._system.hexagon import require_version, version_of
    from edgeshift.events.rule_file import read_rule, require_rule_fits

    if soc is not None:
        htp = version_of(soc)
    elif htp is not None:
        require_version(htp)
    try:
        from edgeshift import converters
        from edgeshift.checkpoints import load, load_for_streaming
        from edgeshift.checkpoints.adoption.user_code import adopt_from_file
        from edgeshift.checkpoints.source import DEFAULT_MODEL, default_source
        from edgeshift.checkpoints.without_sound import without_sound as frames_alone
        from edgeshift.converters.calibration_sounds import choose_sounds, read_pictures
    except ImportError as error:
        raise missing(error.name or "torch", "convert", "converting") from error

    options = converters.Options(
        precision=precision,
        float_boundary=float_boundary,
        fresh_states=fresh_states,
        device=device,
        state=cast("Any", state),
        backend=backend,
        force=force,
        float_layers=tuple(float_layers or ()),
        htp=htp,
        batch=batch or 1,
        aot=aot,
    )
    record = None if target == ALL else find_target(target)
    if record is None:
        folder = out or Path()
        if folder.is_file() or folder.suffix:
            raise EdgeshiftError(f"{out}: --target all writes into a folder: give a folder")
        require_writable(folder, folder=True)
        _note_left_out(precision)
    else:
        _require_free(out, record.suffix)
        converters.require_choices(record, options)
        require_converter(record)
    chosen = _choose_videos(calibration, calibration_clips)
    chosen_sounds = None if sounds is None or str(sounds) == DRAWN else choose_sounds(sounds)
    event_rule = None if rule is None else read_rule(rule)
    bars = ProgressBars()
    if network is not None:
        print_note(f"--network runs the code in {network.rpartition(':')[0]}")
    with bars.stage("load"):
        if network is not None:
            source = adopt_from_file(
                network,
                weights,
                {
                    "size": size,
                    "labels": _read_labels(labels),
                    "place": place,
                    "table": table,
                    "shift_div": shift_div,
                    "depth": depth,
                    "bidirectional": bidirectional,
                    "fit": fit,
                    "order": order,
                    "frame_spacing": frame_spacing,
                    "stream_bidirectional": stream_bidirectional,
                },
                mean=mean,
                std=std,
                streams=mode == "stream",
            )
        elif weights is None:
            source = default_source(model or DEFAULT_MODEL, size=size, width=width, depth=depth)
        else:
            read = load if mode == "clip" else load_for_streaming
            source = read(
                weights,
                model=model,
                size=size,
                fit=fit,
                order=order,
                frame_spacing=frame_spacing,
                labels=_read_labels(labels),
                bidirectional=False if past_only else None,
                stream_bidirectional=stream_bidirectional,
                shift_div=shift_div,
                depth=depth,
                non_local=non_local,
            )
    _decide(source, chosen, fps)
    if without_sound:
        source = frames_alone(source)
    if mode == "clip":
        options = dataclasses.replace(options, clip=_clip_options(source, frames, hop))
    if event_rule is not None:
        require_rule_fits(event_rule, source.description.labels, rule)
        source = dataclasses.replace(source, description=replace(source.description, rule=event_rule))
    for note in (*source.notes, *(record.notes if record else ())):
        print_note(note)
    if chosen is not None:
        clips, held_out = _open_clips(chosen, source, options.clip, fps, bars)
        options = dataclasses.replace(options, calibration=clips, parity=held_out)
    elif calibration is not None:
        options = dataclasses.replace(options, calibration="drawn")
    if chosen_sounds is not None and source.config.sound is not None:
        with bars.stage("read sounds"):
            pictures = read_pictures(chosen_sounds, source.config.sound, source.config.size)
        options = dataclasses.replace(options, sounds=pictures)
    elif sounds is not None:
        options = dataclasses.replace(options, sounds="drawn")
    if record is None:
        return show_all(converters.convert_all(source, folder, options, bars), as_json=as_json)
    path = out or converters.default_path(
        source, target, precision, options.state, options.clip, options.htp, options.batch, options.aot
    )
    result = converters.convert(source, target, path, options, bars)
    return show_one(result, as_json=as_json)


def _note_left_out(precision: Precision) -> None:
    """Print which optional targets ``--target all`` leaves out, and why."""
    for name in TARGETS.keys() - set(targets_of_all(precision)):
        package = missing_package(TARGETS[name])
        reason = f"it has no {precision}" if package is None else f"{package} is not installed"
        print_note(f"{name} is left out: {reason}")


def _state_effect(options: Options) -> str | None:
    if options["mode"] == "clip" and options["state"] != "io":
        return "with --mode clip, which has no states: leave it out"
    single = options["target"] != ALL or options["state"] == "io"
    return None if single else f"with --target {ALL}, which uses io: leave it out, or give one target"


def _backend_effect(options: Options) -> str | None:
    if options["target"] == ALL:
        return f"with --target {ALL}, which uses the first back end of each: leave it out, or give one target"
    target = TARGETS.get(options["target"])
    if target is None or target.backends:
        return None
    return f"with --target {target.name}, which has none to choose from: leave it out"


def _depth_effect(options: Options) -> str | None:
    """The rule of --depth: with --network, it needs a TSAM at --place; without --weights, MODEL must be a TSAM.

    Whether the network of --weights is a TSAM is checked later, in ``_decide``.
    """
    if options.is_set("network"):
        absent = None if options.is_set("table") else "without --table tsam: add it, or leave this option out"
        return needs("place")(options) or absent or only_for("table", "tsam")(options)
    return None if options.is_set("weights") else only_for_model("tsam")(options)


def _shift_div_effect(options: Options) -> str | None:
    """The rule of --shift-div: with --network, it needs --place and a TSM or TSAM; otherwise it needs --weights.

    Whether the weights record their divisor is checked later, in ``_decide``.
    """
    if options.is_set("network"):
        from edgeshift.models.config import DIVIDED  # not above: help and completion start without msgspec

        return needs("place")(options) or only_for("table", *DIVIDED, None)(options)
    return needs("weights")(options)


def _float_boundary_effect(options: Options) -> str | None:
    target = TARGETS.get(options["target"])
    if target is None or not target.float_boundary:
        return None
    return f"with --target {target.name}, whose inputs and outputs are float anyway: leave it out"


def _batch_effect(options: Options) -> str | None:
    return _only_on(options, [name for name, target in TARGETS.items() if target.batches])


def _float_layers_effect(options: Options) -> str | None:
    return _only_on(options, [name for name, target in TARGETS.items() if target.float_layers])


def _only_on(options: Options, targets: list[str]) -> str | None:
    if options["target"] in targets:
        return None
    return f"with --target {options['target']}, only with {' or '.join(targets)}: leave it out"


def _calibration_effect(options: Options) -> str | None:
    """The rule of options about the clips of --calibration."""
    if options["calibration"] is None:
        return "without --calibration: add a folder of videos, or leave this option out"
    drawn = str(options["calibration"]) == DRAWN
    return f"with --calibration {DRAWN}: give a folder of videos, or leave this option out" if drawn else None


def _require_free(out: Path | None, suffix: str) -> None:
    """Raise EdgeshiftError if the output path lacks the target's suffix, or cannot be replaced by an artifact."""
    from edgeshift.artifact.file import require_replaceable

    if out is not None:
        if not out.name.endswith(suffix):
            raise EdgeshiftError(f"{out}: give a name that ends in {suffix}, which identifies the kind of artifact")
        require_replaceable(out)
    require_writable(out or Path("artifact"))


def _decide(source: Checkpoint, chosen: Chosen | None, fps: float | None) -> None:
    """Refuse options that have no effect on this network or on the chosen videos."""
    from edgeshift.video.clip_times import fps_without_effect

    unused = {option: f"on these weights: {why}; leave it out" for option, why in source.unused.items()}
    silent = "on these weights, which have no sound segment: leave it out" if source.config.sound is None else None
    even = "on these weights, whose frames are spread evenly over each clip: leave it out"
    decide(
        past_only=unused.get("bidirectional"),
        stream_bidirectional=unused.get("stream_bidirectional"),
        shift_div=unused.get("shift_div"),
        depth=unused.get("depth"),
        non_local=unused.get("non_local"),
        sounds=silent,
        without_sound=silent,
        fresh_states=f"on {source.config.name}, which has no states: leave it out"
        if not source.network.state_shapes()
        else None,
        fps=even
        if source.description.frame_spacing is None
        else fps_without_effect(chosen.videos if chosen else (), fps),
    )


#: Size of the largest file of labels, bytes.
MAX_LABELS_BYTES = 1 << 20


def _read_labels(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    lines = normalize("NFC", read_text(path, MAX_LABELS_BYTES, "a list of labels")).split("\n")
    return tuple(line.strip() for line in lines if line.strip())


def _choose_videos(folder: Path | None, count: int | None) -> Chosen | None:
    """Return the videos to calibrate on, before any other work starts; None: clips are drawn.

    Raises:
        CalibrationError: there is no such folder, or it holds too few videos.
    """
    from edgeshift.converters.calibration import DEFAULT_CLIPS, choose_videos

    return None if folder is None or str(folder) == DRAWN else choose_videos(folder, count or DEFAULT_CLIPS)


def _clip_options(source: Checkpoint, frames: int | None, hop: int | None) -> ClipOptions:
    from edgeshift.converters import ClipOptions

    return ClipOptions(frames or source.clip_mode_frames, hop)


def _open_clips(
    chosen: Chosen, source: Checkpoint, clip: ClipOptions | None, fps: float | None, bars: ProgressBars
) -> tuple[VideoClips, list[Frame] | None]:
    """Return clips for calibration, and other frames of the same videos for the comparison with the original."""
    from edgeshift.converters.calibration import VideoClips
    from edgeshift.gestures.fitted_clips import FRAMES
    from edgeshift.stream.parity import frames_needed
    from edgeshift.video.clip_times import require_fps

    spacing = source.description.frame_spacing
    if spacing is not None:
        require_fps(chosen.videos, fps)
    frames = clip.frames if clip else 1
    clips = VideoClips(chosen, source.description.frame, spacing=spacing, fps=fps, frames=max(FRAMES, frames))
    with bars.stage("read clips"):
        return clips, clips.held_out(frames_needed(frames))
