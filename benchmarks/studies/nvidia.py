"""What an NVIDIA GPU does with a network: answers beside the CPU's, step times, and a short training.

    python -m edgeshift.benchmarks.studies.nvidia --out FOLDER [--device cuda] [--size 112] [--steps 100]
        [--minutes 9] [--json]

It is meant to take less than ten minutes on a machine with a GPU. No part begins after ``--minutes``, but a part that
has begun is not interrupted. Every part appends its result to FOLDER/nvidia.jsonl when it is done; a run that is
repeated with the same FOLDER continues with the parts that are missing or failed. A part whose package is not
installed, whose provider cannot start, or for which no time is left, is recorded with the reason. With
``--device cpu``, the same parts run on the processor, which tests the script and not the GPU. Not verified here: nobody
has run it on an NVIDIA GPU yet.

It needs only the installed package and downloads nothing. The weights are those that ship with edgeshift, or random
ones for the training, and all frames are drawn.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import typer

from edgeshift._system.json_lines import JsonLines
from edgeshift._system.progress import ProgressBars
from edgeshift.benchmarks.studies.command import NO_GPU_YET, Json, print_json, print_table, study
from edgeshift.errors import EdgeshiftError, one_line
from edgeshift.stream.placement import ON_CPU, Placement

#: Number of timed steps, after as many steps that are not timed.
TIMED = 100
#: Seed of the sequences on which a training is validated.
VALIDATION_SEED = 700_000_000
#: Name of the file of results.
RESULTS = "nvidia.jsonl"
#: Time after which no part begins, minutes.
MINUTES = 9.0


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The result of one part.

    Attributes:
        name: name of the part.
        where: the device and the versions of its packages.
        ran_on: where the network ran; None: it did not run.
        settings: size of the frames, pixels, and number of training steps.
        seconds: duration of the part.
        step_ms: median time of a step with its frame and logits on the CPU, milliseconds.
        max_error: largest error of a logit over 32 frames with states carried, as a share of the range of the CPU's.
        top1: share of the frames with the CPU's top label.
        curve: (step, loss) of a training.
        problem: why the part has no result; None: it has one.
        note: what to know about the result; None: nothing.
    """

    name: str
    where: str
    settings: tuple[int, int]
    ran_on: Placement | None = None
    seconds: float = 0.0
    step_ms: float | None = None
    max_error: float | None = None
    top1: float | None = None
    curve: tuple[tuple[int, float], ...] = ()
    problem: str | None = None
    note: str | None = None


@study
def main(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for results, artifacts and training runs.")],
    device: Annotated[Literal["cuda", "cpu"], typer.Option(help="Device to measure.")] = "cuda",
    size: Annotated[int, typer.Option(min=64, max=1024, help="Height and width of the frames, pixels.")] = 112,
    steps: Annotated[int, typer.Option(min=1, max=10_000, help="Steps of the training.")] = 100,
    minutes: Annotated[float, typer.Option(min=0, help="Time after which no part begins, minutes.")] = MINUTES,
    as_json: Json = False,
) -> int:
    """Measure a network on an NVIDIA GPU, beside the CPU.

    Not verified here: nobody has run this study on an NVIDIA GPU yet.
    """
    parts = measure(out, device, size, steps, minutes)
    if as_json:
        print_json(parts)
    else:
        show(parts)
    return 1 if all(part.problem for part in parts) else 0


def measure(out: Path, device: str, size: int, steps: int, minutes: float = MINUTES) -> list[Part]:
    """Run the parts that the folder has no result of yet, and return all results.

    A part that would begin after ``minutes`` does not run, and its result says so.

    Raises:
        EdgeshiftError: torch is not installed or finds no GPU, or the folder cannot be written.
    """
    deadline = perf_counter() + 60 * minutes
    if importlib.util.find_spec("torch") is None:
        raise EdgeshiftError("torch is not installed, which this study needs")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise EdgeshiftError(
            f"torch finds no GPU: run this on a machine with an NVIDIA GPU, or give --device cpu ({NO_GPU_YET})"
        )
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    where = f"{name}, torch {torch.__version__}"
    out.mkdir(parents=True, exist_ok=True)
    journal: JsonLines[Part] = JsonLines(out / RESULTS, Part, resume=True)
    settings = (size, steps)
    same = [part for part in journal.entries if part.where == where and part.settings == settings]
    done = {part.name: part for part in same if part.problem is None}
    # First the parts that need nothing but PyTorch. TensorRT takes minutes to build an engine, so it is the last one.
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "eager": partial(_torch_step, device, size, compiled=False),
        "compiled": partial(_torch_step, device, size, compiled=True),
        f"training {device}": partial(_training, out, device, size, steps),
        "training cpu": partial(_training, out, "cpu", size, steps),
        "onnxruntime": partial(_artifact, out, "onnx", size, {"provider": device}),
        "tensorrt": partial(_artifact, out, "tensorrt", size, {"runtime": "tensorrt"}),
    }
    results = []
    with ProgressBars(live=False).stage("parts", len(parts)) as advance:
        for name, run in parts.items():
            if name not in done:
                part = _run(name, where, settings, run if perf_counter() < deadline else _no_time)
                done[name] = msgspec.structs.replace(part, note=NO_GPU_YET if device == "cuda" else None)
                journal.add(done[name])
            results.append(done[name])
            advance()
    return results


def _run(name: str, where: str, settings: tuple[int, int], run: Callable[[], dict[str, Any]]) -> Part:
    """Run a part, and return its result or why it has none."""
    start = perf_counter()
    try:
        values = run()
    except Exception as error:  # whatever fails in one part, the others have results
        values = {"problem": one_line(error)}
    return Part(name=name, where=where, settings=settings, seconds=round(perf_counter() - start, 1), **values)


def _no_time() -> dict[str, Any]:
    """Stand for a part that does not run any more."""
    raise EdgeshiftError("no time left: run this again with the same folder")


def _torch_step(device: str, size: int, *, compiled: bool) -> dict[str, Any]:
    """Run the deployed step with PyTorch over 32 frames on the device and on the CPU, and time it on the device."""
    import torch

    from edgeshift.checkpoints.source import default_source
    from edgeshift.models.deploy import deploy
    from edgeshift.stream.parity import parity_frames

    source = default_source("tsm_mobilenet_v2", size=size)
    frames = [
        torch.from_numpy(frame).permute(2, 0, 1)[None].float() for frame in parity_frames(source.description.frame)
    ]
    wanted_step, moved = deploy(source.network), deploy(source.network).to(device)
    function: Any = torch.compile(moved) if compiled else moved
    states = [tuple(state.to(on) for state in moved.start()) for on in ("cpu", device)]
    wanted, answers = [], []
    with torch.inference_mode():
        for frame in frames:
            logits, *following = wanted_step(frame, *states[0])
            own, *own_following = function(frame.to(device), *states[1])
            states = [tuple(following), tuple(own_following)]
            wanted.append(logits[0].numpy())
            answers.append(own[0].cpu().numpy())
        times, now = [], states[1]
        for index in range(2 * TIMED):
            start = perf_counter()
            own, *following = function(frames[index % len(frames)].to(device), *now)
            own.cpu()  # waits for the device
            times.append(perf_counter() - start)
            now = tuple(following)
    a, b = np.stack(answers), np.stack(wanted)
    return {
        "ran_on": _place_of(device),
        "step_ms": round(float(np.median(times[TIMED:])) * 1e3, 4),
        "max_error": float(np.abs(a - b).max() / np.ptp(b)),
        "top1": float((a.argmax(1) == b.argmax(1)).mean()),
    }


def _artifact(out: Path, target: str, size: int, options: dict[str, Any]) -> dict[str, Any]:
    """Convert to fp32, and compare the artifact on its runtime with PyTorch on the CPU over 32 frames."""
    from edgeshift.checkpoints.source import default_source
    from edgeshift.converters import Options, convert
    from edgeshift.runtimes import load
    from edgeshift.runtimes.pytorch import reference
    from edgeshift.stream.parity import compare, parity_frames
    from edgeshift.targets import find_target

    source = default_source("tsm_mobilenet_v2", size=size)
    path = out / f"tsm_{size}{find_target(target).suffix}"
    if not path.exists():
        convert(source, target, path, Options(precision="fp32"))
    model = load(path, **options)
    frames = parity_frames(source.description.frame)
    parity = compare(model, reference(source), frames)
    stream = model.stream()
    times = [stream.step(frames[index % len(frames)]).timings.infer for index in range(2 * TIMED)]
    step_ms = round(float(np.median(times[TIMED:])) * 1e3, 4)
    return {"ran_on": model.placement, "step_ms": step_ms, "max_error": parity.max_error, "top1": parity.top1}


def _place_of(device: str) -> Placement:
    """Return where PyTorch runs a network on a device, "cuda" or "cpu"."""
    import torch

    return (
        ON_CPU if device == "cpu" else Placement(accelerator="gpu", device=torch.cuda.get_device_name(), complete=True)
    )


def _training(out: Path, device: str, size: int, steps: int) -> dict[str, Any]:
    """Train on drawn gestures, and return the curve. An interrupted training is continued."""
    from edgeshift.training import Recipe
    from edgeshift.training.folder import Run
    from edgeshift.training.sequences import DrawnSequences
    from edgeshift.training.start import starting_network
    from edgeshift.training.trainer import train_network

    recipe = Recipe(size=size, steps=steps)
    data, validation = (DrawnSequences(recipe.frames, size, recipe.spacing, seed) for seed in (0, VALIDATION_SEED))
    network = starting_network(recipe, data.labels, None, past_only=False).network
    folder = out / f"training_{device}_{size}_{steps}"
    run = Run(recipe, folder, "random", data, validation, validation_count=4, device=device)
    history = train_network(run, network, resume=True, report=lambda _entry: None)
    curve = tuple((entry.step, round(entry.training.loss, 4)) for entry in history.entries)
    return {"ran_on": _place_of(device), "curve": curve}


def show(parts: list[Part]) -> None:
    """Print the results as a table."""
    rows: list[tuple[str, ...]] = []
    for part in parts:
        if part.problem is not None:
            rows.append((part.name, "-", "-", "-", "-", f"no result: {part.problem}"))
            continue
        curve = ", ".join(f"{loss:.3f} at step {step}" for step, loss in part.curve)
        numbers = (
            "-" if value is None else form.format(value)
            for value, form in ((part.step_ms, "{:.3f} ms"), (part.max_error, "{:.1e}"), (part.top1, "{:.0%}"))
        )
        rows.append((part.name, part.ran_on.title if part.ran_on else "-", *numbers, curve and f"loss {curve}"))
    print_table(("part", "ran on", "step", "largest error", "top-1", parts[0].where), rows)
    for note in dict.fromkeys(part.note for part in parts if part.note is not None):
        print(note)


if __name__ == "__main__":
    sys.exit(main())
