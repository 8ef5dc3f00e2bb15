"""Options and arguments that several commands share, and the function that declares every option.

Help texts may contain placeholders such as ``{targets}``, which ``edgeshift.cli.help`` fills from the registries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, Rule, excludes, needs, only_for
from edgeshift.errors import EdgeshiftError


def option(panel: str, *names: str, effect: Rule | tuple[Rule, ...] | None = None, **settings: Any) -> Any:
    """Declare an option in a panel, which is a titled section of the help page.

    Args:
        panel: title of the panel.
        names: the option's names; none: the parameter's own name.
        effect: when the option has an effect; see ``edgeshift.cli.effect``. A test fails if it is left out.
        settings: more arguments of ``typer.Option``. Without ``help``, the command's docstring has the help text.
    """
    if settings.keys() & {"min", "max"}:
        settings.setdefault("metavar", "N")
    declared = typer.Option(*names, rich_help_panel=panel, **settings)
    declared.effect = effect
    return declared


def only_for_model(part: str) -> Rule:
    """Return the rule of an option that is only for models whose name has a part, such as "tsam"."""

    def rule(options: Options) -> str | None:
        from edgeshift.models import MODELS

        model = _model(options)
        fits = model not in MODELS or any(piece.startswith(part) for piece in str(model).split("_"))
        return None if fits else f"on {model}, only on models with {part} in their name: leave it out"

    return rule


def only_for_shifts(options: Options) -> str | None:
    """The rule of an option that has no effect on a TSN, whose network does not shift."""
    model = _model(options)
    return f"on {model}, which does not shift: leave it out" if model is not None and "tsn_" in model else None


def _model(options: Options) -> str | None:
    """Return the name of the model; None: it is recorded in the run that is continued."""
    model: str | None = options["model"]
    if model is not None or options.values.get("resume"):
        return model
    return "tsam_mobilenet_v2" if options.values.get("sound") else "tsm_mobilenet_v2"


def _has_python(options: Options) -> str | None:
    """The rule of --python: all devices are boards."""
    names = options.values["names"] if "names" in options.values else [options["name"]]
    other = next((name for name in names or ["this machine"] if not name.startswith("ssh:")), None)
    return other and f"on {other}, only on boards (ssh://user@host): leave it out"


def _not_native(options: Options) -> str | None:
    """The rule of an option that only the Python agent has."""
    native = options.values.get("agent") == "native"
    return "with --agent native, which needs no Python: leave it out" if native else None


def _native_only(options: Options) -> str | None:
    """The rule of an option that only the native agent has. ``verify`` uses no other agent on a device."""
    if "agent" not in options.values:
        return needs("device")(options)
    return None if options["agent"] == "native" else "without --agent native: add it, or leave this option out"


def _agent_runs(runtime: str) -> Rule:
    """Return the rule of an option for a library of the native agent: one of the artifacts is run with it."""

    def rule(options: Options) -> str | None:
        from edgeshift.targets import RUNTIMES, find_runtime

        files = options.values.get("files") or [options["file"]]
        try:
            fits = any(find_runtime(file).name == runtime for file in files)
        except EdgeshiftError:  # the command says what is wrong with the file
            return None
        return None if fits else f"on {files[0]}, only on {RUNTIMES[runtime].suffix} artifacts: leave it out"

    return rule


def _has_threads(options: Options) -> str | None:
    """The rule of --threads: at least one artifact is run by a runtime that has this option."""
    from edgeshift.targets import find_runtime

    files = options.values.get("files") or [options["file"]]
    try:
        runtimes = [find_runtime(file, options["runtime"]) for file in files]
    except EdgeshiftError:  # the command says what is wrong with the file
        return None
    if any(runtime.threads for runtime in runtimes):
        return None
    return f"on {runtimes[0].title}, which chooses its threads itself: leave it out"


def _accelerator_effect(options: Options) -> str | None:
    """The rule of --accelerator: not for browsers, nor for programs that run artifacts only on the processor."""
    device = options.values.get("name", "local")
    if device.partition(":")[0] == "browser":
        return f"with --device {device}: leave it out, or give --device browser:webgpu for the phone's GPU"
    if options.values.get("program") is not None:
        return "with --program, which runs on the processor: leave it out"
    if options.values.get("agent") == "native":
        return "with --agent native, which runs on the processor: leave it out, or use --agent python"
    return None


def _accelerator(effect: Rule) -> Any:
    """Declare the option --accelerator."""
    return option(
        "Model",
        "--accelerator",
        effect=effect,
        help="What runs the artifact. gpu: LiteRT's GPU accelerator, for .tflite files. If it cannot run the whole "
        "graph, that is an error. Default: the processor, or the NPU that the file is compiled for.",
    )


def _uses_threads(options: Options) -> str | None:
    """The rule of --threads: not with --accelerator gpu."""
    on_gpu = options.values.get("accelerator") == "gpu"
    return "with --accelerator gpu, which uses no threads of the processor: leave it out" if on_gpu else None


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
    bool,
    option("Output", "--json", effect=ALWAYS, help="Print one JSON document on standard output, and nothing else."),
]
Explain = Annotated[
    bool, option("Output", effect=excludes("as_json"), help="Print definitions of the terms in the output.")
]
Accelerator = Annotated[Literal["cpu", "gpu"] | None, _accelerator(ALWAYS)]
#: The same for commands that also run artifacts on devices.
DeviceAccelerator = Annotated[Literal["cpu", "gpu"] | None, _accelerator(_accelerator_effect)]
Fps = Annotated[
    float | None,
    option(
        "Timing",
        effect=only_for("mode", "paced", None),
        min=1,
        max=1000,
        metavar="HZ",
        help="Camera frame rate for --mode paced, in Hz. Default: 30.",
    ),
]
ClipFps = Annotated[
    float | None,
    option(
        "Data",
        effect=(needs("data"), DECIDED),
        min=0.01,
        max=1000,
        metavar="HZ",
        help="Frames per second of clips without times: folders of images and raw H.264 or H.265 streams.",
    ),
]
Minutes = Annotated[
    int | None,
    option(
        "Timing",
        effect=only_for("mode", "sustained", None),
        min=1,
        max=1440,
        help="Length of --mode sustained, in minutes. Default: 30.",
    ),
]
BoardPython = Annotated[
    str | None,
    option(
        "Device",
        "--python",
        effect=(_not_native, _has_python),
        metavar="PATH",
        help="Python or virtual environment on a board, from the home folder there or in full. It is remembered for "
        "later commands; auto forgets it. Default: found in the usual places.",
    ),
]
#: The program that measures on a device.
Agent = Literal["python", "native"]
Litert = Annotated[
    Path | None,
    option(
        "Device",
        "--litert",
        effect=(_native_only, _agent_runs("tflite")),
        metavar="FILE",
        help="LiteRT's library for the native agent on the device: libLiteRt.so, or a package with it (.whl, .aar). "
        "Default: that of "
        "the installed ai-edge-litert, or the one that make agents has downloaded.",
    ),
]
Qnn = Annotated[
    Path | None,
    option(
        "Device",
        "--qnn",
        effect=(_native_only, _agent_runs("qnn")),
        metavar="DIR",
        help="Folder with the libraries of ONNX Runtime and QNN for the device, with which the native agent runs "
        ".qnn.onnx artifacts. Default on this machine: those of the installed packages.",
    ),
]
Repeats = Annotated[
    int | None,
    option(
        "Timing",
        effect=ALWAYS,
        min=1,
        max=100,
        help="Repeats per artifact, each in a fresh process. Default: 3; sustained: 1.",
    ),
]
ReportFile = Annotated[
    Path | None,
    option(
        "Output",
        effect=ALWAYS,
        metavar="R.json",
        help="Write the report to this file, for edgeshift report and compare.",
    ),
]
Resume = Annotated[
    bool,
    option("Output", effect=(needs("out"), DECIDED), help="Continue the interrupted run that wrote to the same --out."),
]
Runtime = Annotated[
    str | None,
    option(
        "Model",
        effect=ALWAYS,
        metavar="NAME",
        autocompletion=VALUES["runtimes"],
        help="Runtime that executes the artifact: {runtimes}. Default: chosen by the file name.",
    ),
]
Threads = Annotated[
    int,
    option("Model", effect=(_has_threads, _uses_threads), min=1, max=64, help="Number of CPU threads of the runtime."),
]
