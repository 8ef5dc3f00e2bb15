"""An output file is reserved before the work: writable, enough room, and for one process at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeshift._system.output_file import reserve
from edgeshift.errors import EdgeshiftError

HOLD = """
import sys, time
from pathlib import Path
from edgeshift._system.output_file import reserve
with reserve(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_nothing_is_left_behind(tmp_path: Path):
    with reserve(tmp_path / "new" / "r.json"):
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".r.json.lock"]
    assert not list(tmp_path.iterdir())
    with reserve(tmp_path / "new" / "r.json"):
        (tmp_path / "new" / "r.json").write_text("{}")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["r.json"]
    with reserve(None):
        pass


def test_a_second_process_is_refused_until_the_first_ends(tmp_path: Path):
    out = tmp_path / "r.json"
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    try:
        with pytest.raises(EdgeshiftError, match=r"r\.json: another process is writing this file"), reserve(out):
            pass
        with reserve(tmp_path / "other.json"):
            pass
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    with reserve(out):  # a killed process keeps no lock, although its lock file is still there
        pass
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    (tmp_path / "folder.json").mkdir()
    refused = {
        "file/r.json": ".*file is a file; give another path",
        "folder.json": "it is a folder",
        "x" * 300: ".*: File name too long",
    }
    for path, reason in refused.items():
        with pytest.raises(EdgeshiftError, match=f"cannot be written: {reason}"), reserve(tmp_path / path):
            pytest.fail("the work began")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path):
    tmp_path.chmod(0o500)
    with pytest.raises(EdgeshiftError, match=r"cannot be written: .*: Permission denied"), reserve(tmp_path / "r.json"):
        pytest.fail("the work began")


def test_a_disk_without_room_is_found(tmp_path: Path):
    """The limit of the size of files stands for a full disk."""
    program = """
import resource, sys
from pathlib import Path
from edgeshift._system.output_file import reserve
from edgeshift.errors import EdgeshiftError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with reserve(Path(sys.argv[1]), 2_000_000):
        print("the work began")
except EdgeshiftError as error:
    print(error)
"""
    out = tmp_path / "r.json"
    done = subprocess.run([sys.executable, "-c", program, str(out)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{out}: cannot be written: File too large; 2 MB of free space are needed\n"
    assert not list(tmp_path.iterdir())
