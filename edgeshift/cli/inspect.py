"""``edgeshift inspect``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import StreamSpec, TensorSpec
from edgeshift.cli.facts import Facts, calibration_facts, graph_facts, model_facts, parity_facts, state_fact
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text
from edgeshift.errors import ArtifactError
from edgeshift.events.spotter import describe_rule

UNPROVEN = "not verified when it was made: nothing there could run it; edgeshift verify does, where something can"
NO_RULE = "none: nobody has chosen when a label is announced"


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path), metavar="F")
@click.option("--json", "as_json", is_flag=True, help="The whole description as JSON.")
def run(file: Path, as_json: bool) -> None:
    """Print what an artifact says of itself: model, tensors, states, provenance, what was proven.

    \b
    Example:
      edgeshift inspect tsm_mobilenet_v2_int8.tflite
    """
    if file.suffix == ".safetensors":
        raise ArtifactError(f"{file} is a checkpoint, not an artifact: convert it with --weights first")
    spec = read_artifact(file).spec
    if as_json:
        print_json(msgspec.to_builtins(spec))
        return
    print_facts(str(file), _facts(spec))
    tensors = [("input", spec.input), ("output", spec.output), *(("state", state) for state in spec.states)]
    print_table(
        "Tensors",
        ("", "name", "shape", "dtype", "scale", "zero point"),
        [(kind, t.name, "x".join(map(str, t.shape)), t.dtype, *_grid(t)) for kind, t in tensors],
    )
    print_next("edgeshift", "verify", file)


def _grid(tensor: TensorSpec) -> tuple[str, int]:
    """Scale and zero point; of floats on a grid, the grid's."""
    grid = tensor.grid or tensor
    return f"{grid.scale:.6g}", grid.zero_point


def _facts(spec: StreamSpec) -> Facts:
    more = f", ... ({len(spec.labels)})" if len(spec.labels) > 12 else ""
    return [
        *model_facts(spec),
        ("target", f"{spec.target} {spec.precision}"),
        ("graph", f"{size_text(spec.body_bytes)}, sha256 {spec.body_sha256}"),
        ("frame", f"{spec.frame.width}x{spec.frame.height}, {spec.frame.fit}, {spec.frame.order}, values 0 to 255"),
        ("spacing", "not known" if spec.frame_spacing is None else f"one frame per {spec.frame_spacing:g} s"),
        ("labels", ", ".join(spec.labels[:12]) + more),
        ("rule", describe_rule(spec.rule, spec.labels) if spec.rule else NO_RULE),
        state_fact(spec),
        *graph_facts(spec),
        *calibration_facts(spec),
        *(parity_facts(spec.parity, spec.precision) if spec.parity else [("parity", UNPROVEN)]),
        ("made with", ", ".join(f"{name} {version}" for name, version in spec.tools.items())),
    ]
