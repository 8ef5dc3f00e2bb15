"""Finding the libraries of ONNX Runtime and QNN for the native agent, without the libraries themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.litert_library import MACHINES
from edgeshift.benchmarks.devices.native import PROGRAM, NativeDevice
from edgeshift.benchmarks.devices.qnn_libraries import find_qnn_libraries
from edgeshift.errors import DeviceError, EdgeshiftError

FILES = ("libonnxruntime.so", "libonnxruntime_providers_qnn.so", "libQnnHtp.so", "libQnnSystem.so")
#: A library for the NPU itself, which is a program for another kind of processor.
SKELETON = "libQnnHtpV75Skel.so"


def library(machine: str) -> bytes:
    """Return the start of a library, as far as it is looked at."""
    return b"\x7fELF\x02".ljust(18, b"\0") + MACHINES[machine].to_bytes(2, "little")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as a user fills it for a phone."""
    folder = tmp_path / "libraries"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(library("aarch64"))
    (folder / SKELETON).write_bytes(b"\x7fELF\x01".ljust(18, b"\0") + (164).to_bytes(2, "little"))
    (folder / "README.txt").touch()
    return folder


def test_all_libraries_of_a_folder_are_sent(folder: Path) -> None:
    found = find_qnn_libraries("aarch64", folder, here=False)
    assert (found.runtime.name, found.provider.name) == FILES[:2]
    assert {path.name for path in found.others} == {*FILES[2:], SKELETON}
    (folder / FILES[0]).rename(folder / f"{FILES[0]}.1.24.3")  # as in the package for Linux
    assert find_qnn_libraries("aarch64", folder, here=False).runtime.name == f"{FILES[0]}.1.24.3"


def test_folders_that_cannot_be_used_are_one_line(folder: Path, tmp_path: Path) -> None:
    def refused(*arguments, **options) -> str:
        with pytest.raises(DeviceError) as caught:
            find_qnn_libraries(*arguments, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "there is no such folder" in refused("aarch64", tmp_path / "none", here=False)
    assert "libonnxruntime.so is a library for aarch64, and the device needs one for x86_64" in refused(
        "x86_64", folder, here=False
    )
    (folder / FILES[1]).write_text("text")
    assert f"{FILES[1]} is no library for a known processor" in refused("aarch64", folder, here=False)
    (folder / FILES[1]).unlink()
    (folder / FILES[2]).unlink()
    text = refused("aarch64", folder, here=False)
    assert f"there is no {FILES[1]} and no {FILES[2]}. For Android, unpack the .aar files" in text
    for index in range(70):
        (folder / f"{index}.so").touch()
    assert "libraries; the limit is 64" in refused("aarch64", folder, here=False)
    assert "give the folder that holds them with --qnn" in refused("aarch64", None, here=False)


class Phone:
    """A double of a phone that remembers what is sent to it."""

    name = "adb:1"

    def __init__(self) -> None:
        self.pushed: list[str] = []

    def run(self, argv, timeout, on_line=None):
        from edgeshift._system.process import CommandResult

        return CommandResult(0, "Linux aarch64\n" if argv[0] == "uname" else "", "")

    def push(self, local: Path, name: str) -> str:
        self.pushed.append(name)
        return f"/data/local/tmp/edgeshift/{name}"


def test_a_phone_gets_the_libraries_and_the_agent_for_android(folder: Path, tmp_path: Path) -> None:
    phone, agents = Phone(), tmp_path / "agents"
    agents.mkdir()
    (agents / f"{PROGRAM}-aarch64").touch()
    device: Device = phone  # type: ignore[assignment]

    def agent() -> list[str]:
        native = NativeDevice(device, agents=agents, qnn=folder)
        native.accept(Path("a.qnn.onnx"))
        return native.agent()

    with pytest.raises(DeviceError, match=r"need the agent for Android: run `make agent-android` with an Android NDK"):
        agent()
    (agents / f"{PROGRAM}-android-aarch64").touch()
    where = "/data/local/tmp/edgeshift"
    assert agent() == [
        "env",
        f"LD_LIBRARY_PATH={where}",
        f"ADSP_LIBRARY_PATH={where}",
        f"{where}/{PROGRAM}",
        *("--library", f"{where}/{FILES[0]}", "--provider", f"{where}/{FILES[1]}"),
    ]
    assert {*FILES, SKELETON} < set(phone.pushed)


def test_other_files_are_refused() -> None:
    device: Device = Phone()  # type: ignore[assignment]
    with pytest.raises(
        EdgeshiftError, match=r"runs \.tflite and \.qnn\.onnx artifacts only; bench and eval run others"
    ):
        NativeDevice(device).accept(Path("a.onnx"))
