"""``edgeshift models``: list the models with their cost."""

from __future__ import annotations

from typing import Annotated

from edgeshift.cli.effect import ALWAYS, excludes
from edgeshift.cli.options import AsJson, option
from edgeshift.cli.output import print_json, print_next, print_table, size_text

NOTES = """\
Multiply-adds are those of convolutions and the linear head; a multiplication and its addition count as one. The papers'
FLOPs also count two per value of a batch norm and one per value of an activation or pooling, as MMCV does. Parameters
include the head. The 2.33 M parameters that papers give for MobileNetV2 could not be reproduced: the backbone has
2.22 M and the head 1,281 per class, so there are 2.74 M with 400 classes and 2.26 M with 27."""
COLUMNS = (
    *("model", "parameters", "multiply-adds per frame", "for 8 frames", "papers' FLOPs for 8 frames"),
    *("state values", "state fp32", "state int8"),
)


def run(
    size: Annotated[int, option("Model", effect=excludes("layouts"), min=64, max=4096)] = 224,
    classes: Annotated[int, option("Model", effect=excludes("layouts"), min=2, max=100000)] = 400,
    width: Annotated[float, option("Model", effect=excludes("layouts"), min=0.01, max=8)] = 1.0,
    depth: Annotated[int, option("Model", effect=excludes("layouts"), min=1, max=64)] = 2,
    layouts: Annotated[bool, option("Output", effect=ALWAYS)] = False,
    as_json: AsJson = False,
) -> None:
    """List the models with their parameters, their multiply-adds per frame, and the size of their states.

    Args:
        size: Height and width of the frames, pixels.
        classes: Number of labels, which is the number of outputs of the head.
        width: Width multiplier of MobileNetV2.
        depth: Number of past frames that TSAM uses (K in the paper).
        layouts: List the layouts of weights files instead: which networks edgeshift reads, and how each can run.

    Examples:
      edgeshift models
      edgeshift models --size 112 --classes 27 --json
      edgeshift models --layouts
    """
    from edgeshift.models import MODELS, ModelConfig, parse_name

    if layouts:
        from edgeshift.cli.layouts_text import show_layouts

        show_layouts(as_json=as_json)
        return
    try:
        from edgeshift.models.cost import cost
    except ImportError as error:
        from edgeshift.errors import missing

        raise missing("torch", "convert", "computing the cost of models") from error

    costs = {
        name: cost(ModelConfig(*parse_name(name), classes, size=size, depth=depth, width=width)) for name in MODELS
    }
    if as_json:
        print_json(
            [
                {
                    "model": name,
                    "size": size,
                    "classes": classes,
                    "parameters": model.parameters,
                    "multiply_adds_per_frame": model.multiply_adds,
                    "multiply_adds_per_8_frames": 8 * model.multiply_adds,
                    "paper_flops_per_8_frames": 8 * model.paper_flops,
                    "state_values": model.state_values,
                    "state_bytes": {"fp32": 4 * model.state_values, "int8": model.state_values},
                }
                for name, model in costs.items()
            ]
        )
        return
    rows = [
        (
            name,
            f"{model.parameters / 1e6:.2f} M",
            f"{model.multiply_adds / 1e6:.0f} M",
            f"{8 * model.multiply_adds / 1e9:.2f} G",
            f"{8 * model.paper_flops / 1e9:.2f} G",
            f"{model.state_values:,}",
            size_text(4 * model.state_values),
            size_text(model.state_values),
        )
        for name, model in costs.items()
    ]
    print_table(f"{size}x{size} pixels, {classes} classes", COLUMNS, rows)
    print(NOTES)
    print_next("edgeshift", "convert", "--target", "tflite")
