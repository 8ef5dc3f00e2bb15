"""The check of an artifact on the processor of a board, which qemu emulates on this machine.

qemu computes each instruction as the processor would, and refuses those that the processor does not have. Its times say
nothing about the processor's speed. The native agent runs the artifact; see ``edgeshift.benchmarks.devices.native``.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edgeshift._system.process import run_process
from edgeshift.benchmarks.devices.agent_check import Run, check_with_agent
from edgeshift.benchmarks.devices.litert_library import find_library
from edgeshift.benchmarks.devices.native import AGENTS, PROGRAM, require_native
from edgeshift.errors import DeviceError
from edgeshift.runtimes.accelerated import ACCELERATORS, SECONDS, Checked, References, check_accelerator
from edgeshift.runtimes.drivers import Accelerator
from edgeshift.stream.placement import Placement

MACHINE = "aarch64"
#: Names of the program that emulates one program of another processor. Debian's package is qemu-user-static.
QEMU = ("qemu-aarch64-static", "qemu-aarch64")
CORES = 4
#: What it prints for its version, and how long that may take, seconds.
QEMU_VERSION, QEMU_SECONDS = re.compile(r"version (\d[\d.]{0,20})"), 10.0


class Processor(NamedTuple):
    """A processor that qemu emulates.

    Attributes:
        part: its part number in /proc/cpuinfo.
        features: its features in /proc/cpuinfo. Runtimes choose their instructions by them.
    """

    part: str
    features: str


#: {processor, as qemu names it: its description}: that of a Raspberry Pi 4, which has no aes, no sha2 and no
#: dot products, and that of a Raspberry Pi 5.
PROCESSORS = {
    "cortex-a72": Processor("0xd08", "fp asimd evtstrm crc32 cpuid"),
    "cortex-a76": Processor(
        "0xd0b",
        "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp",
    ),
}
#: All names of ``edgeshift verify --accelerator``.
NAMES = (*ACCELERATORS, *PROCESSORS)


def check(
    path: Path,
    name: str,
    references: References = References(),  # noqa: B008 - it cannot be changed
    advance: Callable[[], None] = lambda: None,
) -> Checked:
    """Check an artifact on an accelerator or on an emulated processor. Arguments are as for ``check_accelerator``.

    Args:
        name: a name in ``NAMES``.
    """
    if name in PROCESSORS:
        return check_processor(path, name, references, advance)
    return check_accelerator(path, name, references, advance)


def check_processor(
    path: Path,
    name: str,
    references: References = References(),  # noqa: B008 - it cannot be changed
    advance: Callable[[], None] = lambda: None,
    *,
    agents: Path = AGENTS,
    library: Path | None = None,
) -> Checked:
    """Run the self-check of an artifact and 32 frames on an emulated processor, and compare the frames with this CPU.

    Args:
        path: an artifact that is known to be valid.
        name: a name in ``PROCESSORS``.
        references: what its results are compared with, besides this CPU.
        advance: called for each run of the self-check, after its end, and after every frame.
        agents: the folder of `make agents`.
        library: LiteRT's library for aarch64, or a package that contains it; None: see ``find_library``.
    """

    def prepare(folder: Path) -> tuple[Run, Callable[[Path], str]]:
        require_native(path, runtimes=("tflite",))
        command = _agent(folder, name, agents, library)
        return lambda words, on_line: run_process([*command, *words], SECONDS, on_line), str

    ran_on = Placement(accelerator="cpu", device=f"{name}, emulated")
    return check_with_agent(name, path, prepare, references, ran_on, advance)


def find_emulator() -> Accelerator:
    """Return what is installed here to emulate the processors of boards, and what is missing."""
    qemu, version = _qemu(), None
    if qemu is not None:
        with suppress(DeviceError):
            version = QEMU_VERSION.search(run_process([qemu, "--version"], QEMU_SECONDS).out)
    remark = _missing(AGENTS) or f"edgeshift verify --accelerator {next(iter(PROCESSORS))} uses it"
    found = None if qemu is None else version[1] if version else ""
    return Accelerator(", ".join(PROCESSORS), QEMU[0], found, (), remark)


def _missing(agents: Path) -> str | None:
    """Return what is missing to emulate a processor; None: nothing. ``agents``: the folder of `make agents`."""
    if _qemu() is None:
        return f"{QEMU[0]} is not installed, which emulates it (Debian: apt install qemu-user-static)"
    if not (agents / f"{PROGRAM}-{MACHINE}").is_file() or _loader(agents) is None:
        return f"the native agent for {MACHINE} is not built: run `make agents` in edgeshift's repository"
    return None


def _loader(agents: Path) -> Path | None:
    """Return the program that starts programs of the emulated processor; None: it is not there."""
    return next((agents / f"glibc-{MACHINE}").glob("ld-linux*"), None)


def _qemu() -> str | None:
    return next(filter(None, map(shutil.which, QEMU)), None)


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
    if (missing := _missing(agents)) is not None:
        raise DeviceError(missing)
    qemu, loader = _qemu(), _loader(agents)
    assert qemu is not None and loader is not None, "nothing is missing"
    found = find_library(MACHINE, library, agents)
    board_folder(folder, PROCESSORS[name])
    return [
        *(qemu, "-cpu", name, "-L", str(folder), str(loader), "--library-path", str(loader.parent)),
        *(str(agents / f"{PROGRAM}-{MACHINE}"), "--library", str(found.path)),
        *(("--litert", found.version) if found.version else ()),
    ]
