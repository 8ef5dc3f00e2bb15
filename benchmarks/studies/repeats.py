"""The same benchmark in several fresh processes: rounds of one process are not repeats.

Where a process gets its memory decides what shares a cache with what, for as long as it lives: the same graph differs
by a percent from one process to the next, however many rounds each has. So a figure is the median over processes, and
its interval reaches from the lowest to the highest of theirs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edgeshift.benchmarks.studies.machine import Machine
from edgeshift.benchmarks.studies.options import Settings
from edgeshift.errors import EdgeshiftError


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A ratio as it was measured.

    Attributes:
        value: the median over rounds, and over repeats.
        low, high: its bootstrap interval (95%); with repeats, from the lowest to the highest of theirs.
        runs: the value of each repeat.
    """

    value: float
    low: float
    high: float
    runs: tuple[float, ...] = ()


Document = TypeVar("Document", bound=msgspec.Struct)
Copy = TypeVar("Copy", bound=Measured)


def repeats(module: str, settings: Settings, folder: Path, kind: type[Document]) -> list[Document]:
    """Run a benchmark's module ``settings.repeats`` times, one after the other.

    Args:
        module: such as "edgeshift.benchmarks.studies.overhead".
        settings: of each run. folder: with the converted files.
        kind: of the document that it prints.

    Raises:
        EdgeshiftError: a run that failed.
    """
    command = [sys.executable, "-m", module, "--json", "--repeats", "1", "--cache", str(folder)]
    command += ["--size", str(settings.size), "--rounds", str(settings.rounds)]
    documents = []
    for _ in range(settings.repeats):
        result = subprocess.run(command, stdout=subprocess.PIPE, check=False)  # noqa: S603
        if result.returncode:
            raise EdgeshiftError(f"a repeat of {module} failed with exit status {result.returncode}")
        documents.append(msgspec.json.decode(result.stdout, type=kind))
    return documents


def over(copies: Sequence[Copy]) -> Copy:
    """One thing as several processes measured it: the median of their values, and the hull of their intervals."""
    values = [copy.value for copy in copies]
    return msgspec.structs.replace(
        copies[0],
        value=round(float(np.median(values)), 5),
        low=min(copy.low for copy in copies),
        high=max(copy.high for copy in copies),
        runs=tuple(values),
    )


def machine_over(copies: Sequence[Machine]) -> Machine:
    """The machine, as busy as it ever was."""
    loads = [copy.load for copy in copies]
    worst = max(before for before, _ in loads), max(after for _, after in loads)
    return msgspec.structs.replace(copies[0], load=worst)
