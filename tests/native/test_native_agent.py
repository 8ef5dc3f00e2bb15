"""The native agent on this machine: logits, reports and messages of the Python agent, and one line for errors."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from short_settings import SHORT

from edgeshift.benchmarks.accuracy.candidate import open_candidate as open_for_accuracy
from edgeshift.benchmarks.accuracy.measure import measure as measure_accuracy
from edgeshift.benchmarks.accuracy.remote import open_on_device, stream_on_device
from edgeshift.benchmarks.devices import litert_library, native
from edgeshift.benchmarks.devices.facts import read_facts
from edgeshift.benchmarks.devices.litert_library import find_library
from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.devices.messages import Message, call_worker
from edgeshift.benchmarks.devices.native import NativeDevice
from edgeshift.benchmarks.devices.probe import ask_probe
from edgeshift.benchmarks.latency.bench import Plan, measure, open_candidate, push_job
from edgeshift.benchmarks.latency.messages import ClipLogits
from edgeshift.benchmarks.latency.result import Report
from edgeshift.cli import main
from edgeshift.errors import DeviceError, EdgeshiftError

MACHINE = platform.machine()


@pytest.fixture
def device(native_agents: Path) -> NativeDevice:
    """Return this machine, on which the native agent measures."""
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    return NativeDevice(LocalDevice(), agents=native_agents)


@pytest.fixture(params=["int8", "clip"])
def artifact(request: pytest.FixtureRequest) -> Path:
    """Return an artifact of a stream, and one of clips."""
    if request.param == "clip":
        return request.getfixturevalue("clip_artifact")
    return request.getfixturevalue("made")("tsm", "int8").path


def plan(device: NativeDevice, path: Path, **changes: object) -> Plan:
    settings = msgspec.structs.replace(SHORT, **changes)
    return Plan(device, [open_candidate(path)], settings, "drawn", ask_probe(device).facts)


def test_logits_are_those_of_the_python_agent(device, artifact, tmp_path):
    """The short clip has fewer frames than a clip artifact takes, so that some of them are repeated."""
    frame = open_candidate(artifact).spec.frame
    random = np.random.default_rng(0)
    clips = {
        name: random.integers(0, 256, (count, frame.height, frame.width, 3), np.uint8)
        for name, count in (("long", 11), ("short", 3), ("one", 1))
    }
    np.savez(tmp_path / "clips.npz", **clips)

    def logits(where) -> dict[str, list[list[float]]]:
        received: dict[str, list[list[float]]] = {}

        def receive(message: Message) -> None:
            assert isinstance(message, ClipLogits)
            received[message.clip] = message.logits

        arguments = ["logits", str(artifact), str(tmp_path / "clips.npz")]
        last = call_worker(where, arguments, 120, ClipLogits, receive=receive)
        assert last.runtime.startswith("LiteRT 2.") and list(received) == ["long", "short", "one"]
        return received

    given, expected = logits(device), logits(LocalDevice())
    for name in clips:
        assert np.array_equal(np.float32(given[name]), np.float32(expected[name])), name
    assert np.ptp(np.float32(given["long"])) > 0


def test_a_repeat_has_the_fields_of_a_repeat_of_the_python_agent(device, artifact):
    subject = measure(plan(device, artifact)).subjects[0]
    (repeat,) = subject.repeats
    assert repeat.ran_on is not None and repeat.ran_on.accelerator == "cpu"
    assert len(repeat.pre) == len(repeat.infer) == len(repeat.post) == len(repeat.end_to_end) >= 20
    assert repeat.seconds >= 0.2 and repeat.warmup >= 40 and repeat.load > 0 and repeat.first > 0
    assert repeat.checked is True and not repeat.partial and repeat.steps is None
    for pre, infer, post, total in zip(repeat.pre, repeat.infer, repeat.post, repeat.end_to_end, strict=True):
        assert min(pre, infer) > 0 and pre + infer + post <= total + 0.3  # each is rounded to 0.1 microseconds
    assert subject.memory is not None
    assert 0 < subject.memory.before < subject.memory.loaded <= subject.memory.peak


def test_a_paced_repeat_counts_frames(device, artifact):
    (repeat,) = measure(plan(device, artifact, mode="paced", steps=1, seconds=1.0, fps=20.0)).subjects[0].repeats
    assert repeat.offered is not None and 20 <= repeat.offered <= 23 and repeat.missed is not None
    assert 0 < len(repeat.end_to_end) <= repeat.offered


def test_a_sustained_repeat_sends_each_minute(device, artifact):
    minutes = []
    sustained = plan(device, artifact, mode="sustained", seconds=0.4, minutes=2, width=0, height=0)
    (repeat,) = measure(sustained, on_minute=minutes.append).subjects[0].repeats
    assert repeat.minutes == tuple(minutes) and [minute.minute for minute in minutes] == [0, 1]
    assert sum(minute.steps for minute in minutes) == len(repeat.end_to_end) and repeat.seconds >= 0.8


def test_facts_are_those_that_python_reads(device):
    probe, facts = ask_probe(device), read_facts()
    assert (probe.python, probe.numpy, probe.opencv) == ("", "", True) and set(probe.runtimes) == {"tflite"}
    steady = ("board", "processor", "features", "cores", "memory", "governors", "throttled", "power_source")
    for field in steady:
        assert getattr(probe.facts, field) == getattr(facts, field), field
    assert (
        probe.facts.temperatures.keys() == facts.temperatures.keys() and probe.facts.clock.keys() == facts.clock.keys()
    )
    assert "native agent" in probe.facts.system


TOOLS = {
    "vcgencmd": """case "$1" in
        measure_clock) echo "frequency(0)=1800404352" ;;
        measure_temp) echo "temp=61.8'C" ;;
        get_throttled) echo "throttled=0x50005" ;;
    esac""",
    "nvpmodel": "echo 'NV Fan Mode:quiet'; echo 'NV Power Mode: MAXN SUPER'; echo 0",
}


def test_facts_of_board_tools_are_those_that_python_reads(device, tmp_path, monkeypatch):
    for name, script in TOOLS.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    there, here = ask_probe(device).facts, read_facts()
    assert there.power_mode == here.power_mode == "MAXN SUPER" and there.clock["arm"] == here.clock["arm"]
    assert there.throttled == here.throttled and "voltage too low since it started" in (here.throttled or ())
    assert there.temperatures.keys() == here.temperatures.keys()


def test_accuracy_is_that_of_this_machine(device, artifact, clips):
    there = measure_accuracy(open_on_device(device, artifact), clips, elsewhere=partial(stream_on_device, device))
    here = measure_accuracy(open_for_accuracy(artifact), clips)
    assert there.clips == here.clips and len(here.clips) == 3 and there.runtime.endswith("on local, native agent")


@pytest.fixture
def command(device, native_agents, tmp_path, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs edgeshift. It returns exit status, standard output and standard error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native, "AGENTS", native_agents)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_bench_compare_and_resume(command, made, tmp_path, monkeypatch):
    """Reports of both agents are compared, with a note on what differs. The other agent's repeats are not resumed."""
    monkeypatch.setattr("edgeshift.cli.bench.mode_settings", lambda mode, **fields: SHORT)
    path, python, other = made("tsm", "int8").path, tmp_path / "python.json", tmp_path / "native.json"
    assert command("bench", path, "--no-memory", "--out", python)[0] == 0
    assert command("bench", path, "--no-memory", "--agent", "native", "--out", other)[0] == 0
    reports = [msgspec.json.decode(file.read_bytes(), type=Report) for file in (python, other)]
    assert reports[0].settings == reports[1].settings and reports[0].subjects[0].sha256 == reports[1].subjects[0].sha256
    status, out, error = command("compare", python, other, "--allow-invalid")
    assert status in (0, 1) and "native agent" in out + error, error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "{cut}", "--agent", "native"], "cut.tflite: "),
        (["bench", "{onnx}", "--agent", "native"], "the native agent runs .tflite and .qnn.onnx artifacts only; bench"),
        (["bench", "{good}", "--agent", "native", "--option", "backend=interpreter"], "no option backend=interpreter"),
        (["bench", "{good}", "--agent", "native", "--litert", "{cut}"], "this is no library, and the device needs"),
        (["bench", "{good}", "--agent", "native", "--litert", "none.so"], "none.so: there is no such file"),
        (["bench", "{good}", "--agent", "native", "--cores", "1000"], "cores 1000: this device has 0"),
    ],
)
def test_bad_input_is_one_line(command, made, tmp_path, arguments, words):
    files = {"good": made("tsm", "int8").path, "cut": tmp_path / "cut.tflite", "onnx": tmp_path / "a.onnx"}
    files["cut"].write_bytes(files["good"].read_bytes()[:100_000])
    onnx = Path(__file__).parents[1] / "artifact" / "stored" / "version1_fp16.onnx"
    files["onnx"].write_bytes(onnx.read_bytes())
    status, _, error = command(*(argument.format(**files) for argument in arguments))
    assert status == 2 and words in error and len(error.strip().splitlines()) == 1, error


def test_accuracy_with_sound_is_not_measured_by_the_agent(command, hearing, clips, tmp_path):
    status, out, error = command("eval", hearing, "--data", tmp_path / "clips", "--agent", "native")
    assert (status, out) == (2, "") and "leave out --device, --agent and --python" in error.splitlines()[-1], error


def run_agent(device: NativeDevice, *arguments: object) -> subprocess.CompletedProcess[str]:
    program, _, *options = device.agent()
    command = [program, *options, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_agent_checks_what_is_sent_to_it(device, made, tmp_path):
    """Each fault is one line on standard error and exit status 2, also without the checks of this machine."""
    path = made("tsm", "int8").path
    cut, array, clips, job = (tmp_path / name for name in ("cut.tflite", "a.npy", "a.npz", "job.json"))
    cut.write_bytes(path.read_bytes()[:100_000])
    np.save(array, np.zeros((2, 8, 8, 3), np.float32))
    np.savez_compressed(clips, clip=np.zeros((2, 8, 8, 3), np.uint8))
    fields = json.loads(Path(push_job(plan(device, path), open_candidate(path), tmp_path)).read_bytes())

    def bench(**changes: object) -> subprocess.CompletedProcess[str]:
        job.write_text(json.dumps({**fields, **changes}))
        return run_agent(device, "bench", job)

    faults = [
        (run_agent(device, "check", cut), "no edgeshift description at its end"),
        (run_agent(device, "check", tmp_path / "none.tflite"), "no such file"),
        (run_agent(device, "logits", path, clips), "no .npz file of NumPy without compression"),
        (run_agent(device, "logits", path, path), "no .npz file of NumPy without compression"),
        (run_agent(device, "bench", array), "this is not a job of edgeshift"),
        (run_agent(device, "dance"), "usage: edgeshift-agent"),
        (bench(frames=str(array)), "frames are uint8 [N, H, W, 3], not"),
        (bench(frames=str(path)), "this is no array of NumPy"),
        (bench(frames="none.npy"), "none.npy: cannot be read: No such file"),
        (bench(runtime="onnxruntime"), "the native agent runs tflite, not 'onnxruntime'"),
        (bench(colour="red"), "unknown field `colour`"),
        (bench(settings={**fields["settings"], "threads": 0}), "`int` >= 1 - at `$.settings.threads`"),
        (bench(settings={**fields["settings"], "locked": True}), "the clocks cannot be locked"),
    ]
    for done, words in faults:
        assert done.returncode == 2 and words in done.stderr, (words, done.stderr)
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("edgeshift: ") and "edgeshift: {" not in done.stdout, done.stdout


def test_the_self_check_is_printed_and_its_failure_is_an_exit_status(device, made, tmp_path):
    from edgeshift.artifact.file import read_artifact, write_artifact

    path = made("tsm", "int8").path
    passed = run_agent(device, "check", path)
    assert passed.returncode == 0 and "self-check   passed" in passed.stdout
    artifact = read_artifact(path)
    check = artifact.spec.check
    assert check is not None
    wrong = msgspec.structs.replace(check, logits=tuple(tuple(-value for value in row) for row in check.logits))
    write_artifact(tmp_path / "w.tflite", artifact.body, msgspec.structs.replace(artifact.spec, check=wrong))
    failed = run_agent(device, "check", tmp_path / "w.tflite")
    assert failed.returncode == 1 and "self-check   FAILED" in failed.stdout


def test_the_agent_ends_with_the_program_that_started_it(device, made, tmp_path):
    path = made("tsm", "int8").path
    job = push_job(plan(device, path, seconds=60.0), open_candidate(path), tmp_path)
    with subprocess.Popen([*device.agent(), "bench", job], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as agent:
        assert agent.stdin is not None
        time.sleep(1)
        assert agent.poll() is None
        agent.stdin.close()
        assert agent.wait(10) == 143


def test_a_signal_stops_the_agent(device, made, tmp_path):
    path = made("tsm", "int8").path
    job = push_job(plan(device, path, seconds=60.0), open_candidate(path), tmp_path)
    program, _, *options = device.agent()
    with subprocess.Popen([program, *options, "bench", job], stdout=subprocess.DEVNULL) as agent:
        time.sleep(1)
        assert agent.poll() is None
        agent.terminate()
        assert agent.wait(10) == 143


def test_damaged_frames_crash_nothing(device, tmp_path):
    """The agent refuses a damaged file, or accepts it and then finds no artifact. It ends with no signal."""
    np.savez(tmp_path / "whole.npz", clip0=np.zeros((2, 8, 8, 3), np.uint8), clip1=np.zeros((1, 8, 8, 3), np.uint8))
    whole, random = (tmp_path / "whole.npz").read_bytes(), np.random.default_rng(0)
    refused = 0
    for index in range(150):
        data = bytearray(whole)
        if index % 3 == 0:
            del data[int(random.integers(0, len(data))) :]
        for _ in range(index % 3):
            # The headers of the entries, of the arrays, and the list of entries at the end.
            at = int(random.choice([random.integers(0, 200), random.integers(len(data) - 200, len(data))]))
            data[at] = int(random.integers(0, 256))
        (tmp_path / "damaged.npz").write_bytes(data)
        done = run_agent(device, "logits", tmp_path / "none.tflite", tmp_path / "damaged.npz")
        assert done.returncode == 2 and done.stderr.startswith("edgeshift: "), (index, done)
        refused += "damaged.npz" in done.stderr
    assert refused > 50


def elf(number: int) -> bytes:
    """Return the start of a library for a processor."""
    return b"\x7fELF\x02\x01" + bytes(12) + number.to_bytes(2, "little") + bytes(64)


def test_the_library_is_for_the_processor_of_the_device(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(litert_library, "installed_library", lambda: None)
    arm = tmp_path / "arm.so"
    arm.write_bytes(elf(183))
    assert find_library("aarch64", arm, tmp_path) == (arm, "")
    with pytest.raises(DeviceError, match=r"this is a library for aarch64, and the device needs libLiteRt.so for x86"):
        find_library("x86_64", arm, tmp_path)
    with pytest.raises(DeviceError, match=r"no LiteRT library for aarch64 here: run `make agents`, or run `pip downl"):
        find_library("aarch64", None, tmp_path)
    with pytest.raises(DeviceError, match=r"give --litert with LiteRT's \.aar file"):
        find_library("aarch64", None, tmp_path, android=True)
    folder = tmp_path / "litert-aarch64"
    folder.mkdir()
    with zipfile.ZipFile(folder / "ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_aarch64.whl", "w") as wheel:
        wheel.writestr("ai_edge_litert/libLiteRt.so", elf(183))
    found = find_library("aarch64", None, tmp_path)
    assert found.version == "2.3.0" and found.path.read_bytes() == elf(183)
    with zipfile.ZipFile(tmp_path / "litert.aar", "w") as package:
        package.writestr("jni/arm64-v8a/libLiteRt.so", elf(183))
    assert find_library("aarch64", tmp_path / "litert.aar", tmp_path, android=True).path.read_bytes() == elf(183)
    with pytest.raises(DeviceError, match=r"litert.aar: this package has no libLiteRt.so for x86_64"):
        find_library("x86_64", tmp_path / "litert.aar", tmp_path)


def test_an_agent_that_is_not_built_is_one_line(tmp_path):
    with pytest.raises(EdgeshiftError, match=rf"local: the native agent for {MACHINE} is not built: run `make agents`"):
        ask_probe(NativeDevice(LocalDevice(), agents=tmp_path))
