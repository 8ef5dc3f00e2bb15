"""``edgeshift doctor``."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from edgeshift.cli.output import Bars, print_facts, print_json, print_next, print_table, size_text

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.facts import Facts

#: Converters' modules are torch: without it they cannot be asked what they need, so it is asked for first.
CONVERTERS = """
import importlib.metadata, json, sys
found = {}
try:
    import torch
except Exception as error:
    print(json.dumps({"": {"torch": " ".join(str(error).split())[:200] or "it cannot be imported"}}))
    sys.exit()
from edgeshift.converters import TARGETS, find_target
for target in TARGETS:
    found[target] = {}
    for package in find_target(target).PACKAGES:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[target][package] = "not installed"
print(json.dumps(found))
"""
#: Seconds that an import may take: the first one after an installation compiles.
PATIENCE = 180
#: What runs an artifact where, if it is not simply this machine's own runtime.
REMARKS = {
    "tensorrt": "engines are built and run on the NVIDIA device, by the tensorrt package of JetPack",
    "coreml": "here by the reference executor; Core ML itself runs on a Mac, iPhone or iPad",
}
#: How a runtime comes to a machine, where that is not an extra of edgeshift.
FIXES = {"tensorrt": "on a Jetson: install JetPack; elsewhere the artifact is run by ONNX Runtime"}


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

    rows, facts = examine(Bars()), read_facts()
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


def examine(bars: Bars) -> list[Row]:
    """Ask for every target what it needs, and whether that is here and can be imported."""
    from edgeshift.runtimes import PACKAGES

    with bars.stage("converters"):
        lacking = _converters()
    rows = []
    with bars.stage("runtimes", len(PACKAGES)) as advance:
        for target, modules in PACKAGES.items():
            reasons = [_import(module, package) for module, package in modules.items()]
            problem = None if None in reasons else "; ".join(filter(None, reasons))
            missing = lacking.get("", lacking.get(target, {}))
            convert = "; ".join(f"{package}: {reason}" for package, reason in missing.items()) or None
            rows.append(_row(target, convert, problem, modules))
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


def _row(target: str, convert: str | None, problem: str | None, modules: dict[str, str]) -> Row:
    fixes = []
    if convert is not None:
        fixes.append('pip install "edgeshift[convert]"')
    if problem is not None:
        fixes.append(FIXES.get(target, f'pip install "edgeshift[{target}]"'))
    versions = {package: version for package in modules.values() if (version := _version(package)) is not None}
    return Row(target, convert, problem, versions, tuple(fixes), REMARKS.get(target))


def _texts(row: Row) -> list[str]:
    problems = [f"cannot convert: {row.convert}"] if row.convert else []
    problems += [f"cannot run: {row.run}"] if row.run else []
    return [*problems, *(f"fix: {fix}" for fix in row.fixes), *([row.remark] if row.remark else [])]


def _converters() -> dict[str, dict[str, str]]:
    """{target: {package: why it cannot be used}}; under "" what no target can do without."""
    reason, text = _child(CONVERTERS)
    if reason is not None:
        return {"": {"converters": reason}}
    found: dict[str, dict[str, str]] = msgspec.json.decode(text, type=dict[str, dict[str, str]])
    return found


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
