"""Files that are not ordinary ones, and disks without space."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeshift._system.json_lines import JsonLines
from edgeshift.errors import EdgeshiftError, GestureError
from edgeshift.gestures import read_strokes

#: Run a command in a process whose files can have a limited number of bytes, which has the effect of a full disk.
LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from edgeshift.cli import main
main(sys.argv[2:])
"""


@pytest.fixture
def ten_seconds() -> Iterator[None]:
    """Interrupt a test that takes longer."""

    def interrupt(*_arguments: object) -> None:
        raise TimeoutError("the named pipe was opened")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("ten_seconds")
def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    with pytest.raises(GestureError, match=r"pipe.json: cannot be read: it is a pipe or a device"):
        read_strokes(pipe)
    with pytest.raises(EdgeshiftError, match=r"pipe.json: cannot be read: it is a pipe .* run again without --resume"):
        JsonLines(pipe, dict, resume=True)


@pytest.mark.parametrize("size", [100, 3000, 20_000])
def test_clips_on_a_full_disk(tmp_path: Path, size: int) -> None:
    """OpenCV writes the videos and reports no error. The message must not be about the file that cannot be read."""
    out = tmp_path / "clips"
    command = [sys.executable, "-c", LIMITED, str(size), "clips", "--out", str(out), "--count", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1
    assert str(out) in done.stderr
    assert "is the disk full?" in done.stderr or "File too large" in done.stderr
    assert "copy it again" not in done.stderr and not list(out.rglob("*.mp4.*"))
