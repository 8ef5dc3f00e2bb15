"""``edgeshift inspect``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from edgeshift.artifact import read_artifact
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text
from edgeshift.spec import StreamSpec


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path), metavar="F")
@click.option("--json", "as_json", is_flag=True, help="The whole description as JSON.")
def run(file: Path, as_json: bool) -> None:
    """Print what an artifact says of itself: model, tensors, states, provenance, what was proven.

    \b
    Example:
      edgeshift inspect tsm_mobilenet_v2_int8.tflite
    """
    spec = read_artifact(file).spec
    if as_json:
        print_json(msgspec.to_builtins(spec))
        return
    print_facts(str(file), _facts(spec))
    tensors = [("input", spec.input), ("output", spec.output), *(("state", state) for state in spec.states)]
    print_table(
        "Tensors",
        ("", "name", "shape", "dtype", "scale", "zero point"),
        [(kind, t.name, "x".join(map(str, t.shape)), t.dtype, f"{t.scale:.6g}", t.zero_point) for kind, t in tensors],
    )
    print_next(f"edgeshift verify {file}")


def _facts(spec: StreamSpec) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = [
        ("model", spec.model.name),
        ("weights", spec.weights.source + ("" if spec.weights.trained else "  (untrained: its labels mean nothing)")),
        ("target", f"{spec.target} {spec.precision}"),
        ("graph", f"{size_text(spec.body_bytes)}, sha256 {spec.body_sha256}"),
        ("frame", f"{spec.frame.width}x{spec.frame.height}, {spec.frame.fit}, {spec.frame.order}, values 0 to 255"),
        ("spacing", "not known" if spec.frame_spacing is None else f"one frame per {spec.frame_spacing:g} s"),
        ("labels", ", ".join(spec.labels[:12]) + (f", ... ({len(spec.labels)})" if len(spec.labels) > 12 else "")),
        ("state", f"{len(spec.states)} tensors, {size_text(spec.state_bytes)}"),
    ]
    if spec.graph is not None:
        facts.append(("operators", ", ".join(f"{count} {kind}" for kind, count in spec.graph.operators.items())))
    if spec.calibration is not None:
        facts.append(("calibration", f"{spec.calibration.source}, {spec.calibration.samples} samples"))
    if spec.parity is not None:
        p = spec.parity
        words = f"max error {p.max_error:.2g} of the range, cosine {p.cosine:.6f}, top-1 {p.top1:.0%}"
        facts.append(("parity", f"{p.frames} frames against {p.reference}: {words}"))
    facts.append(("made with", ", ".join(f"{name} {version}" for name, version in spec.tools.items())))
    return facts
