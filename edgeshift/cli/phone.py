"""``edgeshift phone``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
import msgspec

from edgeshift.cli.output import print_json, print_next, print_table
from edgeshift.cli.phone_report import HIDDEN, browser_settings
from edgeshift.cli.phone_visit import MODES, Visit
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.benchmarks.latency.result import Mode, Report

FILE = click.Path(path_type=Path)
#: Seconds: while the page is in front it gives a sign of life each minute, also while it times; two may be lost.
LEAST_IDLE = 180


@click.command("phone")
@click.argument("file", type=FILE, metavar="F")
@click.option("--mode", type=click.Choice(MODES), help="Time this at once, and stop when it is done.")
@click.option("--out", type=FILE, metavar="R.json", help="Write the report of latency, for compare and report.")
@click.option("--accelerator", type=click.Choice(["cpu", "webgpu"]), default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of the CPU.")
@click.option("--repeats", type=click.IntRange(1, 100), help="Each in a fresh worker (3; sustained: 1).")
@click.option("--fps", type=click.FloatRange(1, 1000), help="Of the camera that paced plays (30).")
@click.option("--minutes", type=click.IntRange(1, 1440), help="Of a sustained run (30).")
@click.option("--localhost", is_flag=True, help="Plain HTTP for this machine, or a phone on a cable (adb reverse).")
@click.option("--host", metavar="IP", help="This machine's address in the phone's network.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Default: one that is free.")
@click.option("--idle", type=click.IntRange(LEAST_IDLE), default=300, show_default=True, help="Seconds, then it stops.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(file: Path, mode: str | None, out: Path | None, as_json: bool, **given: Any) -> None:
    """Run, show and time an artifact on a phone, Android or iPhone, with nothing installed: scan the code.

    The phone's browser fetches a page and the artifact from this machine, over the local network, and runs it by
    itself: camera with label and timings, measurements in the modes of `edgeshift bench`, the self-check. What it
    finds is printed here. The browser warns of the certificate, which was made on the spot: docs/phone.md says why
    that is right, and how to compare its fingerprint.

    F is a .tflite with float tensors at its boundary: fp32, or int8 of `edgeshift convert --float-boundary`.

    \b
    Examples:
      edgeshift phone gestures.tflite
      edgeshift phone gestures.tflite --mode quick --out phone.json
      edgeshift phone gestures.tflite --localhost --port 8000     # then: adb reverse tcp:8000 tcp:8000
    """
    if out is not None and (out.suffix.lower() != ".json" or out.is_dir()):
        raise EdgeshiftError(f"{out}: give a file named *.json")
    for option, wanted in (("fps", "paced"), ("minutes", "sustained")):
        if given[option] is not None and mode not in (wanted, None):
            raise EdgeshiftError(f"--{option} is for --mode {wanted}")
    if given["localhost"] and given["host"] is not None:
        raise EdgeshiftError("--localhost is this machine only: leave --host out")
    from edgeshift.apps.phone import ServerOptions

    chosen = {name: given[name] for name in ("repeats", "fps", "minutes", "threads")}
    visit = Visit(
        file,
        lambda name: browser_settings(name, **chosen),
        cast("Mode | None", mode),
        given["accelerator"],
        lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True),
    )
    reports: list[Report] = []
    for report in visit.reports(ServerOptions(**{name: given[name] for name in ("localhost", "host", "port", "idle")})):
        reports.append(report)
        if out is not None:
            path = _numbered(out, len(reports))
            _write(path, report)
            visit.say(f"written: {path}")
        if not as_json:
            _print(report)
    if as_json:
        print_json(visit.document(reports))
    visit.require_success()
    if as_json:
        return
    if out is not None and reports:
        print_next("edgeshift", "compare", out, "OTHER.json")
    else:
        print_next("edgeshift", "phone", file, "--mode", "quick", "--out", "phone.json")


def _print(report: Report) -> None:
    from edgeshift.benchmarks.latency.summary import summarize
    from edgeshift.benchmarks.latency.table import COLUMNS, PHASE_COLUMNS, artifact_rows, phase_rows, remarks

    (summary,) = summarize(report)
    print_table(f"mode {report.settings.mode}", COLUMNS, artifact_rows([summary]))
    print_table(f"{summary.file}, {summary.runtime}", PHASE_COLUMNS, phase_rows(summary))
    for line in remarks(summary):
        print(f"  {line}")
    print(f"  heat, clocks, energy, memory: {HIDDEN}")


def _numbered(out: Path, number: int) -> Path:
    """R.json, R_2.json, ...: whoever holds the phone may time more than once."""
    return out if number == 1 else out.with_name(f"{out.stem}_{number}{out.suffix}")


def _write(path: Path, report: Report) -> None:
    from edgeshift._system.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_bytes(msgspec.json.encode(report) + b"\n")
