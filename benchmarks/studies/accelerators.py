"""Which accelerators compute which networks, and how far their results are from the CPU's.

    python -m edgeshift.benchmarks.studies.accelerators --out DIR [--models A,B] [--json | --markdown]

Each artifact is converted once, and each row is stored as soon as it is measured, so that the study can be stopped and
started again. An accelerator that is not installed gives a row that says so. All networks have their shipped weights,
or random ones if none ship, and frames of 64x64 pixels, so that the simulators take minutes and not hours.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from edgeshift._system.files import sha256
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import read_artifact
from edgeshift.benchmarks.devices import emulated
from edgeshift.benchmarks.studies.command import (
    Json,
    Out,
    markdown_table,
    print_json,
    print_table,
    stored_result,
    study,
)
from edgeshift.errors import EdgeshiftError, unknown
from edgeshift.runtimes.accelerated import Checked, References

#: The networks of the matrix.
MODELS = ("tsm_mobilenet_v2", "stsm_mobilenet_v2", "tsam_mobilenet_v2", "tsm_resnet50")
#: Height and width of the frames, pixels.
SIZE = 64
#: Longest time of a conversion, seconds.
SECONDS = 1800
#: (accelerator in the table, name in ``emulated.NAMES``, target, precision, options of ``edgeshift convert``).
CASES = (
    ("CPU (XNNPACK)", "cpu", "tflite", "fp32", ()),
    ("CPU (XNNPACK)", "cpu", "tflite", "fp16", ()),
    ("CPU (XNNPACK)", "cpu", "tflite", "int8", ()),
    ("Cortex-A72 (qemu)", "cortex-a72", "tflite", "int8", ()),
    ("Cortex-A76 (qemu)", "cortex-a76", "tflite", "int8", ()),
    ("GPU (LiteRT)", "gpu", "tflite", "fp32", ("--for", "mali")),
    ("GPU (LiteRT)", "gpu", "tflite", "fp16", ("--for", "mali")),
    ("GPU (LiteRT)", "gpu", "tflite", "int8", ("--for", "mali")),
    ("Hexagon v75 (QNN)", "npu", "qnn", "int8", ()),
    ("Ethos-U (Vela)", "npu", "tflite", "int8", ()),
)
COLUMNS = ("model", "accelerator", "precision", "share", "result", "logits", "states", "against PyTorch", "verified by")


class Row(msgspec.Struct, frozen=True):
    """One network on one accelerator.

    Attributes:
        model, accelerator, precision: what was checked.
        digest: SHA-256 of the artifact, and of the one that it is compared with; empty: it could not be made.
        checked: what the check found.
    """

    model: str
    accelerator: str
    precision: str
    digest: str
    checked: Checked


@study
def main(
    out: Out,
    models: Annotated[str, typer.Option(metavar="A,B", help="Networks of the matrix.")] = ",".join(MODELS),
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table and nothing else.")] = False,
    stored: Annotated[bool, typer.Option("--stored", help="Measure nothing: print the rows that are stored.")] = False,
) -> None:
    """Check networks on the accelerators of this machine, and print what each computes."""
    names = models.split(",")
    for name in names:
        if name not in MODELS:
            raise EdgeshiftError(unknown("network of the matrix", name, MODELS))
    out.mkdir(parents=True, exist_ok=True)
    bars = ProgressBars()
    rows = []
    for name in names:
        for case in CASES:
            with bars.stage(f"{name} {case[3]} on {case[0]}"):
                rows.append(measure(out, name, case, stored=stored))
    if as_json:
        print_json(rows)
    elif markdown:
        sys.stdout.write(markdown_table(COLUMNS, map(cells, rows)))
    else:
        print_table(COLUMNS, list(map(cells, rows)))


def measure(out: Path, model: str, case: tuple[str, str, str, str, tuple[str, ...]], *, stored: bool) -> Row:
    """Return a row: the stored one, or a new one.

    Args:
        out: folder of the artifacts and the rows.
        model: a name in ``MODELS``.
        case: an item of ``CASES``.
        stored: do not measure a row that is missing, but return one that says "not run".
    """
    accelerator, name, target, precision, options = case
    stem = "_".join((model, target, precision, *(option.strip("-") for option in options)))
    path = out / f"{stem}.{'qnn.onnx' if target == 'qnn' else target}"
    file = out / f"{stem}_{accelerator.partition(' ')[0]}.json"
    if stored and not file.is_file():
        return Row(model, accelerator, precision, "", Checked(name, "not run", "not measured in this run"))

    # The CPU does not run a file that is compiled for an NPU, so it runs the graph from before the compilation.
    reference = path.with_name(f"{path.name.removesuffix('.qnn.onnx')}_cpu.onnx") if target == "qnn" else None
    files = {path: (target, options)}
    if reference is not None:
        files[reference] = ("onnx", ())

    def check() -> Row:
        for made, (kind, given) in files.items():
            reason = "" if made.is_file() else convert(made, model, kind, precision, given)
            if reason:
                return Row(model, accelerator, precision, "", Checked(name, "not run", f"conversion failed: {reason}"))
            read_artifact(made)  # an artifact that is not sound ends the study with its message
        return Row(model, accelerator, precision, _digest(*files), _check(path, name, reference))

    def is_valid(row: Row) -> bool:
        """Whether a stored row is kept. What was missing for a row that was not run may be installed now."""
        compared = row.checked.original is not None or row.checked.verdict == "estimate"
        return stored or (row.checked.verdict != "not run" and compared and row.digest == _digest(*files))

    return stored_result(file, Row, is_valid, check)


def _check(path: Path, name: str, reference: Path | None) -> Checked:
    return emulated.check(path, name, References(against=None if reference is None else str(reference)))


def convert(path: Path, model: str, target: str, precision: str, options: tuple[str, ...]) -> str:
    """Convert a network in a process of its own. Return why that failed; empty: the artifact is there."""
    command = [sys.executable, "-m", "edgeshift", "convert", model, "--target", target, "--precision", precision]
    command += ["--size", str(SIZE), "--out", str(path), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"it took more than {SECONDS} s"
    if path.is_file():
        return ""
    return (done.stderr.strip().splitlines() or ["no message"])[-1][:200]


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row, in the order of ``COLUMNS``."""
    done = row.checked
    result = done.detail if done.verdict == "estimate" else f"{done.verdict}: {done.detail}"
    if done.verdict == "computes" and done.frames:
        in_float = done.accelerator == "gpu" and row.precision == "int8"
        result = f"computes all operators{' in float' * in_float}"
    if done.frame is not None:
        result = f"wrong from frame {done.frame}, {done.state}"
    logits = "-" if done.error is None else f"{done.error:.2g}"
    states = "-" if done.state_error is None else f"{done.state_error:.2g}"
    original = (
        "-" if done.original is None else ", ".join(map(_number, (done.original.error, done.original.state_error)))
    )
    share = "-" if done.share is None else f"{done.share:.0%}"
    names = row.model, row.accelerator, row.precision
    return *names, share, result.replace("|", "/"), logits, states, original, done.runtime or "-"


def _number(value: float | None) -> str:
    return "no number" if value is None else f"{value:.2g}"


def _digest(*files: Path) -> str:
    """Return the SHA-256 of the contents of files; empty: one of them is missing."""
    if not all(file.is_file() for file in files):
        return ""
    return sha256(b"".join(file.read_bytes() for file in files))


if __name__ == "__main__":
    sys.exit(main())
