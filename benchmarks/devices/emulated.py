"""The check of an artifact on the processor of a board, which qemu emulates on this machine.

qemu computes each instruction as the processor would, and refuses those that the processor does not have. Its times say
nothing about the processor's speed. The native agent runs the artifact; see ``edgeshift.benchmarks.devices.native``.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeshift._system.process import run_process
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.devices.litert_library import find_library
from edgeshift.benchmarks.devices.messages import MARK, Message, read_messages
from edgeshift.benchmarks.devices.native import AGENTS, PROGRAM, require_native
from edgeshift.errors import DeviceError, EdgeshiftError, one_line
from edgeshift.runtimes import load
from edgeshift.runtimes.accelerated import ACCELERATORS, SECONDS, Checked, check_accelerator, in_words
from edgeshift.stream.first_difference import Step, find_difference, sample_pictures, steps
from edgeshift.stream.parity import to_real
from edgeshift.stream.placement import Placement
from edgeshift.stream.selfcheck import BOUNDS

MACHINE = "aarch64"
#: Names of the program that emulates one program of another processor. Debian's package is qemu-user-static.
QEMU = ("qemu-aarch64-static", "qemu-aarch64")
CORES = 4


class Processor(NamedTuple):
    """A processor that qemu emulates.

    Attributes:
        part: its part number in /proc/cpuinfo.
        features: its features in /proc/cpuinfo. Runtimes choose their instructions by them.
    """

    part: str
    features: str


#: {processor, as qemu names it: its description}: that of a Raspberry Pi 4, which has neither aes and sha2 nor dot
#: products, and that of a Raspberry Pi 5.
PROCESSORS = {
    "cortex-a72": Processor("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": Processor(
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
#: All names of ``edgeshift verify --accelerator``.
NAMES = (*ACCELERATORS, *PROCESSORS)


class Stepped(Message, frozen=True, kw_only=True, tag="step"):
    """The results of one frame, or window, as the native agent reports them.

    Attributes:
        logits: [classes]. None stands for NaN.
        states: {name: the state as the graph stores it}; bytes are base64 in the message.
        runtime: name and version of the runtime.
    """

    logits: tuple[float | None, ...]
    states: dict[str, bytes]
    runtime: str


def check(path: Path, name: str, against: Path | None = None, advance: Callable[[], None] = lambda: None) -> Checked:
    """Check an artifact on an accelerator or on an emulated processor. Arguments are as for ``check_accelerator``.

    Args:
        name: a name in ``NAMES``.
    """
    if name in PROCESSORS:
        return check_processor(path, name, advance)
    return check_accelerator(path, name, against, advance)


def check_processor(
    path: Path,
    name: str,
    advance: Callable[[], None] = lambda: None,
    *,
    agents: Path = AGENTS,
    library: Path | None = None,
) -> Checked:
    """Run the self-check of an artifact and 32 frames on an emulated processor, and compare the frames with this CPU.

    Args:
        path: an artifact that is known to be sound.
        name: a name in ``PROCESSORS``.
        advance: called after every frame.
        agents: the folder of `make agents`.
        library: LiteRT's library for aarch64, or a package that contains it; None: see ``find_library``.
    """
    try:
        require_native(path)
        model = load(path).each_camera()[0]
        with tempfile.TemporaryDirectory() as folder:
            command = _agent(Path(folder), name, agents, library)
            failure = _self_check([*command, "check", str(path)])
            frames = Path(folder) / "frames.npy"
            pictures = sample_pictures(model.spec)
            np.save(frames, pictures)
            found = _read([*command, "states", str(path), str(frames)], advance)
    except DeviceError as error:
        hung = isinstance(error.__cause__, subprocess.TimeoutExpired)
        return Checked(name, "crashes" if hung else "not run", one_line(error, 300))
    except _CrashError as error:
        return Checked(name, "crashes", one_line(error, 300))
    except EdgeshiftError as error:
        return Checked(name, "not run", one_line(error, 300).removeprefix(f"{path}: "))
    taken = (_step(model.spec, message) for message in found)
    difference = find_difference(taken, steps(model, pictures), BOUNDS["cpu"][model.spec.precision])
    ran_on = Placement(accelerator="cpu", device=f"{name}, emulated")
    done = in_words(name, difference, failure, ran_on, found[-1].runtime)
    return replace(done, share=None if model.spec.graph is None else model.spec.graph.delegated)


class _CrashError(Exception):
    """The agent ended in a way that it should not."""


def board_folder(folder: Path, processor: Processor) -> None:
    """Write the files from which a program learns what processor it runs on.

    Args:
        folder: where. Under qemu, a path that exists in this folder is used instead of the same path of this machine.
        processor: the processor.
    """
    core = (
        f"Features\t: {processor.features}\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: 0x0\nCPU part\t: {processor.part}\nCPU revision\t: 3\n\n"
    )
    (folder / "proc").mkdir()
    (folder / "proc/cpuinfo").write_text("".join(f"processor\t: {index}\n{core}" for index in range(CORES)))
    cpus = folder / "sys/devices/system/cpu"
    cpus.mkdir(parents=True)
    for name in ("possible", "present", "online"):
        (cpus / name).write_text(f"0-{CORES - 1}\n")


def _agent(folder: Path, name: str, agents: Path, library: Path | None) -> list[str]:
    """Return the start of the agent's commands. ``folder`` is empty, and gets what the processor's programs need."""
    qemu = next(filter(None, map(shutil.which, QEMU)), None)
    if qemu is None:
        raise DeviceError(f"{QEMU[0]} is not installed, which emulates it (Debian: apt install qemu-user-static)")
    program, libraries = agents / f"{PROGRAM}-{MACHINE}", agents / f"glibc-{MACHINE}"
    if not program.is_file() or not libraries.is_dir():
        raise DeviceError(f"the native agent for {MACHINE} is not built: run `make agents` in edgeshift's repository")
    found = find_library(MACHINE, library, agents)
    board_folder(folder, PROCESSORS[name])
    loader = next(file.name for file in libraries.iterdir() if file.name.startswith("ld-linux"))
    return [
        *(qemu, "-cpu", name, "-L", str(folder), str(libraries / loader), "--library-path", str(libraries)),
        *(str(program), "--library", str(found.path)),
        *(("--litert", found.version) if found.version else ()),
    ]


def _self_check(command: list[str]) -> tuple[str, ...]:
    """Run the self-check. Returns what failed; empty: nothing did."""
    done = run_process(command, SECONDS)
    if done.status not in (0, 1) or "self-check" not in done.out:
        raise _CrashError(f"the self-check ended with status {done.status}: {done.problem.removeprefix(MARK)}")
    if not done.status:
        return ()
    lines = (" ".join(line.split()) for line in done.out.splitlines())
    return (", ".join(line for line in lines if line.startswith(("logits", "states", "second run"))),)


def _read(command: list[str], advance: Callable[[], None]) -> list[Stepped]:
    """Run the frames, and return the results of each."""
    done = run_process(command, SECONDS, lambda line: advance() if line.startswith(MARK) else None)
    if done.status:
        raise _CrashError(f"the frames ended with status {done.status}: {done.problem.removeprefix(MARK)}")
    return list(read_messages(done.out, Stepped))


def _step(spec: StreamSpec, message: Stepped) -> Step:
    """Return the results of a frame as Python's own streams give them.

    Raises:
        ValueError: a state does not have the size that the artifact's description says.
    """
    stored = {
        state.name: np.frombuffer(message.states[state.name], state.dtype).reshape(state.shape) for state in spec.states
    }
    return Step(np.array(message.logits, np.float32), to_real(spec, stored))
