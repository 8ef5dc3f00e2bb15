"""Installation on a device: the wheel of `make wheel` with its extras in empty environments of several Pythons."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen
from zipfile import ZipFile

import pytest
from virtual_screen import SHOW, orange_pixels, virtual_screen

from edgeshift.apps.phone.files import BUILT
from edgeshift.gestures.demo_stream import demo_stream
from edgeshift.runtimes.app_module import PLATFORMS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
#: What `edgeshift package` copies from runtimes/native.
NATIVE_SOURCES = {name for platform in PLATFORMS.values() for name in platform.sources}
#: Largest size of the environment, bytes.
LIMIT = 400e6
#: Versions of Python for devices. JetPack 6 has 3.10, Raspberry Pi OS 3.11 or 3.13, Ubuntu 24.04 3.12.
VERSIONS = ("3.10", "3.12", "3.13")


def run(*command: object, **options: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel that `make wheel` builds, with the page for phones if it was built before the tests."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    for room in ("edgeshift", "converters", "runtimes", "benchmarks", "apps"):
        shutil.copytree(ROOT / room, source / room, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for file in ("pyproject.toml", "README.md", "LICENSE", "Makefile"):
        shutil.copy(ROOT / file, source)
    # Such files are what `make agents` writes.
    for name in ("edgeshift-agent-test", "glibc-aarch64/libc.so.6", "litert-aarch64/x.whl"):
        file = source / "runtimes" / "native" / "agents" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    if has_page():
        (source / "build" / "phone").mkdir(parents=True)
        (source / "build" / "phone" / ".built").touch()  # so that it is not built again
        out = run("make", "wheel", f"PYTHON={sys.executable}", cwd=source)
    else:
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", source / "dist", source)
    (path,) = (source / "dist").glob("edgeshift-*.whl")
    if has_page():
        assert f"The wheel is dist/{path.name}" in out
    return path


def has_page() -> bool:
    return (BUILT / "index.html").is_file()


def test_the_wheel_has_the_templates_of_reports(wheel):
    folder = "edgeshift/benchmarks/reports/templates"
    packed = {name for name in ZipFile(wheel).namelist() if name.startswith(folder)}
    assert packed == {f"{folder}/{file.name}" for file in (ROOT / "benchmarks/reports/templates").iterdir()} != set()


def test_the_wheel_has_the_sources_that_package_copies(wheel):
    native = ROOT / "runtimes" / "native"
    sources = {path for name in NATIVE_SOURCES for path in [native / name, *(native / name).rglob("*")]}
    tracked = {path.relative_to(ROOT).as_posix() for path in sources if path.is_file()}
    packed = {name.removeprefix("edgeshift/") for name in ZipFile(wheel).namelist() if "/native/" in name}
    assert len(tracked) > 80 and tracked <= packed
    assert not [name for name in packed if re.search(r"/(build|tests|fuzz|\.gradle)/", name)]


def test_of_the_agents_the_wheel_has_only_the_programs(wheel):
    """`make agents` also puts Debian's C library, which is LGPL, and LiteRT's package there."""
    packed = [name for name in ZipFile(wheel).namelist() if "/native/agents/" in name]
    assert "edgeshift/runtimes/native/agents/edgeshift-agent-test" in packed
    assert [name for name in packed if not re.search(r"/native/agents/edgeshift-agent-[\w-]+$", name)] == []


def test_without_node_make_wheel_says_what_it_needs(tmp_path):
    """The page for phones is part of the wheel, so a wheel without it is not built silently."""
    for program in ("make", "sh", "find"):
        (tmp_path / program).symlink_to(shutil.which(program))
    (tmp_path / "apps").mkdir()
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "wheel"], cwd=tmp_path, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 2 and "the page for phones needs Node 20 or later and npm" in done.stderr
    assert not (tmp_path / "dist").exists()


def device_python(version: str) -> str | None:
    """Return the program of a version of Python, also one that pyenv installed; None: it is not installed."""
    installed = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions").glob(
        f"{version}.*/bin/python3"
    )
    for program in (shutil.which(f"python{version}"), *map(str, sorted(installed))):
        if program is not None and not subprocess.run([program, "-c", ""], capture_output=True).returncode:
            return program
    return None


def make_environment(python: str, home: Path, wheel: Path, extras: str, *options: str) -> Path:
    """Install the wheel with extras into a new virtual environment, and return its folder of programs."""
    run(python, "-m", "venv", home)
    constraints = ROOT / "constraints.txt"
    pinned = ["-c", constraints] if python == sys.executable else []  # some pins have no wheels for Python 3.10
    run(home / "bin" / "python", "-m", "pip", "install", "--quiet", *options, *pinned, f"{wheel}[{extras}]")
    return home / "bin"


def test_the_installation_on_a_device_is_small_and_its_commands_work(wheel, made, tmp_path):
    """It has no torch, at most 400 MB, and no top-level package of the project but `edgeshift`."""
    home = tmp_path / "device"
    run(sys.executable, "-m", "venv", home)
    site = next(home.glob("lib/python3*/site-packages"))
    before = {path.name for path in site.iterdir()}
    edgeshift = make_environment(sys.executable, home, wheel, "tflite,video") / "edgeshift"
    names = {path.name for path in site.iterdir()}
    assert "torch" not in names
    assert {"edgeshift", "converters", "runtimes", "benchmarks", "apps", "tests"} & (names - before) == {"edgeshift"}
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    assert size < LIMIT, f"{size / 1e6:.0f} MB"
    largest = sorted(((folder_size(path), path.name) for path in site.iterdir() if path.is_dir()), reverse=True)
    print(f"\n{size / 1e6:.0f} MB:", ", ".join(f"{name} {size / 1e6:.0f}" for size, name in largest[:9]))

    artifact = made("tsm", "int8").path
    assert "convert" in run(edgeshift, "--help")
    assert "untrained" in run(edgeshift, "inspect", artifact)
    report = json.loads(run(edgeshift, "verify", artifact, "--json"))
    assert report["ok"] and "torch is not installed" in report["parity_not_run"]
    frames = len(list(demo_stream(size=32)))
    assert json.loads(run(edgeshift, "demo", artifact, "--headless", "--json"))["steps"] == frames
    refused = subprocess.run([edgeshift, "convert", "--target", "tflite"], capture_output=True, text=True)
    command = f'pip install "{wheel}[convert]"'
    assert refused.returncode == 2 and command in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert command in run(edgeshift, "doctor"), "the command names the wheel from which edgeshift was installed"
    if has_page():
        serve_page(edgeshift, made("tsm", "fp32").path)


def folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def serve_page(edgeshift: Path, artifact: Path) -> None:
    """Check that `edgeshift phone` of the installed wheel serves the page and the artifact."""
    server = subprocess.Popen(
        [edgeshift, "phone", artifact, "--localhost"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        url = next(word for line in server.stdout for word in line.split() if word.startswith("http://localhost:"))
        with urlopen(url, timeout=30) as page:
            assert page.read() == (BUILT / "index.html").read_bytes()
        with urlopen(f"{url}artifact", timeout=30) as file:
            assert file.read() == artifact.read_bytes()
    finally:
        server.terminate()
        server.communicate(timeout=30)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_installation_works_on_other_versions_of_python(wheel, made, tmp_path, version):
    python = device_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    edgeshift = make_environment(python, tmp_path / "device", wheel, "tflite,video", "--no-compile") / "edgeshift"
    artifact = made("tsm", "int8").path
    assert json.loads(run(edgeshift, "verify", artifact, "--json"))["ok"]
    assert json.loads(run(edgeshift, "demo", artifact, "--headless", "--json"))["steps"]


def test_the_extra_with_a_window_installs_one_opencv_and_shows_a_picture(wheel, tmp_path):
    programs = make_environment(sys.executable, tmp_path / "device", wheel, "tflite,window", "--no-compile")
    packages = json.loads(run(programs / "python", "-m", "pip", "list", "--format", "json"))
    assert [package["name"] for package in packages if "opencv" in package["name"]] == ["opencv-python"]
    # On a busy machine without a window manager, Qt's window sometimes stays black, so the program may start again.
    assert any(shows_picture(programs / "python", tmp_path / f"screen{attempt}") for attempt in range(8))


def shows_picture(python: Path, folder: Path) -> bool:
    """Return whether OpenCV's window shows a picture on a virtual screen within 10 seconds."""
    folder.mkdir()
    with virtual_screen(folder) as (display, file):
        process = subprocess.Popen(
            [python, "-c", SHOW, "opencv", "plain"], env={**os.environ, "DISPLAY": display}, cwd=folder
        )
        try:
            end = time.monotonic() + 10
            while orange_pixels(file) < 0.9 * 200 * 240 and time.monotonic() < end:
                assert process.poll() is None, "the window does not open"
                time.sleep(0.1)
            return orange_pixels(file) >= 0.9 * 200 * 240
        finally:
            process.kill()
            process.wait()
