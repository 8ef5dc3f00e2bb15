"""The native runtime, built once per test run in the folders that ``make native`` uses, and clips for its agent."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from edgeshift.gestures import draw_clips
from edgeshift.video.clips import write_video
from edgeshift.video.dataset import LabelledClip, read_dataset

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "runtimes" / "native"


@pytest.fixture(scope="session")
def native_build() -> Callable[..., Path]:
    """Return a function that builds a preset of runtimes/native/CMakePresets.json and returns the folder of the result.

    ``native_build()`` is the usual build, with ``libedgeshift.so`` and the test programs in ``tests``.
    ``native_build("native-asan")`` has sanitizers. A test that calls it is skipped if a program for that is missing.
    """
    return build


#: {preset: its compiler}, for presets with another compiler than g++.
COMPILERS = {"native-fuzz": "clang++", "native-aarch64": "aarch64-linux-gnu-g++"}


@cache
def build(preset: str = "native") -> Path:
    for program in ("cmake", COMPILERS.get(preset, "g++")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed, which builds the native runtime")
    folder = ROOT / "build" / preset
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:  # other processes of this test run wait until it is built
        fcntl.flock(lock, fcntl.LOCK_EX)
        if preset == "native-aarch64":
            _unpack_zlib()
        _run("cmake", "--preset", preset)
        _run("cmake", "--build", str(folder), "--parallel", "2")
    return folder


def _unpack_zlib() -> None:
    command = [SOURCES / "aarch64_zlib.sh", ROOT / "build" / "aarch64"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"zlib for aarch64 could not be downloaded: {done.stderr[-200:]}")


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-4000:]}", pytrace=False)


@pytest.fixture(scope="session")
def native_agents(native_build: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the native agent for this machine, as `make agents` makes it."""
    program = native_build() / "agent" / "edgeshift-agent"
    folder = tmp_path_factory.mktemp("agents")
    (folder / f"edgeshift-agent-{platform.machine()}").symlink_to(program)
    return folder


@pytest.fixture(scope="session")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an int8 artifact of a network with a sound segment."""
    from sound_artifacts import sound_artifact  # not at import, because it needs torch

    return sound_artifact(tmp_path_factory.mktemp("hearing") / "sound.tflite", "int8")


@pytest.fixture
def clips(tmp_path: Path) -> tuple[LabelledClip, ...]:
    """Return a data set of three drawn clips."""
    for index, clip in enumerate(draw_clips(3, seed=3, frames=8, size=64)):
        (tmp_path / "clips" / clip.label).mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / "clips" / clip.label / f"{index}.avi", clip.frames, 4.0)
    return read_dataset(tmp_path / "clips").clips
