"""Options and arguments that several commands share, and the two functions that declare all options.

An option belongs to a panel, which is a titled section of the help page. Help texts may contain placeholders such as
``{targets}``; ``edgeshift.cli.help`` fills them from the registries when a page is printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgeshift.cli import completion


def option(panel: str, help: str, *names: str, **settings: Any) -> Any:
    """Declare an option that takes a value.

    Args:
        panel: the section of the help page.
        help: what the option does, as a full sentence. The default is added to it, unless the default is None.
        names: the option's names; none: the parameter's own name.
        settings: more arguments of ``typer.Option``.
    """
    if settings.keys() & {"min", "max"}:
        settings.setdefault("metavar", "N")
    return typer.Option(*names, help=help, rich_help_panel=panel, **settings)


def flag(panel: str, help: str, name: str) -> Any:
    """Declare an option without a value. It has no ``--no-`` form."""
    return typer.Option(name, help=help, rich_help_panel=panel, metavar="")


#: How long `bench` and `phone` measure: the keys of ``edgeshift.benchmarks.latency.mode.MODES``.
Mode = Literal["normal", "quick", "rapid", "paced", "sustained"]

Artifact = Annotated[Path, typer.Argument(metavar="FILE", help="The artifact, as written by edgeshift convert.")]
Artifacts = Annotated[list[Path], typer.Argument(metavar="FILE", help="One or more artifacts.")]
AsJson = Annotated[bool, flag("Output", "Print one JSON document on standard output, and nothing else.", "--json")]
Fps = Annotated[
    float | None,
    option("Timing", "Camera frame rate for --mode paced, in Hz. Default: 30.", min=1, max=1000, metavar="HZ"),
]
Minutes = Annotated[int | None, option("Timing", "Minutes that --mode sustained runs. Default: 30.", min=1, max=1440)]
Repeats = Annotated[
    int | None,
    option("Timing", "Repeats per artifact, each in a fresh process. Default: 3; sustained: 1.", min=1, max=100),
]
ReportFile = Annotated[
    Path | None,
    option("Output", "Write the report to this JSON file, for edgeshift report and compare.", metavar="R.json"),
]
Resume = Annotated[bool, flag("Output", "Continue the interrupted run that wrote to the same --out.", "--resume")]
Runtime = Annotated[
    str | None,
    option(
        "Model",
        "Runtime that executes the artifact: {runtimes}. Default: chosen by the file name.",
        metavar="NAME",
        autocompletion=completion.runtimes,
    ),
]
Threads = Annotated[int, option("Model", "Number of CPU threads of the runtime.", min=1, max=64)]
