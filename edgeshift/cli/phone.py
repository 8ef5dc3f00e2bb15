"""``edgeshift phone``: run an artifact in a phone's browser."""

from __future__ import annotations

from typing import Annotated, Literal

from edgeshift._system.output_file import reserve
from edgeshift.cli.effect import ALWAYS, excludes, only_for
from edgeshift.cli.options import Artifact, AsJson, Fps, Minutes, Mode, Repeats, ReportFile, option
from edgeshift.cli.output import print_json, print_next, require_file_name, write_report
from edgeshift.cli.phone_visit import Visit, printer
from edgeshift.cli.report_text import show_summaries
from edgeshift.cli.settings import mode_settings

#: Shortest --idle, in seconds. The page sends a message every minute, also while it measures; two may be lost.
MIN_IDLE = 180


def run(
    file: Artifact,
    mode: Annotated[Mode | None, option("Timing", effect=ALWAYS)] = None,
    repeats: Repeats = None,
    fps: Fps = None,
    minutes: Minutes = None,
    accelerator: Annotated[Literal["cpu", "webgpu"], option("Model", effect=ALWAYS)] = "cpu",
    threads: Annotated[
        int,
        option(
            "Model",
            effect=only_for("accelerator", "cpu"),
            min=1,
            max=64,
            help="Number of CPU threads of the runtime.",
        ),
    ] = 1,
    localhost: Annotated[bool, option("Network", effect=ALWAYS)] = False,
    host: Annotated[str | None, option("Network", effect=excludes("localhost"), metavar="IP")] = None,
    port: Annotated[int, option("Network", effect=ALWAYS, min=0, max=65535)] = 0,
    idle: Annotated[int, option("Network", effect=ALWAYS, min=MIN_IDLE)] = 300,
    out: ReportFile = None,
    as_json: AsJson = False,
) -> None:
    """Run and time an artifact in the browser of an Android phone or iPhone. Nothing is installed on the phone.

    Scan the QR code with the phone. Its browser loads a page and the artifact from this machine over the local network,
    and runs the artifact on the phone. The page shows the camera with labels and timings, measures in the modes of
    edgeshift bench, and runs the self-check. The results are printed here. The browser warns about the certificate,
    because it is made for each run; docs/guide/phone.md explains the warning and how to compare the fingerprint.

    The artifact must be a .tflite file with float inputs and outputs: fp32, or int8 with convert --float-boundary.

    Args:
        mode: Measure in this mode as soon as the page opens, then stop. Default: the phone's user chooses.
        accelerator: Processor that the browser uses.
        localhost: Serve plain HTTP to this machine, or to a phone on a cable with adb reverse.
        host: Address of this machine in the phone's network. Default: found automatically.
        port: Port to serve on. 0: any free port.
        idle: End after this many seconds without a message from the phone.

    Examples:
      edgeshift phone gestures.tflite
      edgeshift phone gestures.tflite --mode quick --out phone.json
      edgeshift phone gestures.tflite --localhost --port 8000     # then: adb reverse tcp:8000 tcp:8000
    """
    from edgeshift.apps.phone import ServerOptions
    from edgeshift.benchmarks.latency.summary import summarize
    from edgeshift.cli.phone_report import HIDDEN

    require_file_name(out, ".json")
    visit = Visit(
        file,
        lambda name: mode_settings(name, repeats=repeats, fps=fps, minutes=minutes, threads=threads),
        mode,
        accelerator,
        printer(as_json=as_json),
    )
    reports = []
    with reserve(out):
        for report in visit.reports(ServerOptions(localhost=localhost, host=host, port=port, idle=idle)):
            reports.append(report)
            if out is not None:
                # The phone's user may measure more than once.
                path = out if len(reports) == 1 else out.with_name(f"{out.stem}_{len(reports)}{out.suffix}")
                write_report(path, report)
                visit.write(f"written: {path}")
            if not as_json:
                show_summaries(f"mode {report.settings.mode}", summarize(report))
                print(f"  temperatures, clocks, energy, memory: {HIDDEN}")
    if as_json:
        print_json(visit.document(reports))
    visit.require_success()
    if not as_json:
        again = ("phone", file, "--mode", "quick", "--out", "phone.json")
        print_next("edgeshift", *(("compare", out, "OTHER.json") if out is not None and reports else again))
