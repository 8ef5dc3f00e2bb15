"""What makes each block of figures in the documentation (see ``refresh_docs``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.benchmarks.statistics import share
from edgeshift.benchmarks.studies import cold_start, events, figures, targets
from edgeshift.benchmarks.studies.refresh_docs import CACHE, ROOT, Generator, command_output, run_edgeshift
from edgeshift.errors import EdgeshiftError
from edgeshift.targets import support_table
from edgeshift.weights import all_shipped

#: Filmed clips of gestures that are not part of the project (EgoGestAR), and their labels in edgeshift's words.
FILMED = "../shared/data/egogestar/split.csv"
LABEL_MAP = "carret=caret,circlecc=circle,del=x"
DIRECTIONS = "left,right,up,down"
NAMES = {"fp32": "float32", "int8": "int8 TFLite"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def models() -> str:
    """The cost of every model."""
    rows = []
    for row in json.loads(run_edgeshift("models", "--json")):
        states = row["state_bytes"]
        cost = f"{row['multiply_adds_per_frame'] / 1e6:,.0f} M"
        sizes = (f"{states['fp32'] / 1e3:,.1f} kB", f"{states['int8'] / 1e3:,.1f} kB")
        rows.append((f"`{row['model']}`", f"{row['parameters'] / 1e6:.2f} M", cost, *sizes))
    return table(("model", "parameters", "multiply-adds per frame", "state, fp32", "state, int8"), rows)


def glossary() -> str:
    """The project's own words."""
    from edgeshift.cli.glossary import GLOSSARY

    return table(("term", "meaning"), GLOSSARY.items())


def command_line() -> str:
    """The help of every command."""
    from edgeshift.cli import COMMANDS

    parts = [f"```text\n{run_edgeshift('--help')}```\n"]
    parts += [f"\n## edgeshift {name}\n\n```text\n{run_edgeshift(name, '--help')}```\n" for name in COMMANDS]
    return "".join(parts)


@cache
def artifact() -> Path:
    """The artifact that `edgeshift convert --target tflite` makes, converted once per run."""
    run_edgeshift("convert", "--target", "tflite")
    return ROOT / CACHE / "tsm_mobilenet_v2_int8.tflite"


def inspect_example() -> str:
    """What ``edgeshift inspect`` prints."""
    return command_output("inspect", artifact().name)


def demo_example() -> str:
    """The first lines, and the last ones, that the demo prints."""
    lines = command_output("demo", artifact().name, "--headless").splitlines()
    return "\n".join([*lines[:8], "...", *lines[-4:]]) + "\n"


def study(module: str, *arguments: str) -> Any:
    """The JSON document that a study prints.

    Raises:
        EdgeshiftError: the study fails.
    """
    command = [sys.executable, "-m", f"edgeshift.benchmarks.studies.{module}", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=ROOT, env=os.environ)  # noqa: S603
    if done.returncode:
        raise EdgeshiftError(f"the study {module} ended with status {done.returncode}")
    return json.loads(done.stdout)


@cache
def timing(module: str) -> figures.Report:
    """The report of a timing study."""
    report = msgspec.convert(study(module, "--cache", str(ROOT / CACHE / module)), figures.Report)
    if not report.machine.quiet:
        sys.stderr.write(f"{module}: the machine was busy: refresh this block again when it is quiet\n")
    return report


@cache
def target_rows() -> list[targets.Row]:
    """Every target in every precision."""
    return msgspec.convert(study("targets", "--out", str(ROOT / CACHE / "targets")), list[targets.Row])


def targets_of(precision: str | None) -> str:
    """The table of targets, for one precision or all."""
    return targets.markdown([row for row in target_rows() if precision in (None, row.precision)])


def start_up() -> str:
    """CPU time from the start of a program to its first answer."""
    found = msgspec.convert(study("cold_start", str(artifact())), cold_start.ColdStart)
    rows = [
        ("importing numpy", f"{found.numpy:.0f} ms"),
        ("edgeshift, from its import to the first answer", f"{found.edgeshift:.0f} ms"),
        ("LiteRT alone, from its import to the first answer", f"{found.litert:.0f} ms"),
    ]
    return table(("CPU time", "median"), rows)


@cache
def filmed(model: str) -> Any:
    """The report of ``edgeshift eval`` of a shipped model, float32 and int8, on the filmed clips."""
    weights = str(all_shipped()[model])
    int8 = ROOT / CACHE / f"{model}_int8.tflite"
    run_edgeshift("convert", model, "--target", "tflite", "--out", str(int8))
    data = str((ROOT / FILMED).resolve())
    options = ("--data", data, "--label-map", LABEL_MAP, "--subset", DIRECTIONS, "--jobs", "2", "--json")
    return json.loads(run_edgeshift("eval", weights, str(int8), *options))


def accuracy_filmed() -> str:
    """Accuracy of the shipped models on the filmed clips."""
    subjects = [
        (f"{model.split('_')[0].upper()} {NAMES[one['precision']]}", one)
        for model in all_shipped()
        for one in filmed(model)["subjects"]
    ]
    rows = []
    for key, name in (("consensus", "consensus of the clip"), ("last", "last frame alone"), ("spotted", "first event")):
        rows.append((name, *(_share(one["accuracy"][key]) for _, one in subjects)))
    rows.insert(1, (f"of {DIRECTIONS}", *(_share(one["subset"]["accuracy"]["consensus"]) for _, one in subjects)))
    return table(("answer", *(name for name, _ in subjects)), rows)


def confusion_filmed() -> str:
    """The confusion matrix of the int8 TSM on the filmed clips."""
    one = filmed("tsm_mobilenet_v2")["subjects"][1]["confusion"]
    labels, counts = one["labels"], one["counts"]
    rows = [(label, *(str(count or "") for count in row)) for label, row in zip(labels, counts, strict=True)]
    return table(("label", *labels), rows)


def events_drawn() -> str:
    """Events that the shipped int8 models announce in drawn streams."""
    parts = []
    for model in all_shipped():
        path = ROOT / CACHE / f"{model}_int8.tflite"
        if not path.exists():
            run_edgeshift("convert", model, "--target", "tflite", "--out", str(path))
        sets = ((10, 0), (30, 1), (60, 2))
        found = [
            msgspec.convert(study("events", str(path), "--minutes", str(minutes), "--seed", str(seed)), events.Report)
            for minutes, seed in sets
        ]
        delays = [", ".join("-" if value is None else f"{value:.2f}" for value in one.delay.values()) for one in found]
        rows = [
            (
                "recall: gestures that were announced",
                *(str(share(one.recall.count, one.recall.total)) for one in found),
            ),
            ("precision: announcements that are right", *(str(one.precision) for one in found)),
            ("false alarms per minute", *(f"{one.false_per_minute:.2f}" for one in found)),
            ("delay after the end of the stroke, p50 and p90, s", *delays),
        ]
        columns = (f"{minutes} minutes, seed {seed}" for minutes, seed in sets)
        parts.append(table((model.split("_")[0].upper(), *columns), rows))
    return "\n".join(parts)


def _share(value: dict[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"


#: {name of the block: what makes it}.
GENERATORS = {
    "support": Generator(support_table),
    "models": Generator(models, 0.3),
    "glossary": Generator(glossary),
    "cli": Generator(command_line, 0.3),
    "convert-example": Generator(lambda: command_output("convert", "--target", "tflite"), 0.5),
    "inspect-example": Generator(inspect_example, 0.5),
    "demo-example": Generator(demo_example, 0.5),
    "targets-int8": Generator(lambda: targets_of("int8"), 12),
    "targets-all": Generator(lambda: targets_of(None), 12),
    "overhead": Generator(lambda: figures.markdown(timing("overhead")), 25),
    "shift-cost": Generator(lambda: figures.markdown(timing("shift_cost")), 25),
    "cold-start": Generator(start_up, 1),
    "accuracy-filmed": Generator(accuracy_filmed, 3, FILMED),
    "confusion-filmed": Generator(confusion_filmed, 3, FILMED),
    "events-drawn": Generator(events_drawn, 15),
}
