"""An aarch64 Python with the packages of a board, which qemu runs on this machine as on the processor of a board.

Debian's packages and PyPI's wheels for aarch64 are unpacked once, into a folder of the user's cache. Nothing is
installed, and apt uses a state directory of its own, so neither root nor a foreign architecture is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from edgeshift._system.files import atomic_folder
from edgeshift.benchmarks.devices.emulated import PROCESSORS as BOARDS
from edgeshift.benchmarks.devices.emulated import Processor, board_folder
from edgeshift.benchmarks.devices.local import LocalDevice

QEMU = "qemu-aarch64-static"
DEBS = ("python3-minimal", "libpython3-stdlib", "libstdc++6")
LITERT = "2.3.0"
ONNXRUNTIME = "1.31.1"
OPENCV = "5.0.0.93"
#: The packages that a board needs, with the dependencies that pip would install.
WHEELS = (
    f"ai-edge-litert=={LITERT}",
    f"onnxruntime=={ONNXRUNTIME}",
    f"opencv-python-headless=={OPENCV}",
    "numpy==2.3.5",
    "msgspec",
    "backports.strenum",
    "flatbuffers",
    "ml_dtypes",
    "protobuf",
    "tqdm",
    "typing_extensions",
)
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
PYTHON = "root/usr/bin/python3.11"
#: Name of the folder. Change it when the contents change, so that an old folder is not used.
NAME = f"aarch64-litert-{LITERT}-onnxruntime-{ONNXRUNTIME}-opencv-{OPENCV}"
#: {processor of qemu: its description}. The last one is newer than those of boards.
PROCESSORS = {
    **BOARDS,
    # The qemu of Debian 12 computes SME instructions wrongly, so they are off.
    "max,sme=off": Processor("0xd4d", f"{BOARDS['cortex-a76'].features} i8mm bf16"),
}


class MissingError(Exception):
    """The aarch64 Python cannot be set up on this machine."""


def find_arm() -> Path:
    """Return the folder with ``root`` (Debian) and ``packages`` (wheels), and create it if it is missing.

    Raises:
        MissingError: qemu, apt or pip is missing, or a download fails.
    """
    for program in (QEMU, "apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise MissingError(f"{program} is not installed (Debian: qemu-user-static, apt, dpkg)")
    cache = os.environ.get("EDGESHIFT_QEMU") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "edgeshift", "qemu"
    )
    folder = Path(cache) / NAME
    if not folder.is_dir():
        with atomic_folder(folder) as part:
            _debian(part)
            _wheels(part)
    # atomic_folder removes the permission to execute from all files.
    (folder / PYTHON).chmod(0o755)
    return folder


def _debian(part: Path) -> None:
    state, cache = part / "state", part / "cache"
    for path in (state / "lists/partial", cache / "archives/partial"):
        path.mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "1",
        "Dir::State": state,
        "Dir::State::status": state / "status",
        "Dir::Cache": cache,
    }
    apt = ["apt-get", "-q", "-y", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    _run([*apt, "update"])
    _run([*apt, "--download-only", "install", *DEBS])
    debs = sorted((cache / "archives").glob("*.deb"))
    for deb in debs:
        _run(["dpkg-deb", "-x", str(deb), str(part / "root")])
    if not (part / PYTHON).exists():
        raise MissingError("this system's packages have no Python 3.11 for aarch64; those of Debian 12 have it")
    shutil.rmtree(state)
    shutil.rmtree(cache)


def _wheels(part: Path) -> None:
    wheels = part / "wheels"
    wanted = ["--implementation", "cp", "--python-version", "3.11", "--only-binary=:all:", "--no-deps"]
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    _run([sys.executable, "-m", "pip", "download", "-q", "--dest", str(wheels), *wanted, *platforms, *WHEELS])
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(part / "packages")
    shutil.rmtree(wheels)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise MissingError(f"{command[0]} failed: {last}")


class ArmDevice(LocalDevice):
    """A device with the files of this machine and an aarch64 processor: qemu runs the agent's file.

    Args:
        arm: the folder of ``find_arm``.
        cpu: a name in ``PROCESSORS``.
        agent: the agent's file.
        folder: an empty folder.
    """

    name = "arm"

    def __init__(self, arm: Path, cpu: str, agent: Path, folder: Path) -> None:
        # Under qemu, a path that exists in this folder is used instead of the same path of this machine.
        for name in ("lib", "usr"):
            (folder / name).symlink_to(arm / "root" / name)
        board_folder(folder, PROCESSORS[cpu])
        self._qemu = [QEMU, "-cpu", cpu, "-L", str(folder)]
        self._python = [*self._qemu, str(folder / PYTHON.removeprefix("root/")), "-S"]
        self._packages, self._file = arm / "packages", agent

    def agent(self) -> list[str]:
        """Return the command that runs the agent's file under qemu."""
        return self.python(str(self._file))

    def program(self, *command: str, libraries: Path) -> list[str]:
        """Return a command that runs an aarch64 program. ``libraries`` is a folder with its shared libraries."""
        return [*self._qemu, "-E", f"LD_LIBRARY_PATH={libraries}", *command]

    def python(self, *arguments: str, path: Path | None = None) -> list[str]:
        """Return a command that runs Python under qemu. ``path`` is a folder to import from, besides the packages."""
        folders = [self._packages] if path is None else [self._packages, path]
        return ["env", f"PYTHONPATH={os.pathsep.join(map(str, folders))}", *self._python, *arguments]
