"""The functions that generate each block of figures in the documentation (see ``refresh_docs``)."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec

from edgeshift.benchmarks.studies import accelerators, cold_start, figures, networks, targets
from edgeshift.benchmarks.studies.command import markdown_table
from edgeshift.benchmarks.studies.refresh_docs import CACHE, ROOT, Generator, command_output, run_edgeshift
from edgeshift.errors import EdgeshiftError
from edgeshift.runtimes.lint.rules import rules_table
from edgeshift.targets import support_table
from edgeshift.weights import all_shipped

#: Filmed clips of gestures (EgoGestAR, which is not in this repository), and the value of ``--label-map`` for them.
FILMED = "../shared/data/egogestar/split.csv"
LABEL_MAP = "carret=caret,circlecc=circle,del=x"
DIRECTIONS = "left,right,up,down"
NAMES = {"fp32": "float32", "int8": "int8 TFLite"}


def models() -> str:
    """Return a table of the cost of every model."""
    rows = []
    for row in json.loads(run_edgeshift("models", "--json")):
        states = row["state_bytes"]
        cost = f"{row['multiply_adds_per_frame'] / 1e6:,.0f} M"
        sizes = (f"{states['fp32'] / 1e3:,.1f} kB", f"{states['int8'] / 1e3:,.1f} kB")
        rows.append((f"`{row['model']}`", f"{row['parameters'] / 1e6:.2f} M", cost, *sizes))
    return markdown_table(("model", "parameters", "multiply-adds per frame", "state, fp32", "state, int8"), rows)


def glossary() -> str:
    """Return a table of the project's own words."""
    from edgeshift.cli.glossary import GLOSSARY

    return markdown_table(("term", "meaning"), GLOSSARY.items())


def command_line() -> str:
    """Return the help text of every command."""
    from edgeshift.cli import COMMANDS

    parts = [f"```text\n{run_edgeshift('--help')}```\n"]
    parts += [f"\n## edgeshift {name}\n\n```text\n{run_edgeshift(name, '--help')}```\n" for name in COMMANDS]
    return "".join(parts)


@cache
def artifact() -> Path:
    """Return the artifact that `edgeshift convert --target tflite` makes, converted once per run."""
    run_edgeshift("convert", "--target", "tflite")
    return ROOT / CACHE / "tsm_mobilenet_v2_int8.tflite"


def inspect_example() -> str:
    """Return the output of ``edgeshift inspect``."""
    return command_output("inspect", artifact().name)


def demo_example() -> str:
    """Return the first and the last lines of the demo's output."""
    lines = command_output("demo", artifact().name, "--headless").splitlines()
    return "\n".join([*lines[:8], "...", *lines[-4:]]) + "\n"


def study(module: str, *arguments: str) -> Any:
    """Run a study and return the JSON document that it prints.

    Raises:
        EdgeshiftError: the study fails.
    """
    command = [sys.executable, "-m", f"edgeshift.benchmarks.studies.{module}", *arguments, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=ROOT)  # noqa: S603
    if done.returncode:
        raise EdgeshiftError(f"the study {module} ended with status {done.returncode}")
    return json.loads(done.stdout)


def timing(module: str) -> str:
    """Return the table of a timing study."""
    report = msgspec.convert(study(module, "--cache", str(ROOT / CACHE / module)), figures.StudyReport)
    if not report.machine.quiet:
        sys.stderr.write(f"{module}: the machine was busy: refresh this block again when it is quiet\n")
    return figures.markdown(report)


@cache
def target_rows() -> list[targets.TargetRow]:
    """Return a row for every target in every precision."""
    return msgspec.convert(study("targets", "--out", str(ROOT / CACHE / "targets")), list[targets.TargetRow])


def targets_of(precision: str | None) -> str:
    """Return the table of targets for one precision; None: for all precisions."""
    return targets.markdown([row for row in target_rows() if precision in (None, row.precision)])


#: Rounds of timing of the tables of networks. Each round runs every artifact of a network six times.
NETWORK_ROUNDS = 12


@cache
def network_table(*options: str) -> str:
    """Return the table of networks that ``edgeshift.benchmarks.studies.networks`` makes with these options."""
    result = msgspec.convert(
        study("networks", "--out", str(ROOT / CACHE / "networks"), "--rounds", str(NETWORK_ROUNDS), *options),
        networks.NetworkStudy,
    )
    if not result.machine.quiet:
        sys.stderr.write("networks: the machine was busy: refresh this block again when it is quiet\n")
    return networks.markdown(result).replace(f"{ROOT}/", "")  # errors name files by their whole path


#: Options of the two tables on docs/lab/networks.md. The page shows them as commands.
VARIANTS = (
    *("tsm_resnet18", "tsm_resnet34", "tsm_resnet101", "tsm_resnet50+place=block", "tsm_resnet50+div=4"),
    *("stsm_mobilenet_v2", "tsam_mobilenet_v2+depth=1", "tsam_mobilenet_v2", "tsam_resnet50+every=2"),
    *("tsm_resnet50+temporal_pool=true", "tsm_resnet50+non_local=embedded_gaussian"),
    *("tsm_resnet50+non_local=gaussian", "tsm_resnet50+non_local=dot_product"),
)
OWN = ("resnet18", "mobilenet_v3_like", "efficientnet_like", "bidirectional_resnet18", "causal")
OWN_FILE = "tests/checkpoints/own_network_sources.py"
SMALL = ("--precisions", "fp32,int8", "--frames", "4", "--size", "64")
OWN_SIZE = ("--precisions", "fp32,int8", "--frames", "8", "--size", "64")


def own_networks() -> str:
    """Return the table of the networks that the tests use as users' own code."""
    return network_table("--networks", ",".join(f"{ROOT / OWN_FILE}:{name}" for name in OWN), *OWN_SIZE)


def start_up() -> str:
    """Return a table of the CPU time from the start of a program to its first answer."""
    times = msgspec.convert(study("cold_start", str(artifact())), cold_start.ColdStart)
    rows = [
        ("importing numpy", f"{times.numpy:.0f} ms"),
        ("edgeshift, from its import to the first answer", f"{times.edgeshift:.0f} ms"),
        ("LiteRT alone, from its import to the first answer", f"{times.litert:.0f} ms"),
    ]
    return markdown_table(("CPU time", "median"), rows)


def filmed(model: str) -> Any:
    """Run ``edgeshift eval`` for a shipped model, float32 and int8, on the filmed clips, and return its report."""
    weights = str(all_shipped()[model])
    int8 = ROOT / CACHE / f"{model}_int8.tflite"
    run_edgeshift("convert", model, "--target", "tflite", "--out", str(int8))
    data = str((ROOT / FILMED).resolve())
    options = ("--data", data, "--label-map", LABEL_MAP, "--subset", DIRECTIONS, "--jobs", "2", "--json")
    return json.loads(run_edgeshift("eval", weights, str(int8), *options))


def accuracy_filmed() -> str:
    """Return a table of the accuracy of the shipped models on the filmed clips."""
    results = [
        (f"{model.split('_')[0].upper()} {NAMES[result['precision']]}", result)
        for model in all_shipped()
        if not model.endswith("_sound")  # the filmed clips have no sound
        for result in filmed(model)["subjects"]
    ]
    rows = []
    for key, name in (("consensus", "consensus of the clip"), ("last", "last frame alone"), ("spotted", "first event")):
        rows.append((name, *(_share(result["accuracy"][key]) for _, result in results)))
    directions = (_share(result["subset"]["consensus"]) for _, result in results)
    rows.insert(1, (f"of {DIRECTIONS}", *directions))
    return markdown_table(("answer", *(name for name, _ in results)), rows)


def _share(value: dict[str, float]) -> str:
    return f"{value['value']:.1%} ({value['low']:.1%} to {value['high']:.1%})"


#: {name of a block: its generator}.
def accelerator_rows() -> str:
    """Return the matrix of networks and accelerators."""
    rows = msgspec.convert(study("accelerators", "--out", str(ROOT / CACHE / "accelerators")), list[accelerators.Row])
    return markdown_table(accelerators.COLUMNS, map(accelerators.cells, rows))


GENERATORS = {
    "accelerators": Generator(accelerator_rows, 60),
    "support": Generator(support_table),
    "lint-rules": Generator(rules_table),
    "models": Generator(models, 0.3),
    "glossary": Generator(glossary),
    "cli": Generator(command_line, 0.1),
    "convert-example": Generator(lambda: command_output("convert", "--target", "tflite"), 0.5),
    "inspect-example": Generator(inspect_example, 0.5),
    "demo-example": Generator(demo_example, 0.5),
    "targets-int8": Generator(lambda: targets_of("int8"), 12),
    "targets-all": Generator(lambda: targets_of(None), 12),
    "networks": Generator(network_table, 60),
    "network-variants": Generator(partial(network_table, "--networks", ",".join(VARIANTS), *SMALL), 60),
    "own-networks": Generator(own_networks, 15, OWN_FILE),
    "overhead": Generator(lambda: timing("overhead"), 10),
    "shift-cost": Generator(lambda: timing("shift_cost"), 15),
    "cold-start": Generator(start_up, 1),
    "accuracy-filmed": Generator(accuracy_filmed, 3, FILMED),
}
