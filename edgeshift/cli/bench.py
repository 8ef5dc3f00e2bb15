"""``edgeshift bench``: latency on this machine, a board, a phone, or in a phone's browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgeshift._system.output_file import ROOM, reserve
from edgeshift._system.text import printable
from edgeshift.cli.bench_device import VENDOR_INPUTS
from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, Options, decide
from edgeshift.cli.options import (
    Agent,
    Artifacts,
    AsJson,
    BoardPython,
    DeviceAccelerator,
    Fps,
    Litert,
    Minutes,
    Mode,
    Qnn,
    Repeats,
    ReportFile,
    Resume,
    Runtime,
    Threads,
    option,
)
from edgeshift.cli.output import print_json, print_line, print_next, require_report_file, write_report
from edgeshift.cli.phone_visit import browser_accelerator, is_browser, measure_in_browser, not_in_browser, printer
from edgeshift.cli.report_text import show_latency
from edgeshift.cli.settings import (
    FITTED,
    mode_settings,
    options_of_all,
    parse_cores,
    parse_frame_size,
    parse_runtime_options,
)
from edgeshift.errors import DeviceError, EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.latency.result import Report, Settings

DRAWN = "drawn"
#: For the size of a report: steps per second of a fast device, and bytes of a step in the report.
STEPS_PER_SECOND, BYTES_PER_STEP = 1000, 25
#: Exit status of --strict if a measurement is not valid.
NOT_VALID = 3


def _program_effect(options: Options) -> str | None:
    if options["name"].partition(":")[0] == "adb":
        return None
    return f"with --device {options['name']}, only with --device adb: leave it out"


def _agent_effect(options: Options) -> str | None:
    return "with --program, which measures without an agent: leave it out" if options["program"] is not None else None


def _source_effect(options: Options) -> str | None:
    return None if options["source"] == DRAWN else not_in_browser(options) or _not_with_program(options)


def _frame_size_effect(options: Options) -> str | None:
    fitted = options["frame_size"] == FITTED
    return (not_in_browser(options) if fitted else None) or _not_with_program(options)


def _not_with_program(options: Options) -> str | None:
    return VENDOR_INPUTS if options["program"] is not None else None


def run(
    files: Artifacts,
    name: Annotated[
        str, option("Device", "--device", effect=ALWAYS, metavar="DEVICE", autocompletion=VALUES["devices"])
    ] = "local",
    agent: Annotated[Agent, option("Device", effect=(not_in_browser, _agent_effect))] = "python",
    litert: Litert = None,
    qnn: Qnn = None,
    python: BoardPython = None,
    program: Annotated[Path | None, option("Device", effect=_program_effect, metavar="FILE")] = None,
    cores: Annotated[str | None, option("Device", effect=not_in_browser, metavar="4,5|4-7")] = None,
    ceiling: Annotated[float, option("Device", effect=not_in_browser, min=0, max=200)] = 80.0,
    lock_clocks: Annotated[bool, option("Device", effect=not_in_browser)] = False,
    mode: Annotated[Mode, option("Timing", effect=ALWAYS)] = "normal",
    repeats: Repeats = None,
    fps: Fps = None,
    minutes: Minutes = None,
    no_memory: Annotated[bool, option("Timing", effect=not_in_browser)] = False,
    strict: Annotated[bool, option("Timing", effect=ALWAYS)] = False,
    source: Annotated[str, option("Frames", effect=_source_effect, metavar="CLIP")] = DRAWN,
    frame_size: Annotated[str, option("Frames", effect=_frame_size_effect, metavar="WxH|fitted")] = "640x480",
    runtime: Runtime = None,
    accelerator: DeviceAccelerator = None,
    threads: Threads = 1,
    options: Annotated[
        list[str] | None, option("Model", "--option", effect=not_in_browser, metavar="NAME=VALUE")
    ] = None,
    out: ReportFile = None,
    resume: Resume = False,
    as_json: AsJson = False,
) -> int:
    """Measure how long artifacts take on a device to load, to run the first step, and to run each later step.

    A step has three parts: pre makes the input tensor from a frame, infer runs the graph, and post makes the prediction
    from the logits. States are carried from step to step, as in use. A step of a clip artifact is one answer: all
    frames since the last answer, and one run of the clip. Every repeat is a fresh process. With several artifacts, the
    repeats take turns, so that a change of the machine, such as heat, affects all of them. Nothing is
    installed on a device: edgeshift copies one file there, which needs Python, numpy, msgspec and a runtime. With
    --agent native, it copies a program and the runtime's libraries, which need no Python.

    A repeat lasts at least as many steps and as many seconds as its mode says:
      normal      1,024 steps and 60 s
      quick       128 steps and 10 s
      rapid       64 steps and 6 s
      paced       60 s at a camera's frame rate; counts the frames that were not processed before the next one came
      sustained   30 minutes, with latency, temperature and clocks for each minute

    Args:
        name: Device to measure on: local, ssh://user@host, adb, or browser for a phone that opens a page.
        agent: Program that measures on the device. native needs no Python there; it runs .tflite artifacts on Linux
            (x86-64, aarch64) and, experimentally, on Android, and .qnn.onnx artifacts with the libraries of --qnn.
        program: A vendor's program, benchmark_model or executor_runner, for a phone without Python.
        cores: Cores to pin the process to. Default: not pinned.
        ceiling: Start a repeat only below this temperature, in degrees Celsius.
        lock_clocks: Hold the clocks at their maximum during the run; needs root.
        mode: How to measure, and for how long; see above.
        no_memory: Skip the extra pass that measures memory.
        strict: Exit with status 3 if a measurement is not valid.
        source: Video to take the frames from, or drawn for drawn gestures.
        frame_size: Size of the frames before they are resized, such as a camera's; fitted: the network's input size.
        options: Option of the runtime, such as provider=cuda. May be given several times.

    Examples:
      edgeshift bench gestures.tflite --mode quick --out before.json
      edgeshift bench fp32.tflite int8.tflite --device ssh://pi@raspberrypi.local --out pi.json
      edgeshift bench int8.tflite --device ssh://jetson --mode sustained --out heat.json
      edgeshift bench fp16.tflite --accelerator gpu --out gpu.json

    Exit status: 2 if something cannot be measured; with --strict 3 if a measurement is not valid or not stable.
    """
    require_report_file(out)
    chosen = parse_runtime_options(options or [])
    if accelerator is not None:
        if other := next((key for key in ("provider", "units") if key in chosen), None):
            raise EdgeshiftError(f"--accelerator {accelerator} and --option {other}=...: give one of the two")
        chosen |= options_of_all(files, accelerator, runtime)
    width, height = parse_frame_size(frame_size)
    settings = mode_settings(
        mode,
        repeats=repeats,
        fps=fps,
        minutes=minutes,
        threads=threads,
        cores=None if cores is None else parse_cores(cores),
        frames=source if source == DRAWN else printable(Path(source).name),
        width=width,
        height=height,
        max_temperature=ceiling,
        locked=lock_clocks,
        options=chosen,
    )
    browser = is_browser(name)
    if browser:
        in_browser = f"with --device {name}: leave it out"
        decide(runtime=in_browser, resume=in_browser)
    with reserve(out, _room(settings, len(files))):
        if browser:
            report = _measure_in_browser(files, name, settings, as_json=as_json)
        else:
            from edgeshift.cli.bench_device import measure_on_device
            from edgeshift.cli.board import open_device

            plan = {"source": source, "runtime": runtime, "program": program, "memory": not no_memory}
            device = open_device(name, python, native=agent == "native", litert=litert, qnn=qnn)
            report = measure_on_device(device, files, settings, out, plan, resume=resume, python=python)
        if out is not None:
            write_report(out, report)
    status = _print(report, out, as_json=as_json)
    lost = next((subject.lost for subject in report.subjects if subject.lost), None)
    if lost is not None:
        kept = sum(not repeat.partial for subject in report.subjects for repeat in subject.repeats)
        hint = f": continue with --out {out} --resume" if out is not None else ": with --out, they would be kept"
        measured = f"{kept} of {settings.repeats * len(files)} repeats were measured"
        raise DeviceError(f"{lost}; {measured}{hint if kept else ''}")
    return status if strict else 0


def _room(settings: Settings, artifacts: int) -> int:
    """Return the bytes that the report and its journal may need on the disk."""
    from edgeshift.benchmarks.latency.loop import MAX_SAMPLES

    seconds = 60.0 * (settings.minutes or 1) if settings.mode == "sustained" else settings.seconds
    steps = min(max(settings.steps, seconds * STEPS_PER_SECOND), MAX_SAMPLES)
    return int(ROOM + 2 * BYTES_PER_STEP * steps * settings.repeats * artifacts)


def _measure_in_browser(files: list[Path], name: str, settings: Settings, *, as_json: bool) -> Report:
    """Measure one artifact in the browser of the phone that opens the page."""
    from edgeshift.apps.phone import ServerOptions

    accelerator = browser_accelerator(name, len(files))
    return measure_in_browser(files[0], settings, accelerator, ServerOptions(localhost=False), printer(as_json=as_json))


def _print(report: Report, out: Path | None, *, as_json: bool) -> int:
    """Print a report and return the exit status of --strict."""
    from edgeshift.benchmarks.latency.summary import summarize

    summaries = summarize(report)
    if as_json:
        print_json({"report": report, "summaries": summaries})
    else:
        show_latency(report)
        if out is not None:
            print_line(f"written: {out}")
        print_next("edgeshift", *(("report", out, "--out", out.with_suffix(".html")) if out else ("doctor",)))
    return 0 if all(summary.validity.valid and not summary.unstable for summary in summaries) else NOT_VALID
