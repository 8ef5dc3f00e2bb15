"""The command line. Each command is the function ``run`` of a module that is imported when it is called.

Only this package may import every other package of edgeshift. It does so inside functions, so that ``--help`` is fast:
importing a module of this package loads typer, but not numpy, msgspec or rich.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgeshift import __version__
from edgeshift._system.compiler_cache import own_compiler_cache
from edgeshift._system.safe_stream import ReaderGoneError, safe_streams
from edgeshift._system.text import printable
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.help import Command, HelpPage
from edgeshift.cli.options import option
from edgeshift.errors import ArtifactWarning, EdgeshiftError, SoundWarning, VideoWarning, one_line, unknown

#: {section of --help: {command: its line there}}.
SECTIONS = {
    "Convert and check": {
        "convert": "Convert a model to one file for a device, and check it against the original.",
        "inspect": "Print the description inside an artifact, or what a checkpoint contains.",
        "verify": "Check an artifact on this machine against its recorded logits and the original.",
        "lint": "Find in an artifact's graph what a phone's GPU or NPU refuses or gets wrong.",
        "package": "Write a module for an app: Android, iOS or C++, with the artifact and the native runtime.",
        "transcript": "Record what an artifact answers, for tests of apps in other languages.",
    },
    "Run": {
        "demo": "Run an artifact on a camera or a video, and show or print its labels.",
        "phone": "Run and time an artifact in a phone's browser. Nothing is installed on the phone.",
    },
    "Measure": {
        "bench": "Measure latency with warm-up, repeats, percentiles and validity checks.",
        "eval": "Measure accuracy on labelled clips, which are fed frame by frame as on a device.",
        "compare": "Compare two reports and decide whether one is slower or less accurate.",
        "report": "Show reports as tables, or write them as one HTML or Markdown page.",
    },
    "Train": {
        "train": "Train a model for streams, on drawn gestures or on your own videos.",
        "rule": "Choose when predictions become events, on your labelled clips or videos.",
        "clips": "Draw gestures as videos, for training, calibration and tests.",
    },
    "Look up": {
        "models": "List the models with their cost and the size of their states.",
        "devices": "List the devices that can be measured: this machine, phones, boards.",
        "doctor": "Report what this machine can convert and run, and how to install what is missing.",
    },
}
#: {command: its line in --help}.
COMMANDS = {name: line for section in SECTIONS.values() for name, line in section.items()}
#: Width of help pages that are not printed on a terminal, in columns.
WIDTH = 100
#: The environment variable by which a shell asks for completions.
COMPLETE = "_EDGESHIFT_COMPLETE"


class Commands(HelpPage, TyperGroup):
    """The group of all commands. Until a command is called, only its name and its line in --help are known."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Import the command that is called.

        Raises:
            EdgeshiftError: the command is unknown. The message suggests the most similar commands.
        """
        name = args[0]
        if not name.startswith("-") and name not in COMMANDS:
            raise EdgeshiftError(unknown("command", name, COMMANDS))
        _, command, rest = super().resolve_command(ctx, args)
        return name, command and load_command(name), rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(section.items()))
        super().format_options(ctx, formatter)


def load_command(name: str) -> Any:
    """Import the module of a command and return the command."""
    single = typer.Typer(add_completion=False)
    single.command(name, cls=Command)(importlib.import_module(f"edgeshift.cli.{name}").run)
    return typer.main.get_command(single)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"edgeshift, version {__version__}")
        raise typer.Exit


app = typer.Typer(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})


@app.callback()
def root(
    version: Annotated[
        bool,
        option(
            "Options",
            "--version",
            effect=ALWAYS,
            metavar="",
            is_eager=True,
            callback=_print_version,
            help="Print the version and exit.",
        ),
    ] = False,
    debug: Annotated[
        bool,
        option(
            "Options",
            "--debug",
            effect=ALWAYS,
            metavar="",
            help="Show an error's traceback. May also follow the command.",
        ),
    ] = False,
) -> None:
    """Run temporal-shift video models on phones, Raspberry Pi and Jetson, one frame at a time.

    Examples:
      edgeshift convert --target tflite
      edgeshift verify tsm_mobilenet_v2_int8.tflite
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless

    Exit status: 0 success, 1 a check failed, 2 bad usage or bad input, 3 a measurement is not valid, 130 interrupted.
    """


for _title, _section in SECTIONS.items():
    for _name, _line in _section.items():
        app.command(_name, help=_line, rich_help_panel=_title)(lambda: None)
cli = typer.main.get_command(app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    _open_standard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    warnings.showwarning = _show_warning
    with safe_streams() as (out, err), own_compiler_cache():
        status = _status([argument for argument in arguments if argument != "--debug"], debug)
        try:
            out.flush()
        except OSError as error:
            # The reader of a pipe has ended, as `head` does, or the disk is full. Python flushes once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            if not isinstance(error, BrokenPipeError):
                status = _report(f"standard output: {error.strerror}")
        if err.lost:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.exit(status)


def _show_warning(message: Warning | str, category: type[Warning], *_where: object, **_options: object) -> None:
    """Print a warning about the user's files as a note. Warnings of libraries are for developers, and not printed."""
    if category in (ArtifactWarning, SoundWarning, VideoWarning):
        from edgeshift.cli.output import print_note

        print_note(message)


def _status(arguments: list[str], debug: bool) -> int:
    """Run a command and return the exit status. Errors are printed in one line, unless ``debug`` is set."""
    try:
        if COMPLETE in os.environ:
            cli.main(arguments, prog_name="edgeshift")
        # Not cli.main(), because it exits with status 1 if the reader of a pipe has ended.
        width = shutil.get_terminal_size((WIDTH, 24)).columns
        with cli.make_context("edgeshift", list(arguments) or ["--help"], terminal_width=width) as context:
            result: Any = context.command.invoke(context)
        return result if isinstance(result, int) else 0
    except typer.Exit as end:
        return 2 if end.exit_code or not arguments else 0
    except ReaderGoneError:
        return 0
    except (typer.Abort, KeyboardInterrupt) as error:
        return _report(str(error) or "interrupted; no incomplete file was left behind", 130)
    except Exception as error:
        if debug:
            raise
        return _report(*_explain(error))


def _explain(error: Exception) -> tuple[str, int]:
    """Return the line that explains an error, and the exit status."""
    if isinstance(error, EdgeshiftError):
        return str(error), error.status
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        path = "edgeshift" if context is None else context.command_path
        message = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
        return f"{message}; see {path} --help", 2
    if isinstance(error, OSError):
        return f"{error.filename or 'input or output'}: {error.strerror or error}", 2
    return f"unexpected {type(error).__name__}: {one_line(error, 300)}; this is a bug: add --debug for the traceback", 2


def _report(message: str, status: int = 2) -> int:
    # A line end in the name of a file must not begin another line.
    print(f"edgeshift: {printable(message)}", file=sys.stderr, flush=True)
    return status


def _open_standard_streams() -> None:
    """Open the null device in place of standard streams that the caller closed, as ``edgeshift >&-`` does.

    Otherwise the next opened file would become standard output, and whatever a library prints would be written to it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115
