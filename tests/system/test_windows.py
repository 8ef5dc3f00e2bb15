"""What edgeshift imports exists on Windows. Only Python's standard library is imitated: no test ran on Windows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

#: Takes away what Python has only on Unix. Python runs it at its start as sitecustomize.py, in child processes, too.
WINDOWS = """
import os, signal, subprocess, sys, tempfile
for module in ("fcntl", "termios", "pwd", "grp"):
    sys.modules[module] = None
for name in ("pread", "pwrite", "posix_fallocate", "memfd_create", "sched_getaffinity", "getloadavg",
             "O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW"):
    if hasattr(os, name):
        delattr(os, name)
del signal.SIGHUP
"""

IMPORTS = """
import os, sys
sys.modules["resource"] = None  # not in child processes: on Linux, the trial of an artifact limits its memory with it
assert not hasattr(os, "pread") and sys.modules["fcntl"] is None
import edgeshift, edgeshift.runtimes, edgeshift.runtimes.qnn, edgeshift.artifact.file, edgeshift.stream
import edgeshift.cli.verify
"""

LOAD = """
from pathlib import Path
import numpy as np
from edgeshift._system.output_file import reserve
from edgeshift._system.quiet import quiet
from edgeshift._system.signals import interrupt_on_stop
model = edgeshift.load(sys.argv[1])
size = model.spec.frame
with reserve(Path(sys.argv[2])), interrupt_on_stop():
    step = model.stream().step(np.zeros((size.height, size.width, 3), np.uint8))
assert np.isfinite(step.logits).all()
with quiet() as last:
    os.write(2, b"one ")
    assert last() == "one " and last(2) == "e "
    os.write(2, b"two")
    assert last() == "one two"
print("stepped")
"""


@pytest.fixture
def run(tmp_path, monkeypatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs code in such a Python. No artifact has run there before, so each has a trial."""
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(WINDOWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    return run


def test_everything_that_runs_an_artifact_can_be_imported(run):
    done = run(IMPORTS + "print('imported')")
    assert done.stdout == "imported\n", done.stderr


def test_an_artifact_is_loaded_and_stepped(run, made, tmp_path):
    done = run(IMPORTS + LOAD, made("tsm", "int8", "onnx").path, tmp_path / "new" / "report.json")
    assert done.stdout == "stepped\n", done.stderr
    assert not (tmp_path / "new").exists(), "the reservation left something behind"


def test_verify_checks_an_artifact(run, made, tmp_path):
    main = "from edgeshift.cli import main; sys.exit(main(['verify', sys.argv[1]]))"
    done = run(IMPORTS + main, made("tsm", "int8", "onnx").path)
    assert done.returncode == 0 and "self-check" in done.stdout, done.stdout + done.stderr
    assert list((tmp_path / "cache" / "edgeshift" / "seen").iterdir()), "the trial of the artifact did not run"
