"""What Arm's compiler Vela says about an int8 .tflite artifact on an Ethos-U NPU. It is an estimate: nothing runs.

Vela is a program of the package ethos-u-vela, which edgeshift does not install.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeshift.artifact.file import read_artifact
from edgeshift.errors import one_line
from edgeshift.runtimes.accelerated import Checked

#: The NPU for which Vela compiles.
NPU = "ethos-u85-256"
#: Longest time of a compilation, seconds.
SECONDS = 600
OPERATORS = re.compile(r"^(?P<where>CPU|NPU) operators = (?P<count>\d+)", re.MULTILINE)


def find_vela() -> str | None:
    """Return the path of the program, which may be beside this Python or on the search path; None: not installed."""
    beside = Path(sys.executable).with_name("vela")
    return str(beside) if beside.is_file() else shutil.which("vela")


def estimate(path: Path) -> Checked:
    """Compile an artifact with Vela.

    Args:
        path: an artifact that is known to be sound.
    """
    artifact = read_artifact(path)
    if path.suffix.lower() != ".tflite" or artifact.spec.precision != "int8":
        return Checked("npu", "not run", "no NPU of this machine runs this file; Vela reads int8 .tflite artifacts")
    program = find_vela()
    if program is None:
        return Checked(
            "npu", "not run", "no NPU of this machine runs it; with ethos-u-vela installed, Vela estimates it"
        )
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.tflite"
        graph.write_bytes(artifact.body)
        command = [program, str(graph), "--accelerator-config", NPU, "--output-dir", folder]
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, timeout=SECONDS, check=False, text=True, errors="replace"
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Checked("npu", "not run", f"Vela failed: {one_line(error, 200)}")
        tables = sorted(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or not tables:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return Checked("npu", "not run", f"Vela failed: {last[:200]}")
        with tables[0].open(encoding="utf-8", newline="") as table:
            row = next(csv.DictReader(table), {})
    return read_report(done.stdout, row)


def read_report(text: str, row: dict[str, str]) -> Checked:
    """Return the estimate from what Vela prints, and from the row of its table."""
    counts = {match["where"]: int(match["count"]) for match in OPERATORS.finditer(text)}
    try:
        milliseconds, config = 1000 * float(row["inference_time"]), row["system_config"]
        inside, outside = counts["NPU"], counts["CPU"]
        share = inside / (inside + outside)
    except (KeyError, ValueError, ZeroDivisionError):
        return Checked("npu", "not run", "Vela's report has another form than that of version 5.2")
    detail = (
        f"estimate of Vela, nothing ran: {inside} of {inside + outside} operators on an {NPU} ({config}), "
        f"{milliseconds:.2f} ms"
    )
    return Checked("npu", "estimate", detail, "Vela", share=share)
