"""``edgeshift doctor``: report what this machine can convert and run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.options import AsJson
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text
from edgeshift.errors import install_command, one_line
from edgeshift.targets import RUNTIMES, TARGETS, Target

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.facts import Facts
    from edgeshift.runtimes.drivers import Accelerator

#: Seconds that an import may take. The first import after an installation compiles the package.
MAX_SECONDS = 180
NOT_REPORTED = "not reported"
#: The work that the converters make possible, and the note on a machine that has none of them.
CONVERT = "convert"
NO_CONVERTER = "nothing can be converted here, which a device does not need: convert on another machine, copy the file"


@dataclass(frozen=True)
class TargetStatus:
    """What this machine can do with one target.

    Attributes:
        target: name of the target.
        convert: why this machine cannot convert to it; None: it can.
        run: why this machine cannot run its artifacts; None: it can.
        versions: {package: version} of the runtimes that are installed.
        fixes: {what it makes possible: command that installs what is missing}.
        remark: a note on where artifacts of this target run; None: there is nothing to note.
    """

    target: str
    convert: str | None
    run: str | None
    versions: dict[str, str]
    fixes: dict[str, str]
    remark: str | None


def run(as_json: AsJson = False) -> None:
    """Report what this machine can convert and run, how to install what is missing, and the facts of the machine.

    The facts say whether the demo can use a microphone, and through which package or program, and which drivers and
    packages for GPUs and NPUs are installed.

    Each package is imported in its own process, so that a package that crashes does not end the report.

    Examples:
      edgeshift doctor
      edgeshift doctor --json
    """
    from edgeshift.benchmarks.devices.emulated import find_emulator
    from edgeshift.benchmarks.devices.facts import read_facts
    from edgeshift.runtimes.drivers import find_accelerators

    rows, facts, microphone = examine(ProgressBars()), read_facts(), examine_microphone()
    accelerators = [*find_accelerators(), find_emulator()]
    if as_json:
        print_json({"targets": rows, "device": facts, "microphone": microphone, "accelerators": accelerators})
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
    converts = any(row.convert is None for row in rows)
    notes = [(row.target, text) for row in rows for text in _explain(row, converts=converts)]
    if not converts:
        notes.insert(0, ("convert", NO_CONVERTER))
    print_facts("notes", notes)
    fixes = {fix: work for row in rows for work, fix in row.fixes.items()}  # one command may be for several targets
    if (fix := microphone.get("fix")) is not None:
        fixes[fix] = "use a microphone"
    print_facts("to install what is missing", [(work, fix) for fix, work in fixes.items()])
    print_facts("accelerators", [(accelerator.name, _accelerator_text(accelerator)) for accelerator in accelerators])
    print_facts("this device", [*device_facts(facts), ("microphone", _microphone_text(microphone))])
    target = next((row.target for row in rows if row.convert is None), None)
    print_next("edgeshift", *(("convert", "--target", target) if target else ("verify", "FILE")))


def examine(bars: ProgressBars) -> list[TargetStatus]:
    """Check for each target whether its converter and its runtime are installed and can be imported."""
    with bars.stage("targets", len(TARGETS)) as advance:
        reasons = _try_imports()
        rows = []
        for target in TARGETS.values():
            rows.append(_row(target, reasons))
            advance()
    return rows


def examine_microphone() -> dict[str, Any]:
    """Return the fields of ``MicrophoneStatus``, found in a process of its own; only "problem" if that one crashed."""
    code = (
        "import msgspec; from edgeshift.apps.camera.microphones.find import examine;"
        "print(msgspec.json.encode(examine()).decode())"
    )
    text, problem = _run_apart(code, "search")
    if problem is not None:
        return {"through": None, "inputs": [], "problem": problem, "fix": None}
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def _microphone_text(status: dict[str, Any]) -> str:
    if status["through"] is None:
        return f"cannot be used: {status['problem']}"
    if status["problem"] is not None:
        return f"through {status['through']}; arecord -L lists the names ({status['problem']})"
    return f"through {status['through']}: {', '.join(status['inputs']) or 'none is connected'}"


def _accelerator_text(accelerator: Accelerator) -> str:
    parts = [f"{accelerator.through} {accelerator.version or ''}".rstrip(), *accelerator.drivers, accelerator.remark]
    return ", ".join(parts)


def device_facts(facts: Facts) -> list[tuple[str, object]]:
    """Return the facts of a device as names and values."""
    clock = [f"{present:.0f} of {maximum:.0f}" for present, maximum in facts.clock.values()]
    temperatures = [f"{sensor} {degrees:.0f} C" for sensor, degrees in facts.temperatures.items()]
    throttled = NOT_REPORTED if facts.throttled is None else ", ".join(facts.throttled) or "no"
    return [
        *([("board", facts.board)] if facts.board else []),
        ("processor", f"{facts.processor} ({', '.join(facts.features) or 'no known instructions for int8'})"),
        ("cores", facts.cores),
        ("memory", size_text(facts.memory) if facts.memory else NOT_REPORTED),
        ("system", facts.system),
        ("governor", ", ".join(facts.governors) or NOT_REPORTED),
        ("clock, MHz", "; ".join(dict.fromkeys(clock)) or NOT_REPORTED),
        ("temperature", ", ".join(temperatures) or NOT_REPORTED),
        ("throttled", throttled),
        *([("power mode", facts.power_mode)] if facts.power_mode else []),
    ]


def _row(target: Target, reasons: dict[str, str | None]) -> TargetStatus:
    lacking = [f"{package}: not installed" for package in target.converter_packages if _version(package) is None]
    if not lacking and "torch" in target.converter_packages:  # every converter imports it first
        lacking += filter(None, [reasons["torch"]])
    # TensorRT artifacts also run on ONNX Runtime, but this row reports whether TensorRT is installed.
    runtime = RUNTIMES.get(target.name, RUNTIMES[target.runtime])
    problems = [reasons[module] for module in runtime.packages]
    problem = None if None in problems else "; ".join(filter(None, problems))
    fixes = {_work(target): install_command(target.converter_extra)} if lacking else {}
    if problem is not None and (fix := runtime.install if runtime.extra is None else install_command(runtime.extra)):
        fixes[f"run {target.name}"] = fix
    versions = {package: version for package in runtime.packages.values() if (version := _version(package)) is not None}
    return TargetStatus(target.name, "; ".join(lacking) or None, problem, versions, fixes, target.remark)


def _work(target: Target) -> str:
    """Return the work that the packages of a target's converter make possible: one for all that are not optional."""
    return f"convert to {target.name}" if target.optional else CONVERT


def _explain(row: TargetStatus, *, converts: bool) -> list[str]:
    """Return the notes on a target. If nothing can be converted, as on a device, one note for all targets says so."""
    lines = [f"cannot convert: {row.convert}"] if row.convert and converts else []
    lines += [f"cannot run: {row.run}"] if row.run else []
    return [*lines, row.remark] if row.remark else lines


def _try_imports() -> dict[str, str | None]:
    """Import each package that is installed, several at the same time. Returns {module: why it cannot be used}."""
    modules = {module: package for runtime in RUNTIMES.values() for module, package in runtime.packages.items()}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        results = pool.map(_reason, modules, modules.values())
        return dict(zip(modules, results, strict=True))


def _reason(module: str, package: str) -> str | None:
    """Return why a package cannot be used; None: it can."""
    if _version(package) is None:
        return f"{package}: not installed"
    problem = _import(module) or _problem(module, package)
    return None if problem is None else f"{package}: {problem}"


def _problem(module: str, package: str) -> str | None:
    """Return why a package that can be imported cannot run artifacts, as its runtime's module knows."""
    runtime = next(runtime for runtime in RUNTIMES.values() if module in runtime.packages)
    find = getattr(importlib.import_module(runtime.module), "package_problem", None)
    problem: str | None = None if find is None else find(package)
    return problem


def _import(module: str) -> str | None:
    """Import a module in its own process. Returns why the import failed; None: it succeeded."""
    return _run_apart(f"import {module}", "import")[1]


def _run_apart(code: str, what: str) -> tuple[str, str | None]:
    """Run Python code in its own process, which may crash. ``what``: a noun for it, for messages.

    Returns:
        What it printed, and why it failed; None: it succeeded.
    """
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", code],
            capture_output=True,
            timeout=MAX_SECONDS,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired:
        return "", f"the {what} took more than {MAX_SECONDS} s"
    except OSError as error:
        return "", one_line(error)
    if not done.returncode:
        return done.stdout, None
    lines = done.stderr.strip().splitlines()
    return "", lines[-1][:200] if lines and done.returncode > 0 else f"the {what} crashed with status {done.returncode}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
