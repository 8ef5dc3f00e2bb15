"""Installation on a device: the wheel with its `tflite` extra in an empty environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from edgeshift.gestures.demo_stream import demo_stream

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
#: Largest size of the environment, bytes.
LIMIT = 400e6


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    rooms = ("edgeshift", "converters", "runtimes", "benchmarks", "apps")
    for room in rooms:
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_templates_of_reports(wheel):
    folder = "edgeshift/benchmarks/reports/templates"
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith(folder)}
    assert packed == {f"{folder}/{file.name}" for file in (ROOT / "benchmarks/reports/templates").iterdir()} != set()


def device_python() -> str:
    """Return Python 3.10, which JetPack 6 has, if it is installed, and else the Python that runs the tests."""
    python = shutil.which("python3.10")
    works = python is not None and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
    return python if python is not None and works else sys.executable


def test_the_installation_on_a_device_is_small_and_its_commands_work(wheel, made, tmp_path):
    """It has no torch, at most 400 MB, and no top-level package of the project but `edgeshift`."""
    home = tmp_path / "device"
    run(device_python(), "-m", "venv", home)
    python, edgeshift = home / "bin" / "python", home / "bin" / "edgeshift"
    before = {path.name for path in next(home.glob("lib/python3*/site-packages")).iterdir()}
    constraints = ROOT / "constraints.txt"
    pinned = ["-c", constraints] if device_python() == sys.executable else []  # the pins are for Python 3.11
    run(python, "-m", "pip", "install", "--quiet", *pinned, f"{wheel}[tflite]")

    site = next(home.glob("lib/python3*/site-packages"))
    names = {path.name for path in site.iterdir()}
    assert "torch" not in names
    assert {"edgeshift", "converters", "runtimes", "benchmarks", "apps", "tests"} & (names - before) == {"edgeshift"}
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < LIMIT, f"{size / 1e6:.0f} MB"
    print(f"\n{size / 1e6:.0f} MB installed, {python.resolve().name}")

    artifact = made("tsm", "int8").path
    assert "untrained" in run(edgeshift, "inspect", artifact)
    report = json.loads(run(edgeshift, "verify", artifact, "--json"))
    assert report["ok"] and "torch is not installed" in report["parity_not_run"]
    frames = len(list(demo_stream(size=32)))
    assert json.loads(run(edgeshift, "demo", artifact, "--headless", "--json"))["steps"] == frames
    refused = subprocess.run([edgeshift, "convert", "--target", "tflite"], capture_output=True, text=True)
    assert refused.returncode == 2 and 'pip install "edgeshift[convert]"' in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
