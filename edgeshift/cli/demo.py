"""``edgeshift demo``: an artifact on a clip, without a window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

from edgeshift.cli.output import Bars, print_facts, print_json, print_next
from edgeshift.errors import EdgeshiftError
from edgeshift.stream import Prediction


@click.command("demo")
@click.argument("file", type=click.Path(path_type=Path), metavar="F")
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    required=True,
    metavar="CLIP",
    help="A video file or a folder of images.",
)
@click.option("--headless", is_flag=True, help="Print the labels; the window is not part of this version.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames per second of a folder of images.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(file: Path, source: Path, headless: bool, fps: float | None, threads: int, as_json: bool) -> None:
    """Run an artifact on a clip, frame by frame, and print the label over time and what a step costs.

    Frames are fed at the spacing the weights were trained with, by their timestamps; every frame, if the artifact
    does not know it.

    \b
    Example:
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless
    """
    if not headless:
        raise EdgeshiftError("demo has no window yet: add --headless to print the labels")
    from edgeshift.runtimes import load
    from edgeshift.video import read_video

    bars = Bars()
    with bars.stage("load"):
        model = load(file, threads=threads)
    stream = model.stream()
    steps: list[tuple[float, Prediction]] = []
    runs: list[dict[str, Any]] = []
    if not as_json and not model.spec.weights.trained:
        print("untrained weights: the labels below mean nothing")
    for timed in read_video(source, fps=fps):
        prediction = stream.step(timed.frame, timed.timestamp)
        if not prediction.fresh:
            continue
        steps.append((timed.timestamp, prediction))
        if not runs or runs[-1]["label"] != prediction.label:
            runs.append({"start": timed.timestamp, "label": prediction.label, "frames": 0, "score": 0.0})
            if not as_json:
                print(f"{timed.timestamp:8.2f} s  {prediction.label:<24} {prediction.score:.2f}")
        runs[-1]["frames"] += 1
        runs[-1]["score"] = max(runs[-1]["score"], prediction.score)
    milliseconds = {
        phase: _percentiles([getattr(p.timings, phase) for _, p in steps]) for phase in ("pre", "infer", "post")
    }
    if as_json:
        print_json(
            {
                "runtime": model.runtime,
                "trained": model.spec.weights.trained,
                "steps": len(steps),
                "labels": runs,
                "milliseconds": milliseconds,
            }
        )
        return
    print_facts(
        f"{len(steps)} steps on {source}",
        [("runtime", model.runtime), *((phase, _words(values)) for phase, values in milliseconds.items())],
    )
    print_next(f"edgeshift verify {file}")


def _percentiles(seconds: list[float]) -> dict[str, float | None]:
    """p50 and p90 in milliseconds; None where there are too few samples to say (20 and 64)."""
    values = np.array(seconds) * 1e3
    return {
        f"p{percent}": float(np.percentile(values, percent)) if len(values) >= enough else None
        for percent, enough in ((50, 20), (90, 64))
    }


def _words(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if ms is None else f'{ms:.3f} ms'}" for name, ms in values.items())
