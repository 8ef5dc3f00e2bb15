"""``edgeshift models``."""

from __future__ import annotations

import click

from edgeshift.cli.output import print_json, print_next, print_table, size_text

NOTES = """\
Multiply-adds: convolutions and the linear head, one each. The papers' FLOPs: also two per value of a batch norm and
one per value of an activation or pooling, as MMCV counts. Parameters: all that is trained, the head included. The
2.33 M that papers print for MobileNetV2 could not be reproduced: the backbone alone has 2.22 M, and the head adds
1,281 per class, which makes 2.74 M for 400 classes and 2.26 M for 27."""


@click.command("models")
@click.option("--size", type=click.IntRange(64, 4096), default=224, show_default=True, help="Height and width, pixels.")
@click.option("--classes", type=click.IntRange(2, 100_000), default=400, show_default=True)
@click.option(
    "--width",
    type=click.FloatRange(0, 8, min_open=True),
    default=1.0,
    show_default=True,
    help="MobileNetV2's multiplier.",
)
@click.option("--depth", type=click.IntRange(1, 64), default=2, show_default=True, help="TSAM's K.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(size: int, classes: int, width: float, depth: int, as_json: bool) -> None:
    """List the models: parameters, multiply-adds per frame and per 8 frames, and the state they carry.

    \b
    Examples:
      edgeshift models
      edgeshift models --size 112 --classes 27 --json
    """
    from edgeshift.models import MODELS, ModelConfig, parse_name

    try:
        from edgeshift.models.cost import cost
    except ImportError as error:
        from edgeshift.errors import missing

        raise missing("torch", "convert", "counting a model") from error

    rows = []
    for name in MODELS:
        table, backbone = parse_name(name)
        counted = cost(ModelConfig(table, backbone, classes, size=size, depth=depth, width=width))
        rows.append((name, counted))
    if as_json:
        print_json(
            [
                {
                    "model": name,
                    "size": size,
                    "classes": classes,
                    "parameters": c.parameters,
                    "multiply_adds_per_frame": c.multiply_adds,
                    "multiply_adds_per_8_frames": 8 * c.multiply_adds,
                    "paper_flops_per_8_frames": 8 * c.paper_flops,
                    "state_values": c.state_values,
                    "state_bytes": {"fp32": 4 * c.state_values, "int8": c.state_values},
                }
                for name, c in rows
            ]
        )
        return
    print_table(
        f"{size}x{size}, {classes} classes",
        (
            "model",
            "parameters",
            "multiply-adds / frame",
            "/ 8 frames",
            "papers' FLOPs / 8",
            "state values",
            "state fp32",
            "state int8",
        ),
        [
            (
                name,
                f"{c.parameters / 1e6:.2f} M",
                f"{c.multiply_adds / 1e6:.0f} M",
                f"{8 * c.multiply_adds / 1e9:.2f} G",
                f"{8 * c.paper_flops / 1e9:.2f} G",
                f"{c.state_values:,}",
                size_text(4 * c.state_values),
                size_text(c.state_values),
            )
            for name, c in rows
        ],
    )
    print(NOTES)
    print_next("edgeshift", "convert", "--target", "tflite")
