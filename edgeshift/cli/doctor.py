"""``edgeshift doctor``."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text
from edgeshift.errors import install_command
from edgeshift.targets import RUNTIMES, TARGETS, Target

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.facts import Facts

#: Seconds that an import may take: the first one after an installation compiles.
PATIENCE = 180


class Row(msgspec.Struct, frozen=True):
    """One target.

    Attributes:
        convert, run: None: it can be done here; else why not.
        versions: {package: version} of what is installed.
        fixes: commands that bring what is missing. remark: what one must know.
    """

    target: str
    convert: str | None
    run: str | None
    versions: dict[str, str]
    fixes: tuple[str, ...]
    remark: str | None


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(as_json: bool) -> None:
    """Say what this machine can convert and run, what it lacks, and how fast it may be.

    Packages are imported in processes of their own, so one that crashes is told and does no harm.

    \b
    Examples:
      edgeshift doctor
      edgeshift doctor --json
    """
    from edgeshift.benchmarks.devices.facts import read_facts

    rows, facts = examine(ProgressBars()), read_facts()
    if as_json:
        print_json({"targets": msgspec.to_builtins(rows), "device": msgspec.to_builtins(facts)})
        return
    print_table(
        "",
        ("target", "can convert", "can run", "versions"),
        [
            (
                row.target,
                "yes" if row.convert is None else "no",
                "yes" if row.run is None else "no",
                ", ".join(f"{package} {version}" for package, version in row.versions.items()) or "-",
            )
            for row in rows
        ],
    )
    notes = [(row.target, text) for row in rows for text in _texts(row)]
    if notes:
        print_facts("reasons and fixes", notes)
    print_facts("this device", device_facts(facts))
    print_next("edgeshift", "convert", "--target", next((row.target for row in rows if row.convert is None), "tflite"))


def examine(bars: ProgressBars) -> list[Row]:
    """Check for every target whether its converter and its runtime are installed and can be imported here."""
    with bars.stage("targets", len(TARGETS)) as advance:
        # A package that several targets need is imported once.
        reasons: dict[str, str | None] = {}
        rows = []
        for target in TARGETS.values():
            rows.append(_row(target, reasons))
            advance()
    return rows


def device_facts(facts: Facts) -> list[tuple[str, object]]:
    """What was read of the device, as lines; what it does not say is said."""
    clock = [f"{now:.0f} of {most:.0f}" for now, most in facts.clock.values()]
    heat = ", ".join(f"{name} {value:.0f} C" for name, value in facts.temperatures.items())
    throttled = "not told" if facts.throttled is None else ", ".join(facts.throttled) or "no"
    return [
        *([("board", facts.board)] if facts.board else []),
        ("processor", f"{facts.processor} ({', '.join(facts.features) or 'no instructions for int8 that we know'})"),
        ("cores", facts.cores),
        ("memory", size_text(facts.memory) if facts.memory else "not told"),
        ("system", facts.system),
        ("governor", ", ".join(facts.governors) or "not told"),
        ("clock, MHz", "; ".join(dict.fromkeys(clock)) or "not told"),
        ("temperature", heat or "not told"),
        ("throttled", throttled),
        *([("power mode", facts.power_mode)] if facts.power_mode else []),
    ]


def _row(target: Target, reasons: dict[str, str | None]) -> Row:
    lacking = []
    for package in target.converter_packages:
        if _version(package) is None:
            lacking.append(f"{package}: not installed")
    if not lacking and "torch" in target.converter_packages:  # every converter imports it first
        lacking += filter(None, [_reason("torch", "torch", reasons)])
    # An artifact may run on another runtime than the one the target is named after.
    runtime = RUNTIMES.get(target.name, RUNTIMES[target.runtime])
    problems = [_reason(module, package, reasons) for module, package in runtime.packages.items()]
    problem = None if None in problems else "; ".join(filter(None, problems))
    fixes = []
    if lacking:
        fixes.append(install_command("convert"))
    if problem is not None:
        fixes.append(runtime.install if runtime.extra is None else install_command(runtime.extra))
    versions = {package: version for package in runtime.packages.values() if (version := _version(package)) is not None}
    return Row(target.name, "; ".join(lacking) or None, problem, versions, tuple(filter(None, fixes)), target.remark)


def _reason(module: str, package: str, reasons: dict[str, str | None]) -> str | None:
    """Why a package cannot be used; None: it can."""
    if module not in reasons:
        reasons[module] = _import(module, package)
    return reasons[module]


def _texts(row: Row) -> list[str]:
    problems = [f"cannot convert: {row.convert}"] if row.convert else []
    problems += [f"cannot run: {row.run}"] if row.run else []
    return [*problems, *(f"fix: {fix}" for fix in row.fixes), *([row.remark] if row.remark else [])]


def _import(module: str, package: str) -> str | None:
    """Why a package cannot be used; None: it can."""
    if _version(package) is None:
        return f"{package}: not installed"
    reason, _ = _child(f"import {module}")
    return None if reason is None else f"{package}: {reason}"


def _child(code: str) -> tuple[str | None, str]:
    """Run some lines in a process of their own: why that failed, if it did, and the last line of what it printed."""
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code],
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return f"importing it took more than {PATIENCE} s", ""
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return (lines[-1][:200] if lines and done.returncode > 0 else f"it crashed ({done.returncode})"), ""
    return None, (done.stdout.strip().splitlines() or [""])[-1]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
