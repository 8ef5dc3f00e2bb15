"""Lock the clocks of the processor during a run, on request only, and restore them afterwards, even after an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgeshift.errors import DeviceError, one_line

GOVERNOR = "performance"
#: Seconds that jetson_clocks may take.
TIMEOUT = 30.0


@contextmanager
def locked_clocks(root: Path = Path("/")) -> Iterator[None]:
    """Hold the clocks at their maximum while the block runs. On a Jetson, jetson_clocks does this.

    Raises:
        DeviceError: the clocks cannot be locked. They are as they were before.
    """
    if shutil.which("jetson_clocks"):
        with tempfile.TemporaryDirectory() as folder:
            stored = str(Path(folder, "clocks"))
            _jetson_clocks("--store", stored)
            try:
                _jetson_clocks()
                yield
            finally:
                _jetson_clocks("--restore", stored)
        return
    files = sorted((root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"))
    if not files:
        raise DeviceError("the clocks cannot be locked: this device shows no governors; run without --lock-clocks")
    before = {file: file.read_text().strip() for file in files}
    try:
        try:
            for file in files:
                file.write_text(GOVERNOR)
        except OSError as error:
            denied = isinstance(error, PermissionError)
            reason = "only root can lock them" if denied else error.strerror or str(error)
            raise DeviceError(f"the clocks cannot be locked: {reason}; run without --lock-clocks") from error
        yield
    finally:
        # Each governor is restored on its own, so that one failure does not prevent the others.
        failed = [file.parts[-3] for file, governor in before.items() if not _restore(file, governor)]
        if failed:
            words = f"the clocks of {', '.join(failed)} could not be restored; their governor is {GOVERNOR!r} now"
            print(f"edgeshift: {words}", file=sys.stderr)


def _restore(file: Path, governor: str) -> bool:
    """Write a governor back if it was changed, and return whether that succeeded."""
    try:
        if file.read_text().strip() != governor:
            file.write_text(governor)
    except OSError:
        return False
    return True


def _jetson_clocks(*arguments: str) -> None:
    command = ["jetson_clocks", *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise DeviceError(f"jetson_clocks failed: {one_line(error)}; run as root, or without --lock-clocks") from error
