"""Locking the clocks for the time of a run, on request only, and putting them back whatever happens."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
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
        for file in files:
            file.write_text(GOVERNOR)
        yield
    except PermissionError as error:
        raise DeviceError("the clocks can be locked by root only: run as root, or without --lock-clocks") from error
    finally:
        for file, governor in before.items():
            try:
                file.write_text(governor)
            except PermissionError:  # then it could not be changed either
                continue


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
