"""Options and arguments that several commands share, and the function that declares every option.

Help texts may contain placeholders such as ``{targets}``, which ``edgeshift.cli.help`` fills from the registries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgeshift.cli.completion import VALUES


def option(panel: str, *names: str, **settings: Any) -> Any:
    """Declare an option in a panel, which is a titled section of the help page.

    Args:
        panel: title of the panel.
        names: the option's names; none: the parameter's own name.
        settings: more arguments of ``typer.Option``. Without ``help``, the command's docstring has the help text.
    """
    if settings.keys() & {"min", "max"}:
        settings.setdefault("metavar", "N")
    return typer.Option(*names, rich_help_panel=panel, **settings)


def calibration_options(data: Path | None, fps: float | None) -> list[object]:
    """Return the options of ``convert`` that calibrate on a data set; none for models of drawn gestures."""
    if data is None:
        return []
    rate = [] if fps is None else ["--fps", f"{fps:g}"]
    return ["--calibration", data if data.is_dir() else data.parent, *rate]


#: How long `bench` and `phone` measure: the keys of ``edgeshift.benchmarks.latency.mode.MODES``.
Mode = Literal["normal", "quick", "rapid", "paced", "sustained"]

Artifact = Annotated[Path, typer.Argument(metavar="FILE", help="The artifact, as written by edgeshift convert.")]
Artifacts = Annotated[list[Path], typer.Argument(metavar="FILE", help="One or more artifacts.")]
AsJson = Annotated[
    bool, option("Output", "--json", help="Print one JSON document on standard output, and nothing else.")
]
Explain = Annotated[bool, option("Output", help="Print definitions of the terms in the output.")]
Fps = Annotated[
    float | None,
    option("Timing", min=1, max=1000, metavar="HZ", help="Camera frame rate for --mode paced, in Hz. Default: 30."),
]
ClipFps = Annotated[
    float | None,
    option(
        "Data",
        min=0.01,
        max=1000,
        metavar="HZ",
        help="Frames per second of clips without times: folders of images and raw H.264 or H.265 streams.",
    ),
]
Minutes = Annotated[
    int | None, option("Timing", min=1, max=1440, help="Length of --mode sustained, in minutes. Default: 30.")
]
BoardPython = Annotated[
    str | None,
    option(
        "Device",
        "--python",
        metavar="PATH",
        help="Python or virtual environment on a board, from the home folder there or in full. It is remembered for "
        "later commands; auto forgets it. Default: found in the usual places.",
    ),
]
Repeats = Annotated[
    int | None,
    option("Timing", min=1, max=100, help="Repeats per artifact, each in a fresh process. Default: 3; sustained: 1."),
]
ReportFile = Annotated[
    Path | None,
    option("Output", metavar="R.json", help="Write the report to this file, for edgeshift report and compare."),
]
Resume = Annotated[bool, option("Output", help="Continue the interrupted run that wrote to the same --out.")]
Runtime = Annotated[
    str | None,
    option(
        "Model",
        metavar="NAME",
        autocompletion=VALUES["runtimes"],
        help="Runtime that executes the artifact: {runtimes}. Default: chosen by the file name.",
    ),
]
Threads = Annotated[int, option("Model", min=1, max=64, help="Number of CPU threads of the runtime.")]
