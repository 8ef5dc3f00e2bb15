"""The effect of the shift on accuracy: the same network, trained with and without a shift, from several seeds.

    python -m edgeshift.benchmarks.studies.shift_ablation --out runs/ablation --init imagenet.pt [--data split.csv]

Networks that are not in the folder yet are trained. Then each network is tested on gestures drawn from seeds that no
training uses and, with ``--data``, on labelled videos. A network without a shift processes each frame alone. It
does not know the order of frames, so it cannot distinguish opposite strokes.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Annotated

import typer

from edgeshift.benchmarks.studies.command import (
    Data,
    Json,
    LabelMap,
    Out,
    labelled_videos,
    print_json,
    print_table,
    study,
    write_json,
)
from edgeshift.benchmarks.studies.trained_networks import COLUMNS, NetworkRow, TestClips, share_text, stored_row, train
from edgeshift.training import Recipe

MODELS = ("tsn_mobilenet_v2", "tsm_mobilenet_v2", "stsm_mobilenet_v2")
RESULTS = "ablation.json"


@study
def main(
    out: Out,
    init: Annotated[Path, typer.Option(metavar="F", help="ImageNet weights that every training starts from.")],
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings of each model.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = 600,
    size: Annotated[int, typer.Option(help="Height and width of the frames, pixels.")] = 112,
    clips: TestClips = 200,
    data: Data = None,
    label_map: LabelMap = None,
    models: Annotated[str, typer.Option(metavar="A,B", help="Models to compare.")] = ",".join(MODELS),
    as_json: Json = False,
) -> None:
    """Train the same network with and without a shift and compare their accuracy."""
    videos = labelled_videos(data, label_map)
    rows = []
    for seed in range(seeds):
        for model in models.split(","):
            recipe = Recipe(model=model, size=size, steps=steps, seed=seed)
            checkpoint = train(recipe, out / f"{model}_{seed}", init)
            rows.append(stored_row(checkpoint, model, seed, clips, videos))
    write_json(rows, out / RESULTS)
    print_json(rows) if as_json else show(rows)


def show(rows: list[NetworkRow]) -> None:
    """Print a line for each network, and a line with the mean and standard deviation over seeds for each model."""
    lines = []
    for model in dict.fromkeys(row.model for row in rows):
        rows_of_model = [row for row in rows if row.model == model]
        lines += [(model, str(row.seed), *map(share_text, row.shares)) for row in rows_of_model]
        columns = [
            [share.value for share in column if share is not None and share.value is not None]
            for column in zip(*(row.shares for row in rows_of_model), strict=True)
        ]
        means = [f"{statistics.mean(c):.1%} (±{statistics.pstdev(c):.1%})" if c else "-" for c in columns]
        lines.append((model, "mean", *means))
    print_table(("model", "seed", *COLUMNS), lines)


if __name__ == "__main__":
    sys.exit(main())
