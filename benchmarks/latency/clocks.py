"""Locking the clocks for the time of a run, on request only, and putting them back whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgeshift.errors import DeviceError, one_line

GOVERNOR = "performance"
PATIENCE = 30.0


@contextmanager
def locked(root: Path = Path("/")) -> Iterator[None]:
    """Hold the processor's clocks at their highest while the block runs: a Jetson's by its own tool.

    Raises:
        DeviceError: this device does not let us; nothing was changed.
    """
    if shutil.which("jetson_clocks"):
        with tempfile.TemporaryDirectory() as folder:
            stored = str(Path(folder, "clocks"))
            _jetson("--store", stored)
            try:
                _jetson()
                yield
            finally:
                _jetson("--restore", stored)
        return
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    if not files:
        raise DeviceError("the clocks cannot be locked: this device shows no governors; run without --lock-clocks")
    before = {file: file.read_text().strip() for file in files}
    try:
        _lock(files)
        yield
    finally:
        # Each by itself: one that cannot be put back must not leave the others as they are.
        left = [file.parts[-3] for file, governor in before.items() if not _put_back(file, governor)]
        if left:
            words = f"the clocks of {', '.join(left)} could not be put back: their governor is {GOVERNOR!r} now"
            print(f"edgeshift: {words}", file=sys.stderr)


def _lock(files: Sequence[Path]) -> None:
    try:
        for file in files:
            file.write_text(GOVERNOR)
    except PermissionError as error:
        raise DeviceError("the clocks can be locked by root only: run as root, or without --lock-clocks") from error
    except OSError as error:
        raise DeviceError(
            f"the clocks cannot be locked: {error.strerror or error}; run without --lock-clocks"
        ) from error


def _put_back(file: Path, governor: str) -> bool:
    """Whether the governor is what it was; one that could not be changed is."""
    try:
        if file.read_text().strip() != governor:
            file.write_text(governor)
    except OSError:
        return False
    return True


def _jetson(*arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603
            ["jetson_clocks", *arguments],  # noqa: S607
            check=True,
            capture_output=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(f"jetson_clocks failed: {one_line(error)}; run as root, or without --lock-clocks") from error
