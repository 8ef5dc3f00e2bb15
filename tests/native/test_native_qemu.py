"""The native runtime, built for aarch64, runs under qemu as on the processors of boards.

qemu computes what the processor would compute, but not in the same time: latencies under qemu are meaningless.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from arm import ArmDevice

from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.messages import read_messages
from edgeshift.benchmarks.devices.probe import Probed
from edgeshift.runtimes import load

pytestmark = pytest.mark.slow
#: Processors of a Raspberry Pi 4, which has no atomic instructions and no dot products, and of a Raspberry Pi 5.
PI_4, PI_5 = "cortex-a72", "cortex-a76"
SEED, FRAMES = 7, 64
#: Prints the runtime and writes the logits of the frames that ``step_random_frames`` makes.
STEP_RANDOM_FRAMES = """
import sys
import numpy as np
from edgeshift.runtimes import load
path, seed, frames, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
model = load(path)
stream, random = model.stream(), np.random.RandomState(seed)
shape = (model.spec.frame.height, model.spec.frame.width, 3)
rows = []
for _ in range(frames):
    pixels = (random.randint(0, 1 << 32, size=shape, dtype=np.uint32) & 255).astype(np.uint8)
    prediction = stream.step(pixels)
    if prediction is not None and prediction.fresh:
        rows.append(prediction.logits)
np.array(rows, np.float32).tofile(out)
print(model.runtime)
"""


@pytest.fixture(scope="session")
def program(native_build: Callable[..., Path]) -> Path:
    """Return the test program for aarch64."""
    return native_build("native-aarch64") / "tests" / "step_random_frames"


@pytest.fixture
def board(arm: Path, agent: Path, tmp_path: Path) -> Callable[[str], ArmDevice]:
    """Return a function that makes a device with a processor."""

    def make(cpu: str) -> ArmDevice:
        folder = tmp_path / cpu
        folder.mkdir()
        return ArmDevice(arm, cpu, agent, folder)

    return make


def run(command: list[str], out: Path, classes: int) -> tuple[str, np.ndarray]:
    """Return what a command prints, and the logits that it writes."""
    # Python would import from the current folder first, so it is an empty one.
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=out.parent)
    assert done.returncode == 0, f"status {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout, np.fromfile(out, np.float32).reshape(-1, classes)


@pytest.mark.parametrize("cpu", [PI_4, PI_5])
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_native_runtime_computes_the_logits_of_python_on_other_processors(
    arm, agent, made, program, board, tmp_path, precision: str, cpu: str
) -> None:
    artifact, device, out = made("tsm", precision, "tflite").path, board(cpu), tmp_path / "logits"
    spec = load(artifact).spec
    steps = str(SEED), str(FRAMES), str(out)
    # The loader finds the library for GPUs in this folder. LiteRT must not open it: it needs a newer processor.
    libraries = arm / "packages" / "ai_edge_litert"
    assert (libraries / "libLiteRtWebGpuAccelerator.so").exists()
    command = device.program(str(program), str(artifact), str(libraries / "libLiteRt.so"), *steps, libraries=libraries)
    printed, native = run(command, out, len(spec.labels))
    assert "LiteRT" in printed and "compiled" in printed and "self-check passed" in printed
    assert len(native) == FRAMES and np.ptp(native) > 0

    command = device.python("-c", STEP_RANDOM_FRAMES, str(artifact), *steps, path=agent)
    printed, python = run(command, out, len(spec.labels))
    assert ("interpreter" in printed) == (cpu == PI_4), printed
    assert np.array_equal(native, python), f"off by {np.abs(native - python).max():.3g}, {printed}"

    here = np.empty((0, len(spec.labels)), np.float32)
    stream, random = load(artifact).stream(), np.random.RandomState(SEED)
    for _ in range(FRAMES):
        pixels = random.randint(0, 1 << 32, size=(spec.frame.height, spec.frame.width, 3), dtype=np.uint32) & 255
        here = np.vstack([here, stream.step(pixels.astype(np.uint8)).logits])
    bound = 0.0 if precision == "int8" else 1e-5 * np.ptp(here)
    assert np.abs(native - here).max() <= bound, f"off by {np.abs(native - here).max():.3g} from this machine"


def test_the_self_check_passes_on_a_raspberry_pi_4_with_four_threads(made, arm, program, board, tmp_path) -> None:
    artifact, out = made("stsm", "int8", "tflite").path, tmp_path / "logits"
    library = arm / "packages" / "ai_edge_litert" / "libLiteRt.so"
    steps = str(SEED), "8", str(out), "4"
    command = board(PI_4).program(str(program), str(artifact), str(library), *steps, libraries=library.parent)
    printed, logits = run(command, out, len(load(artifact).spec.labels))
    assert "4 threads" in printed and "self-check passed" in printed and len(logits) == 8


@pytest.mark.parametrize("cpu", [PI_4, PI_5])
def test_the_agent_checks_an_artifact_on_other_processors(made, arm, program, board, cpu: str) -> None:
    artifact, library = made("tsm", "int8", "tflite").path, arm / "packages" / "ai_edge_litert" / "libLiteRt.so"
    agent = program.parents[1] / "agent" / "edgeshift-agent"
    words = [str(agent), "--library", str(library), "--litert", "2.3.0", "check", str(artifact)]
    done = subprocess.run(board(cpu).program(*words, libraries=library.parent), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "LiteRT 2.3.0 (compiled, 1 thread)" in done.stdout and "self-check   passed" in done.stdout
    assert "differ by 0," in done.stdout, "int8 logits are those of the machine that made the artifact"


def test_the_agent_reads_the_facts_of_a_board_as_python_does(arm, program, board, tmp_path) -> None:
    """Under qemu, files in the folder of the board are used instead of those of this machine."""
    device, root = board(PI_5), tmp_path / PI_5
    cpus, zones, supplies = "sys/devices/system/cpu", "sys/class/thermal", "sys/class/power_supply"
    files = {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/meminfo": "MemTotal:        8245820 kB\nMemFree:         1 kB\n",
        "proc/loadavg": "0.52 0.58 0.59 1/467 12345\n",
        f"{zones}/thermal_zone0/temp": "51100\n",
        f"{zones}/thermal_zone0/type": "cpu-thermal\n",
        f"{zones}/thermal_zone1/temp": "-5000\n",
        f"{zones}/thermal_zone1/type": "cpu-thermal\n",  # a second sensor of the same name
        f"{zones}/thermal_zone2/temp": "-274000\n",  # a sensor that is switched off
        f"{zones}/thermal_zone3/temp": "not a number\n",
        f"{supplies}/ac/type": "Mains\n",
        f"{supplies}/ac/online": "0\n",
        f"{supplies}/usb/type": "USB\n",
        f"{supplies}/usb/online": "1\n",
        f"{cpus}/cpufreq/policy0": "",  # it begins like a core
    }
    for core in range(11):
        files[f"{cpus}/cpu{core}/cpufreq/scaling_cur_freq"] = f"{1_500_000 + core}\n"
        files[f"{cpus}/cpu{core}/cpufreq/cpuinfo_max_freq"] = "2400000\n"
        files[f"{cpus}/cpu{core}/cpufreq/scaling_governor"] = "ondemand\n" if core < 5 else "performance\n"
        files[f"{cpus}/cpu{core}/thermal_throttle/core_throttle_count"] = "617\n"
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    library = arm / "packages" / "ai_edge_litert" / "libLiteRt.so"
    agent = program.parents[1] / "agent" / "edgeshift-agent"
    command = device.program(str(agent), "--library", str(library), "probe", libraries=library.parent)
    done = subprocess.run(command, capture_output=True, text=True)
    (probed,) = read_messages(done.stdout, Probed)
    there, here = probed.probe.facts, read_facts(root, lambda command: None)
    assert there.system.startswith("Linux aarch64, native agent") and there.processor == "aarch64"
    assert msgspec.structs.replace(there, system=here.system, processor=here.processor) == here
    assert len(here.clock) == 11 and len(here.temperatures) == 2 and here.power_source == "USB" and here.throttled
