"""``edgeshift inspect``: print the description inside an artifact, or what is known about a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgeshift.cli import glossary
from edgeshift.cli.effect import DECIDED, decide
from edgeshift.cli.facts import (
    Facts,
    calibration_facts,
    float_layer_facts,
    graph_facts,
    model_facts,
    parity_facts,
    rule_facts,
    sound_facts,
    state_fact,
)
from edgeshift.cli.options import AsJson, Explain, option
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text
from edgeshift.errors import NotAnArtifactError
from edgeshift.targets import TARGETS, target_of

if TYPE_CHECKING:
    from edgeshift.artifact.spec import StreamSpec

NOT_VERIFIED = "not compared, because the machine of the conversion could not run it; use edgeshift verify on a device"
COMPILED = "not verified: only the NPU of {chip} runs it; the graph from before the compilation was compared"
#: Suffixes of checkpoints.
CHECKPOINTS = (".pth", ".pt", ".tar", ".ckpt", ".bin", ".pkl", ".safetensors")
#: Largest number of labels that are printed.
MAX_LABELS = 12


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    non_local: Annotated[
        Literal["embedded_gaussian", "scaled_embedded_gaussian", "dot_product"] | None,
        option("Source", effect=DECIDED),
    ] = None,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Print the description inside an artifact: model, tensors, states, origin, and how it was checked.

    The graph is not executed, and neither torch nor a runtime is needed.

    For a checkpoint, print its layout, network, labels, training, what in it is not used, and how it can be converted.
    This needs torch. Nothing in the file is executed.

    Args:
        file: An artifact, as written by edgeshift convert, or a checkpoint.
        non_local: Kind of the non-local blocks in a checkpoint of mmaction2 that does not record it.

    Examples:
      edgeshift inspect tsm_mobilenet_v2_int8.tflite
      edgeshift inspect tsm_mobilenet_v2_int8.tflite --explain
      edgeshift inspect mobilenetv2_jester_online.pth.tar
    """
    from edgeshift.artifact.file import read_artifact

    if target_of(file) is None and file.suffix.lower() in CHECKPOINTS:
        from edgeshift.cli.inspect_checkpoint import show_checkpoint

        show_checkpoint(file, non_local=non_local, explain=explain, as_json=as_json)
        return
    decide(non_local="on an artifact, which records it: leave it out")
    try:
        spec = read_artifact(file).spec
    except NotAnArtifactError as error:
        raise NotAnArtifactError(f"{error}, or a checkpoint ({', '.join(CHECKPOINTS)})") from error
    if as_json:
        print_json(spec)
        return
    facts = _facts(spec)
    print_facts(str(file), facts)
    rows = []
    for kind, tensor in [("input", spec.input), ("output", spec.output), *(("state", state) for state in spec.states)]:
        grid = tensor.grid or tensor  # a float tensor with quantized values has the scale of their grid
        shape = "x".join(map(str, tensor.shape))
        rows.append((kind, tensor.name, shape, tensor.dtype, f"{grid.scale:.6g}", grid.zero_point))
    print_table("Tensors", ("", "name", "shape", "dtype", "scale", "zero point"), rows)
    if explain:
        glossary.explain([*(name.strip() for name, _ in facts), "partition", "int8", "tied ranges"])
    if spec.chip is None:
        print_next("edgeshift", "verify", file)


def _not_compared(spec: StreamSpec) -> str:
    """Return why an artifact has no parity figures."""
    return NOT_VERIFIED if spec.chip is None else COMPILED.format(chip=spec.chip)


def _facts(spec: StreamSpec) -> Facts:
    target = TARGETS.get(spec.target)
    title = f"{spec.target} ({target.title})" if target else spec.target
    frame = spec.frame
    more = f", ... ({len(spec.labels)})" if len(spec.labels) > MAX_LABELS else ""
    return [
        *model_facts(spec),
        ("target", f"{title}, {spec.precision}"),
        *([("", target.remark)] if target and target.remark else []),
        ("graph", f"{size_text(spec.body_bytes)}, sha256 {spec.body_sha256}"),
        ("frame", f"{frame.width}x{frame.height}, {frame.order}, values 0 to 255"),
        ("fit", frame.fit),
        ("frame spacing", "not known" if spec.frame_spacing is None else f"{spec.frame_spacing:g} s"),
        ("labels", ", ".join(spec.labels[:MAX_LABELS]) + more),
        *rule_facts(spec),
        state_fact(spec),
        *sound_facts(spec.model.sound, spec.frames if spec.mode == "clip" else None),
        *graph_facts(spec),
        *calibration_facts(spec),
        *float_layer_facts(spec),
        *(
            parity_facts(spec.parity, spec, passed=not spec.problems)
            if spec.parity
            else [("parity", _not_compared(spec))]
        ),
        ("made with", ", ".join(f"{name} {version}" for name, version in spec.tools.items())),
    ]
