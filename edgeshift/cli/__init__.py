"""The command line. Each command is a file here, imported when it is called: ``edgeshift --help`` answers at once."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from edgeshift import __version__
from edgeshift.errors import EdgeshiftError, unknown

#: {command: its line in --help}. The command itself is ``run`` in ``edgeshift/cli/<command>.py``.
COMMANDS = {
    "convert": "Convert a model to one file for a device, proven equal to the original.",
    "inspect": "Print what an artifact says of itself.",
    "verify": "Check an artifact on this machine: its self-check, and parity where torch is.",
    "demo": "Run an artifact on a camera, with a window; or on a clip, and print the labels over time.",
    "bench": "Measure latency on this machine or a device, with what it takes to believe it.",
    "eval": "Measure accuracy on labelled clips, frame by frame as a device sees them.",
    "compare": "Compare two reports of latency or accuracy: is one slower or worse?",
    "report": "Make one page of reports: tables and plots, as HTML or Markdown.",
    "clips": "Draw gesture clips or streams as videos, to calibrate, test and train with.",
    "train": "Train a shift model for streams, on drawn gestures or your own videos.",
    "phone": "Run, show and time an artifact on any phone: scan a code, install nothing.",
    "models": "List the models with their cost and state.",
    "devices": "List what can be measured on: this machine, phones, boards.",
    "doctor": "Say what this machine can convert and run, and what it lacks.",
}


class Commands(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order one would use them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command, or fail with the nearest names."""
        if name not in COMMANDS:
            raise click.UsageError(unknown("command", name, COMMANDS))
        command = importlib.import_module(f"edgeshift.cli.{name}").run
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="edgeshift")
@click.option("--debug", is_flag=True, help="Show tracebacks; anywhere on the line.")
def cli(debug: bool) -> None:
    """Temporal-shift video models on phones, Raspberry Pi and Jetson: one frame at a time, in one proven file.

    \b
    Examples:
      edgeshift convert --target tflite
      edgeshift verify tsm_mobilenet_v2_int8.tflite
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless

    Exit status: 0 done, 1 a check failed, 2 bad usage or bad input, 3 a measurement that is not valid, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    status = _status([argument for argument in arguments if argument != "--debug"], debug)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as in `edgeshift inspect F | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def _status(arguments: list[str], debug: bool) -> int:
    try:
        result: Any = cli.main(arguments, prog_name="edgeshift", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted; nothing was left half-written")
        return 130
    except BrokenPipeError:
        return 0
    except EdgeshiftError as error:
        if debug:
            raise
        _say(str(error))
        return error.status
    except OSError as error:
        if debug:
            raise
        _say(f"{error.filename or 'input or output'}: {error.strerror or error}")
        return 2
    except Exception as error:
        if debug:
            raise
        reason = " ".join(str(error).split())[:300]
        _say(f"unexpected {type(error).__name__}: {reason}; this is a bug: see it with --debug")
        return 2


def _say(message: str) -> None:
    print(f"edgeshift: {message}", file=sys.stderr)
