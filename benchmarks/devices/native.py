"""Measure with the native agent: a program in C++ that needs no Python on the device, only the library of a runtime.

That is LiteRT's for .tflite artifacts, and those of ONNX Runtime and QNN for .qnn.onnx artifacts. The program has the
commands and the messages of the Python agent (``runtimes/native/agent``). `make agents` builds it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

import edgeshift.runtimes
from edgeshift._system.files import atomic_write, cache_folder, sha256
from edgeshift._system.process import CommandResult, OnLine
from edgeshift.benchmarks.devices.device import Device
from edgeshift.benchmarks.devices.facts import Facts
from edgeshift.benchmarks.devices.litert_library import MACHINES, find_library
from edgeshift.benchmarks.devices.messages import STOP_WITH_STDIN
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.devices.qnn_libraries import find_qnn_libraries
from edgeshift.errors import DeviceError, EdgeshiftError
from edgeshift.targets import find_runtime

#: Name of the program on a device.
PROGRAM = "edgeshift-agent"
#: The folder in which `make agents` writes the programs, and the files that a phone needs if the agent was
#: built without an NDK.
AGENTS = Path(edgeshift.runtimes.__file__).parent / "native" / "agents"
#: The agent's runtimes: names in ``edgeshift.targets.RUNTIMES``.
RUNTIMES = ("tflite", "qnn")
#: Seconds that a short command may take.
TIMEOUT = 60.0


class NativeDevice:
    """A device on which the native agent measures; see ``edgeshift.benchmarks.devices.device.Device``.

    Args:
        board: the device.
        library: LiteRT's library for the device, or a package that contains it; None: see ``find_library``.
        agents: the folder with the programs; None: ``AGENTS``.
        qnn: the folder with the libraries of ONNX Runtime and QNN; None: see ``find_qnn_libraries``.

    Attributes:
        board: the device; it runs commands and copies files.
    """

    def __init__(
        self, board: Device, library: Path | None = None, agents: Path | None = None, qnn: Path | None = None
    ) -> None:
        self.board, self.name = board, board.name
        self._library, self._agents, self._qnn = library, agents or AGENTS, qnn
        self._runtime: str | None = None
        self._agent: list[str] | None = None

    def accept(self, path: Path, runtime: str | None = None) -> None:
        """Check that the agent runs an artifact, and choose the runtime's library by it.

        Args:
            path: the artifact.
            runtime: the value of --runtime.

        Raises:
            EdgeshiftError: the agent does not run it, or it needs another runtime than an artifact before it.
        """
        found = require_native(path, runtime)
        if self._runtime not in (None, found):
            raise EdgeshiftError(
                f"{path}: the native agent runs .tflite and .qnn.onnx artifacts with different libraries: use one "
                "command for each kind"
            )
        self._runtime = found

    def run(self, argv: Sequence[str], timeout: float, on_line: OnLine | None = None) -> CommandResult:
        """Run a command on the device."""
        return self.board.run(argv, timeout, on_line)

    def push(self, local: Path, name: str) -> str:
        """Copy a file to the device."""
        return self.board.push(local, name)

    def pull(self, remote: str, local: Path) -> None:
        """Copy a file from the device."""
        self.board.pull(remote, local)

    def agent(self) -> list[str]:
        """Copy the program and the runtime's libraries to the device, and return the start of the agent's commands.

        Raises:
            DeviceError: there is no program, or no library, for the device's processor.
        """
        if self._agent is None:
            machine = self._machine()
            phone = self.name.startswith("adb")
            program = self._agents / f"{PROGRAM}-{'android-' if phone else ''}{machine}"
            # Without a program for Android, a phone gets the one for Linux, with the C library of Linux.
            loaded = phone and not program.is_file()
            program = self._agents / f"{PROGRAM}-{machine}" if loaded else program
            if not program.is_file():
                raise DeviceError(
                    f"{self.name}: the native agent for {machine} is not built: run `make agents` in edgeshift's "
                    "repository; bench and eval also measure with --agent python"
                )
            # Killing ssh on this machine does not stop the agent, so the agent stops when the connection closes. adb
            # passes no standard input.
            tied = () if phone else (STOP_WITH_STDIN,)
            if self._runtime == "qnn":
                if loaded:
                    raise DeviceError(
                        f"{self.name}: QNN's libraries for Android need the agent for Android: run "
                        "`make agent-android` with an Android NDK"
                    )
                before, options = self._push_qnn(machine)
                self._agent = [*before, self._push_program(program), *tied, *options]
            else:
                library = find_library(machine, self._library, self._agents, android=phone and not loaded)
                command = [*(self._push_loader(machine) if loaded else ()), self._push_program(program), *tied]
                command += ["--library", self.push(library.path, library.path.name)]
                self._agent = [*command, *(("--litert", library.version) if library.version else ())]
        return self._agent

    def facts(self) -> Facts:
        """Return the facts that the device reports: a phone from adb's shell, another device from the agent."""
        if not self.name.startswith("adb"):
            return ask_probe(self).facts
        facts = self.board.facts()
        return msgspec.structs.replace(facts, system=f"{facts.system}, native agent")

    def _machine(self) -> str:
        """Return the kind of the device's processor, a key of ``MACHINES``."""
        done = self.run(["uname", "-sm"], TIMEOUT)
        system, _, machine = done.out.strip().partition(" ")
        if done.status or system != "Linux" or machine not in MACHINES:
            found = done.out.strip() or done.problem
            raise DeviceError(
                f"{self.name}: there is no native agent for {found}, only for Linux on {' and '.join(MACHINES)}; bench "
                "and eval measure there with --agent python"
            )
        return machine

    def _push_program(self, program: Path) -> str:
        if self.name == "local":
            return str(_executable(program))
        path = self.push(program, PROGRAM)
        self._make_executable(path)
        return path

    def _push_loader(self, machine: str) -> list[str]:
        """Copy the C library of Linux to a phone, and return the start of a command that runs a program with it."""
        folder = self._agents / f"glibc-{machine}"
        files = sorted(folder.glob("*.so*"))
        loader = next((file.name for file in files if file.name.startswith("ld-linux")), None)
        if loader is None:
            raise DeviceError(
                f"{self.name}: {folder} has no C library for phones: run `make agents`, or `make agent-android` "
                "with an Android NDK"
            )
        paths = {file.name: self.push(file, file.name) for file in files}
        self._make_executable(paths[loader])
        return [paths[loader], "--library-path", paths[loader].rpartition("/")[0]]

    def _push_qnn(self, machine: str) -> tuple[list[str], list[str]]:
        """Copy ONNX Runtime's and QNN's libraries. Returns what comes before the program, and options of the agent."""
        found = find_qnn_libraries(machine, self._qnn, here=self.name == "local")
        runtime, provider, *others = (
            self.push(file, file.name) for file in (found.runtime, found.provider, *found.others)
        )
        options = ["--library", runtime, "--provider", provider]
        if not others:
            return [], options
        # QNN finds its libraries by LD_LIBRARY_PATH, and the NPU finds its own by ADSP_LIBRARY_PATH.
        folder = provider.rpartition("/")[0]
        if not folder.startswith("/"):  # as ssh returns it, which begins in the home folder
            folder = f"{self.run(['pwd'], TIMEOUT).out.strip()}/{folder}"
        return ["env", f"LD_LIBRARY_PATH={folder}", f"ADSP_LIBRARY_PATH={folder}"], options

    def _make_executable(self, path: str) -> None:
        done = self.run(["chmod", "755", path], TIMEOUT)
        if done.status:
            raise DeviceError(f"{self.name}: {path} cannot be made executable: {done.problem}")


def require_native(path: Path, runtime: str | None = None, runtimes: Sequence[str] = RUNTIMES) -> str:
    """Return the name of the runtime with which the native agent runs an artifact.

    Raises:
        EdgeshiftError: the agent does not run it with one of ``runtimes``.
    """
    found = find_runtime(path, runtime).name
    if found not in runtimes or path.is_dir():
        kinds = " and ".join({"tflite": ".tflite", "qnn": ".qnn.onnx"}[name] for name in runtimes)
        raise EdgeshiftError(
            f"{path}: the native agent runs {kinds} artifacts only; bench and eval run others with --agent python"
        )
    return found


def _executable(program: Path) -> Path:
    """Return a program of this machine, or a copy of it if an installation has not kept the permission to run it."""
    if os.access(program, os.X_OK):
        return program
    data = program.read_bytes()
    copy = cache_folder() / "agents" / sha256(data)[:16] / PROGRAM
    if not os.access(copy, os.X_OK):
        with atomic_write(copy) as temporary:
            temporary.write_bytes(data)
        copy.chmod(0o755)
    return copy
