"""Find LiteRT's library for the processor of a device: that of the user, the installed one, or a downloaded one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

from edgeshift._system.files import atomic_write, cache_folder, sha256
from edgeshift.errors import DeviceError

NAME = "libLiteRt.so"
PACKAGE = "ai-edge-litert"
#: {kind of processor, as `uname -m` prints it: its number in the header of an ELF file}.
MACHINES = {"aarch64": 183, "x86_64": 62}
#: {kind of processor: its folder in a package for Android}.
ANDROID_FOLDERS = {"aarch64": "arm64-v8a", "x86_64": "x86_64"}
#: Largest size of a library, bytes.
MAX_BYTES = 1 << 28


class Library(NamedTuple):
    """LiteRT's library: its file and its version. The version is "" if it is not known."""

    path: Path
    version: str


def find_library(machine: str, given: Path | None, agents: Path, *, android: bool = False) -> Library:
    """Return LiteRT's library for a device.

    Args:
        machine: kind of the device's processor, a key of ``MACHINES``.
        given: a library, or a package that contains it (.whl, .aar); None: the installed package ai-edge-litert if it
            is for this processor, or else the package that `make agents` has downloaded.
        agents: folder of `make agents`.
        android: whether the library must be for Android, and not for Linux.

    Raises:
        DeviceError: there is none, or it is for another processor.
    """
    if given is not None:
        return _given(given, machine)
    if android:
        raise DeviceError(
            "the agent for Android needs LiteRT's library for Android: give --litert with LiteRT's .aar file from "
            "Google's Maven repository"
        )
    installed = installed_library()
    if installed is not None and machine_of(installed.path) == machine:
        return installed
    package = max((agents / f"litert-{machine}").glob("*.whl"), default=None)
    if package is not None:
        return _given(package, machine)
    raise DeviceError(
        f"there is no LiteRT library for {machine} here: run `make agents`, or run `pip download --no-deps "
        f"--only-binary=:all: --platform manylinux_2_27_{machine} {PACKAGE}` and give the file to --litert"
    )


def _given(path: Path, machine: str) -> Library:
    if not path.is_file():
        raise DeviceError(f"--litert {path}: there is no such file")
    packed = zipfile.is_zipfile(path)
    library = _unpacked(path, machine) if packed else path
    found = machine_of(library)
    if found != machine:
        what = "no library" if found is None else f"a library for {found}"
        raise DeviceError(f"--litert {path}: this is {what}, and the device needs {NAME} for {machine}")
    version = re.match(r"ai_edge_litert-([\w.]{1,32})-", path.name)
    return Library(library, version[1] if version else "")


def installed_library() -> Library | None:
    """Return the library of the installed package; None: it is not installed."""
    spec = importlib.util.find_spec("ai_edge_litert")
    path = Path(spec.origin).with_name(NAME) if spec is not None and spec.origin else None
    if path is None or not path.is_file():
        return None
    return Library(path, importlib.metadata.version(PACKAGE))


def _unpacked(package: Path, machine: str) -> Path:
    """Return the library of a package, in a folder of the user's cache: on this machine it is used where it is."""
    members = (f"ai_edge_litert/{NAME}", f"jni/{ANDROID_FOLDERS[machine]}/{NAME}")
    with zipfile.ZipFile(package) as file:
        member = next((name for name in members if name in file.namelist()), None)
        if member is None:
            raise DeviceError(f"--litert {package}: this package has no {NAME} for {machine}")
        if file.getinfo(member).file_size > MAX_BYTES:
            raise DeviceError(f"--litert {package}: {member} is larger than {MAX_BYTES:,} bytes")
        data = file.read(member)
    path = cache_folder() / "agents" / sha256(data)[:16] / NAME
    if not path.is_file():
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    return path


def machine_of(library: Path) -> str | None:
    """Return the kind of processor that a library is for; None: it is no library for a known one."""
    with library.open("rb") as file:
        header = file.read(20)
    number = int.from_bytes(header[18:20], "little") if header[:5] == b"\x7fELF\x02" else None
    return next((machine for machine, known in MACHINES.items() if known == number), None)
