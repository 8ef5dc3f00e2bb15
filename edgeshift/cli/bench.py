"""``edgeshift bench``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import DeviceError, DeviceLostError, EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.devices.device import Device
    from edgeshift.benchmarks.devices.facts import Facts
    from edgeshift.benchmarks.latency.bench import Plan
    from edgeshift.benchmarks.latency.journal import Journal
    from edgeshift.benchmarks.latency.result import Minute, Report, Settings

FILE = click.Path(path_type=Path)
MODES = ("normal", "quick", "rapid", "paced", "sustained")
SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
#: The device of `edgeshift phone`, whose --device it also is.
BROWSER = "browser"
#: As a --frame-size: of frames as the network takes them.
FITTED = "fitted"
#: Exit status of ``--strict`` for a measurement that is not valid.
INVALID = 3


@click.command("bench")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="F...")
@click.option(
    "--device", "name", default="local", show_default=True, metavar="D", help="Or ssh://user@host, adb, browser."
)
@click.option("--mode", type=click.Choice(MODES), default="normal", show_default=True)
@click.option("--out", type=FILE, metavar="R.json", help="Write the report, and beside it each repeat as it comes.")
@click.option("--resume", is_flag=True, help="Go on with the repeats that a run to the same --out has left.")
@click.option("--repeats", type=click.IntRange(1, 100), help="Fresh processes for each artifact (3; sustained: 1).")
@click.option("--fps", type=click.FloatRange(1, 1000), help="Of the camera that paced plays (30).")
@click.option("--minutes", type=click.IntRange(1, 1440), help="Of a sustained run (30).")
@click.option("--source", default="drawn", show_default=True, metavar="CLIP", help="Where frames come from.")
@click.option("--frame-size", default="640x480", show_default=True, metavar="WxH", help="As handed in, or fitted.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of the runtime.")
@click.option("--cores", metavar="4,5|4-7", help="Pin the process to these cores.")
@click.option("--runtime", metavar="R", help="tensorrt, or mil. Default: by the file's name.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the runtime, as provider=cuda.")
@click.option("--program", type=FILE, help="benchmark_model or executor_runner for a phone without Python.")
@click.option(
    "--ceiling",
    type=click.FloatRange(0, 200),
    default=80.0,
    show_default=True,
    help="Degrees C to begin below.",
)
@click.option("--lock-clocks", is_flag=True, help="Hold the clocks at their highest for the run (root).")
@click.option("--no-memory", is_flag=True, help="Leave out the pass that reads memory.")
@click.option("--strict", is_flag=True, help="Exit status 3 if a measurement is not valid.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(files: tuple[Path, ...], name: str, as_json: bool, strict: bool, **given: Any) -> int:
    """Measure the latency of artifacts on a device: load, first step, and pre, infer, post and end to end of a step.

    Every repeat is a fresh process; of several artifacts, repeats take turns. A step carries its state as in use.
    Nothing is installed on a device: one file of ours runs there with its Python, numpy and runtime.

    \b
    Modes (of one repeat; both must be reached):
      normal      1,024 steps and 60 s, step after step
      quick       128 steps and 10 s
      rapid       64 steps and 6 s
      paced       60 s of a camera's frames, counting those not answered before the next one
      sustained   30 minutes, a point a minute, with heat and clocks

    \b
    Examples:
      edgeshift bench gestures.tflite --mode quick --out before.json
      edgeshift bench fp32.tflite int8.tflite --device ssh://pi@raspberrypi.local --out pi.json
      edgeshift bench int8.tflite --device ssh://jetson --mode sustained --out heat.json --resume

    Exit status: 2 if something cannot be measured; with --strict 3 if a measurement is not valid or unstable.
    """
    out: Path | None = given["out"]
    if given["resume"] and out is None:
        raise EdgeshiftError("--resume goes on with an earlier run to the same --out: give it")
    if out is not None and (out.suffix.lower() != ".json" or out.is_dir()):
        raise EdgeshiftError(f"{out}: give a file named *.json")
    if name.partition(":")[0] == BROWSER:
        for option in ("program", "runtime", "resume"):
            if given[option]:
                raise EdgeshiftError(f"--device browser has no --{option}")
        if given["source"] != "drawn" or given["frame_size"] == FITTED:
            raise EdgeshiftError("--device browser is timed on drawn frames of a camera's size: leave --source out")
        report = _in_browser(files, name, _settings(given), as_json)
        if out is not None:
            _write(out, report)
        status = _print(report, out, as_json)
        return status if strict else 0
    from edgeshift._system.json_lines import require_resume
    from edgeshift._system.signals import interrupt_on_signals
    from edgeshift.benchmarks.devices.adb import AdbDevice
    from edgeshift.benchmarks.devices.find import device_lock, find_device
    from edgeshift.benchmarks.latency.bench import Plan, open_artifact
    from edgeshift.benchmarks.latency.journal import Journal

    settings, device, bars = _settings(given), find_device(name), ProgressBars()
    with bars.stage("load"):
        subjects = [open_artifact(file) for file in files]
    if len({subject.sha256 for subject in subjects}) < len(subjects):
        raise EdgeshiftError("the same artifact is named twice: repeats are what --repeats is for")
    if out is not None:
        require_resume(Journal.beside(out), out, resume=given["resume"])
    with interrupt_on_signals(), device_lock(device):
        with bars.stage("device"):
            facts, opencv, vendor = _device(device, given["program"])
        if settings.cores is None and isinstance(device, AdbDevice):
            # Android moves a process among fast and slow cores as it likes, and its time with it.
            settings = msgspec.structs.replace(settings, cores=device.big_cores(settings.threads) or None)
        if not opencv and not vendor and settings.width:
            _note(
                f"{device.name} has no OpenCV: frames are handed in as the network takes them, nothing is resized there"
            )
            settings = msgspec.structs.replace(settings, width=0, height=0)
        plan = Plan(
            device,
            subjects,
            settings,
            given["source"],
            facts,
            given["runtime"],
            memory=not given["no_memory"],
            vendor=vendor,
            program=given["program"],
        )
        journal = Journal(Journal.beside(out), resume=given["resume"]) if out is not None else None
        try:
            report = _measure(plan, journal, bars)
        except KeyboardInterrupt:
            if journal is not None:
                _note(f"what was measured is kept: go on with --out {out} --resume")
            raise
    if out is not None:
        _write(out, report)
    status = _print(report, out, as_json)
    lost = next((subject.lost for subject in report.subjects if subject.lost), None)
    if lost is not None:
        kept = sum(not repeat.partial for subject in report.subjects for repeat in subject.repeats)
        hint = f"go on with --out {out} --resume" if out is not None else "with --out they would have been kept"
        raise DeviceError(f"{lost}; {kept} of {settings.repeats * len(subjects)} repeats were measured: {hint}")
    return status if strict else 0


def _in_browser(files: tuple[Path, ...], name: str, settings: Settings, as_json: bool) -> Report:
    """One artifact, in the browser of whoever opens the page that is served."""
    from edgeshift.apps.phone import ServerOptions
    from edgeshift.cli.phone_visit import measure_in_browser

    accelerator = name.partition(":")[2] or "cpu"
    if accelerator not in ("cpu", "webgpu") or len(files) != 1:
        raise EdgeshiftError("--device browser takes one artifact; browser:webgpu is the other accelerator")
    if settings.cores is not None or settings.locked or settings.options:
        raise EdgeshiftError("--device browser: browsers neither pin cores nor lock clocks, and have no --option")

    def say(text: str) -> None:
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    return measure_in_browser(files[0], settings, accelerator, ServerOptions(localhost=False), say)


def _measure(plan: Plan, journal: Journal | None, bars: ProgressBars) -> Report:
    from edgeshift.benchmarks.latency.bench import measure
    from edgeshift.benchmarks.latency.table import minute_text

    def minute(point: Minute) -> None:
        if sys.stderr.isatty():
            heat = max(point.reading.temperatures.values(), default=None)
            words = "" if heat is None else f", {heat:.0f} C"
            _note(f"{minute_text(point.minute, point.p50, point.p90)}{words}")

    total = len(plan.subjects) * (plan.settings.repeats + plan.memory)
    with bars.stage(plan.settings.mode, total) as advance:
        return measure(plan, journal, advance, minute)


def _settings(given: dict[str, Any]) -> Settings:
    from edgeshift.benchmarks.latency.mode import FPS, MINUTES, MODES
    from edgeshift.benchmarks.latency.result import Mode, Settings

    mode = cast("Mode", given["mode"])
    assert mode in get_args(Mode)
    size = SIZE.fullmatch(given["frame_size"])
    if size is None and given["frame_size"] != FITTED:
        raise EdgeshiftError(f"--frame-size {given['frame_size']}: give width and height, as 640x480, or {FITTED}")
    for option, wanted in (("fps", "paced"), ("minutes", "sustained")):
        if given[option] is not None and mode != wanted:
            raise EdgeshiftError(f"--{option} is for --mode {wanted}")
    options = {}
    for text in given["options"]:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise EdgeshiftError(f"--option {text}: give NAME=VALUE, as provider=cuda")
        if key == "threads":
            raise EdgeshiftError(f"--option {text}: that is --threads {value}")
        options[key] = value
    length = MODES[mode]
    return Settings(
        mode=mode,
        steps=length.steps,
        seconds=length.seconds,
        repeats=given["repeats"] or length.repeats,
        fps=(given["fps"] or FPS) if mode == "paced" else None,
        minutes=(given["minutes"] or MINUTES) if mode == "sustained" else None,
        threads=given["threads"],
        cores=_cores(given["cores"]) if given["cores"] is not None else None,
        frames=given["source"] if given["source"] == "drawn" else Path(given["source"]).name,
        width=int(size[1]) if size else 0,
        height=int(size[2]) if size else 0,
        ceiling=given["ceiling"],
        locked=given["lock_clocks"],
        options=options,
    )


def _cores(text: str) -> tuple[int, ...]:
    """``4,6-7`` as (4, 6, 7)."""
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(part) > 9:
            raise EdgeshiftError(f"--cores {text}: give numbers of cores, as 4,5 or 4-7")
        found.update(range(int(low), min(int(high or low), 1023) + 1))
    if not found:
        raise EdgeshiftError(f"--cores {text}: these are no cores")
    return tuple(sorted(found))


def _device(device: Device, program: Path | None) -> tuple[Facts, bool, bool]:
    """Facts; whether frames can be resized there; and whether a vendor's program must do what the agent cannot."""
    phone = device.name.startswith("adb")
    if program is not None and not phone:
        raise EdgeshiftError("--program is for phones behind adb; elsewhere the agent measures")
    if device.name == "local":
        import importlib.util

        return device.facts(), importlib.util.find_spec("cv2") is not None, False
    from edgeshift.benchmarks.devices.probe import ask_probe

    if program is None:
        try:
            found = ask_probe(device)
            # An app is told less than adb's shell: neither its board's name nor what throttles.
            return device.facts() if phone else found.facts, found.opencv, False
        except DeviceLostError:
            raise
        except DeviceError as error:
            if not phone:
                raise
            _note(f"{error}")
    _note("measured by the vendor's own program: random inputs, the state is not carried, no end to end")
    return device.facts(), False, True


def _write(out: Path, report: Report) -> None:
    from edgeshift._system.files import atomic_write

    with atomic_write(out) as temporary:
        temporary.write_bytes(msgspec.json.encode(report) + b"\n")


def _print(report: Report, out: Path | None, as_json: bool) -> int:
    from edgeshift.benchmarks.latency.summary import summarize

    found = summarize(report)
    status = 0 if all(summary.validity.valid and not summary.unstable for summary in found) else INVALID
    if as_json:
        print_json({"report": msgspec.to_builtins(report), "summaries": msgspec.to_builtins(found)})
        return status
    _show(report)
    if out is not None:
        print(f"written: {out}")
        print_next("edgeshift", "report", out, "--out", out.with_suffix(".html"))
    else:
        print_next("edgeshift", "doctor")
    return status


def _show(report: Report) -> None:
    from edgeshift.benchmarks.latency.summary import summarize
    from edgeshift.benchmarks.latency.table import (
        COLUMNS,
        PHASE_COLUMNS,
        artifact_rows,
        device_facts,
        phase_rows,
        remarks,
        settings_facts,
    )

    found = summarize(report)
    print_facts("device", device_facts(report))
    print_facts("settings", settings_facts(report.settings, report.edgeshift))
    print_table("", COLUMNS, artifact_rows(found))
    for summary in found:
        print_table(f"{summary.file}, {summary.runtime}", PHASE_COLUMNS, phase_rows(summary))
        for line in remarks(summary):
            print(f"  {line}")


def _note(message: str) -> None:
    print(message, file=sys.stderr)
