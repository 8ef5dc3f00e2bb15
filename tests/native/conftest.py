"""The native runtime, built once per test run in the folders that ``make native`` uses."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "runtimes" / "native"


@pytest.fixture(scope="session")
def native_build() -> Callable[..., Path]:
    """Return a function that builds a preset of runtimes/native/CMakePresets.json and returns the folder of the result.

    ``native_build()`` is the usual build, with ``libedgeshift.so`` and the test programs in ``tests``.
    ``native_build("native-asan")`` has sanitizers. A test that calls it is skipped if a program for that is missing.
    """
    return build


@cache
def build(preset: str = "native") -> Path:
    for program in ("cmake", "clang++" if preset == "native-fuzz" else "g++"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, which builds the native runtime")
    folder = ROOT / "build" / preset
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # other processes of this test run wait until it is built
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run("cmake", "--preset", preset)
        _run("cmake", "--build", str(folder), "--parallel", "2")
    return folder


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}", pytrace=False)
