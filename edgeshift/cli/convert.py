"""``edgeshift convert``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.facts import Facts, calibration_facts, graph_facts, model_facts, parity_facts, state_fact
from edgeshift.cli.output import print_facts, print_json, print_next, size_text
from edgeshift.errors import EdgeshiftError, missing
from edgeshift.targets import find_target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeshift.checkpoints.source import Source
    from edgeshift.converters import Converted, Options
    from edgeshift.gestures.fitted_clips import FittedClips
    from edgeshift.video.fit import Frame

FILE = click.Path(path_type=Path)
#: Options of the command line that are ``edgeshift.converters.Options`` by the same name.
#: Every target, one after the other.
ALL = "all"
OPTIONS = ("precision", "float_boundary", "fresh_states", "state", "backend")
#: Below this share of the operators on the runtime's fast path, a conversion says which are not.
SHARE = 0.95
SECONDS = click.FloatRange(0, 3600, min_open=True)


@click.command("convert")
@click.argument("model", required=False)
@click.option(
    "--target",
    required=True,
    metavar="T",
    help="tflite, onnx, tensorrt, executorch or coreml; all: every one.",
)
@click.option("--weights", type=FILE, metavar="F", help="A checkpoint: MIT, torchvision, mmaction2, ... or our own.")
@click.option("--precision", default="int8", type=click.Choice(["fp32", "fp16", "int8"]), show_default=True)
@click.option("--calibration", type=FILE, metavar="DIR", help="16 videos or more to set int8 ranges.")
@click.option("--out", type=FILE, metavar="F", help="The artifact. Default: MODEL_PRECISION.SUFFIX here.")
@click.option("--size", type=click.IntRange(64, 1024), help="Height and width of the frames, pixels.")
@click.option("--width", type=click.FloatRange(0.1, 4), help="MobileNetV2's multiplier, for an untrained model.")
@click.option("--depth", type=click.IntRange(1, 16), help="TSAM's K, for an untrained model.")
@click.option("--fit", type=click.Choice(["squash", "crop"]), help="How frames are fitted to that size.")
@click.option("--order", type=click.Choice(["rgb", "bgr"]), help="Channel order the weights were trained on.")
@click.option("--labels", type=FILE, metavar="F", help="A text file, one label a line.")
@click.option("--frame-spacing", type=SECONDS, metavar="S", help="Seconds between training frames.")
@click.option(
    "--past-only", is_flag=True, help="The weights were trained past-only, though their names look otherwise."
)
@click.option(
    "--stream-bidirectional", is_flag=True, help="Stream bi-directional weights: zeros in place of the future."
)
@click.option("--float-boundary", is_flag=True, help="int8 inside, float tensors outside (browsers).")
@click.option("--fresh-states", is_flag=True, help="Next states that the graph itself does not read (GPU delegates).")
@click.option(
    "--state",
    default="io",
    metavar="S",
    show_default=True,
    help="Where the states are: io, buffer (executorch), native (coreml).",
)
@click.option("--backend", metavar="B", help="Of executorch: xnnpack (default) or coreml.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(target: str, as_json: bool, **options: Any) -> int:
    """Convert a model to one file that runs frame by frame on a device, and prove it equal to the original.

    MODEL is a name from `edgeshift models`; default: the model that ships with edgeshift. Without --calibration,
    int8 is calibrated on clips that edgeshift draws itself.

    \b
    Examples:
      edgeshift convert --target tflite
      edgeshift convert --target tflite --weights TSM_kinetics_RGB_mobilenetv2_shift8_blockres_avg_segment8_e100.pth \\
          --stream-bidirectional --labels kinetics.txt --calibration clips/ --out kinetics.tflite
      edgeshift convert stsm_mobilenet_v2 --target onnx --precision fp32 --size 224
      edgeshift convert --target coreml --precision fp16 --state native
      edgeshift convert --target all --out artifacts
    """
    try:
        from edgeshift import converters
    except ImportError as error:
        raise missing(error.name or "torch", "convert", "converting") from error

    chosen = converters.Options(**{name: options[name] for name in OPTIONS})
    if target == ALL:
        return _everything(options, chosen, as_json)
    record = find_target(target)
    _require_sense(options, record.suffix)
    converters.require_choices(record, chosen)
    bars = ProgressBars()
    source = _loaded(options, bars, record.notes)
    out = options["out"] or converters.default_path(source, target, options["precision"], options["state"])
    calibration, parity = _clips(options["calibration"], source, bars)
    result = converters.convert(
        source,
        target,
        out,
        dataclasses.replace(chosen, calibration=calibration, parity=parity),
        bars,
    )
    for note in _warnings(result):
        print(f"edgeshift: note: {note}", file=sys.stderr)
    if as_json:
        print_json(
            {
                "path": str(result.path),
                "bytes": result.size,
                "seconds": result.seconds,
                "spec": msgspec.to_builtins(result.spec),
            }
        )
        return 0
    print_facts(str(result.path), _facts(result))
    if result.unproven is not None:
        print_next("edgeshift", "inspect", result.path)
    else:
        print_next("edgeshift", "demo", result.path, "--headless")
    return 0


def _everything(options: dict[str, Any], chosen: Options, as_json: bool) -> int:
    from edgeshift import converters
    from edgeshift.cli.convert_all import require_folder, show_all

    folder = require_folder(options["out"])
    _require_calibration(options)
    if options["backend"] is not None or options["state"] != "io":
        raise EdgeshiftError("--state and --backend are for one target each: name it, or leave them out")
    bars = ProgressBars()
    source = _loaded(options, bars)
    calibration, parity = _clips(options["calibration"], source, bars)
    chosen = dataclasses.replace(chosen, calibration=calibration, parity=parity)
    return show_all(converters.convert_all(source, folder, chosen, bars), as_json=as_json)


def _loaded(options: dict[str, Any], bars: ProgressBars, notes: Sequence[str] = ()) -> Source:
    """The source; what must be known about it, and about the target, is said on stderr."""
    with bars.stage("load"):
        source = _source(options)
    for note in (*source.notes, *notes):
        print(f"edgeshift: note: {note}", file=sys.stderr)
    return source


def _source(options: dict[str, Any]) -> Source:
    from edgeshift.checkpoints.source import DEFAULT_MODEL, checkpoint_source, default_source

    if options["weights"] is None:
        for name in ("labels", "past_only", "stream_bidirectional", "frame_spacing", "fit", "order"):
            if options[name]:
                raise EdgeshiftError(f"--{name.replace('_', '-')} describes a checkpoint: give it with --weights")
        names = ("size", "width", "depth")
        return default_source(options["model"] or DEFAULT_MODEL, **{name: options[name] for name in names})
    for name in ("width", "depth"):
        if options[name]:
            raise EdgeshiftError(f"--{name} is read from the checkpoint: leave it out")
    return checkpoint_source(
        options["weights"],
        model=options["model"],
        size=options["size"],
        labels=_labels(options["labels"]),
        fit=options["fit"],
        order=options["order"],
        frame_spacing=options["frame_spacing"],
        past_only=options["past_only"],
        stream_bidirectional=options["stream_bidirectional"],
    )


def _labels(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    try:
        if path.stat().st_size > 1 << 20:
            raise EdgeshiftError(f"{path}: too large for a list of labels")
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EdgeshiftError(f"{path}: cannot read labels: {error}; give a text file with one label a line") from error
    return tuple(line.strip() for line in lines if line.strip())


def _clips(folder: Path | None, source: Source, bars: ProgressBars) -> tuple[FittedClips | None, list[Frame] | None]:
    """FittedClips to calibrate with, and other frames of the same videos to prove the artifact on."""
    from edgeshift.converters.calibration import find_videos, held_out, read_clips

    if folder is None:
        return None, None
    with bars.stage("read clips", len(find_videos(folder))) as advance:
        return read_clips(folder, source.frame, advance, spacing=source.frame_spacing), held_out(
            folder, source.frame, spacing=source.frame_spacing
        )


def _require_sense(options: dict[str, Any], suffix: str) -> None:
    """What can be refused before any work is."""
    from edgeshift.artifact.file import require_free

    out = options["out"]
    if out is not None and not out.name.endswith(suffix):
        raise EdgeshiftError(f"{out}: the artifact is a file named *{suffix}, which is how it is recognised later")
    if out is not None:
        require_free(out)
    _require_calibration(options)


def _require_calibration(options: dict[str, Any]) -> None:
    if options["calibration"] is not None and options["precision"] != "int8":
        raise EdgeshiftError(f"--calibration sets int8 ranges; {options['precision']} has none: leave it out")


def _warnings(result: Converted) -> list[str]:
    """What holds, and is less than one would expect."""
    graph, found = result.spec.graph, []
    if graph is not None and graph.delegated is not None and graph.delegated < SHARE:
        names = ", ".join(f"{count} {kind}" for kind, count in graph.outside.items())
        found.append(f"{graph.delegated:.0%} of the operators are delegated" + (f"; not: {names}" if names else ""))
    if result.unproven is not None:
        found.append(result.unproven)
    return found


def _facts(result: Converted) -> Facts:
    spec = result.spec
    parity = parity_facts(spec.parity, spec.precision) if spec.parity else [("parity", result.unproven)]
    return [
        *model_facts(spec),
        ("size", size_text(result.size)),
        ("precision", spec.precision),
        ("frame", f"{spec.frame.width}x{spec.frame.height} {spec.frame.order}, {spec.input.dtype}"),
        state_fact(spec),
        *graph_facts(spec),
        *calibration_facts(spec),
        *parity,
        ("seconds", ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.seconds.items())),
    ]
