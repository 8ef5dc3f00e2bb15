"""Vendors' benchmark programs: parsing their output, and running them on a phone that is a test double.

The outputs are written for these tests in the formats of the programs' sources and of published reports, with invented
figures. Neither a real phone nor a program built for one was tested.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from adb_double import AdbDouble, PhoneDouble
from test_adb import android, phone, server  # noqa: F401

from edgeshift.benchmarks.devices.adb import FOLDER, AdbDevice
from edgeshift.benchmarks.latency.result import Report, Settings
from edgeshift.benchmarks.latency.vendor import measure_vendor
from edgeshift.benchmarks.latency.vendor_output import parse_benchmark_model, parse_executor_runner
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.cli import main
from edgeshift.errors import DeviceError

#: The format of 2018, whose last line has another order and other names.
TFLITE_2018 = """STARTING!
Num threads: [1]
Graph: [/data/local/tmp/m.tflite]
resolved reporter
Initialized session in 4.183ms
Running benchmark for at least 1 iterations and at least 0.5 seconds
count=13 first=39195 curr=37526 min=37464 max=39195 avg=37625.7 std=453

Running benchmark for at least 50 iterations and at least 1 seconds
count=50 first=37601 curr=37528 min=37413 max=37809 avg=37531.4 std=61

Average inference timings in us: Warmup: 37625.7, Init: 4183, no stats: 37531.4
"""
TFLITE_2019 = TFLITE_2018.replace("no stats", "Inference")
#: The format of 2020 to 2024, with the output of the profiler, which has statistics as well.
TFLITE_2021 = """STARTING!
Log parameter values verbosely: [0]
Num threads: [2]
Graph: [/data/local/tmp/edgeshift/m.tflite]
Enable op profiling: [1]
#threads used for CPU inference: [2]
Loaded model /data/local/tmp/edgeshift/m.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
The input model file size (MB): 2.73
Initialized session in 17.187ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=1 curr=3512391

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Timings (microseconds): count=1 first=1 curr=1 min=1 max=1 avg=1 std=0
Memory (bytes): count=0
31 nodes observed
Inference timings in us: Init: 17187, First inference: 3512391, Warmup (avg): 3.51239e+06, Inference (avg): 2.95034e+06
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE to the actual memory \
footprint of the model at runtime. Take the information at your discretion.
Peak memory footprint (MB): init=0 overall=12.8672
Timings (microseconds): count=50 first=108164 curr=128308 min=102850 max=197072 avg=150805 std=24368
"""
#: The format of LiteRT, with a prefix and percentiles.
LITERT = """INFO: STARTING!
INFO: Num threads: [1]
INFO: Graph: [/data/local/tmp/edgeshift/m.tflite]
INFO: Signature to run: []
INFO: Loaded model /data/local/tmp/edgeshift/m.tflite
INFO: The input model file size (MB): 2.73
INFO: Initialized session in 5.579ms.
INFO: Running benchmark for at least 40 iterations and at least 2 seconds but terminate if exceeding 150 seconds.
INFO: count=398 first=6021 curr=5018 min=4990 max=6021 avg=5025.1 std=80 p5=4998 median=5013 p95=5091

INFO: Running benchmark for at least 64 iterations and at least 6 seconds but terminate if exceeding 150 seconds.
INFO: count=1196 first=5001 curr=5013 min=4985 max=5450 avg=5014.5 std=22 p5=4995 median=5011 p95=5042

INFO: Inference timings in us: Init: 5579, First inference: 6021, Warmup (avg): 5025.1, Inference (avg): 5014.5
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
INFO: Memory footprint delta from the start of the tool (MB): init=6.36 overall=10.8
"""
#: The format of Android's log. All executions took equally long, so there is only one time.
LITERT_SAME = """07-14 13:14:52.859 22838 22838 I tflite  : count=2 curr=50(all same) p5=50 median=50 p95=50
07-14 13:14:56.520 22838 22838 I tflite  : count=25 curr=50(all same) p5=50 median=50 p95=50
07-14 13:14:56.521 22838 22838 I tflite  : Inference timings in us: Init: 9, First inference: 50, Warmup (avg): 50, \
Inference (avg): 50
"""
#: ExecuTorch of 2024 reports no times, that of 2025 the total time of all executions, that of 2026 each execution.
EXECUTORCH_2024 = """I 00:00:00.000526 executorch:executor_runner.cpp:82] Model file m.pte is loaded.
I 00:00:00.000669 executorch:executor_runner.cpp:161] Method loaded.
I 00:00:00.000764 executorch:executor_runner.cpp:180] Model executed successfully.
I 00:00:00.000770 executorch:executor_runner.cpp:184] 1 outputs:
Output 0: tensor(sizes=[1], [2.])
"""
EXECUTORCH_2025 = """I 00:00:00.048120 executorch:threadpool.cpp:48] Resetting threadpool to 1 threads.
I 00:00:00.051509 executorch:executor_runner.cpp:218] Model file m.pte is loaded.
D 00:00:00.051630 executorch:method.cpp:793] Loading method: forward.
I 00:00:00.091459 executorch:executor_runner.cpp:340] Model executed successfully 4 time(s) in 22.904883 ms.
I 00:00:00.091477 executorch:executor_runner.cpp:349] 1 outputs:
OutputX 0: tensor(sizes=[1, 5], [0.1, 0.2, 0.3, 0.4, 0.5])
"""
EXECUTORCH_2026 = """I 00:00:05.833558 executorch:executor_runner.cpp:564] Model loaded in 44.632682 ms.
I 00:00:06.075611 executorch:executor_runner.cpp:705] Iteration 1 of 3: 9.944288 ms
I 00:00:06.075701 executorch:executor_runner.cpp:705] Iteration 2 of 3: 5.000000 ms
I 00:00:06.075801 executorch:executor_runner.cpp:705] Iteration 3 of 3: 5.100000 ms
I 00:00:06.075901 executorch:executor_runner.cpp:714] Model executed successfully 3 time(s) in 20.044288 ms.
"""
#: The same in Android's raw log, without the prefix.
EXECUTORCH_LOG = "\n".join(line.partition("] ")[2] for line in EXECUTORCH_2026.splitlines())


def test_parse_benchmark_model_of_2018_and_2019() -> None:
    for text in (TFLITE_2018, TFLITE_2019):
        times = parse_benchmark_model(text)
        assert (times.load, times.first, times.warmup, times.warmup_time, times.runs) == (4183, 39195, 13, 37625.7, 50)
        assert times.figures == {"mean": 37531.4, "min": 37413, "max": 37809, "std": 61}


def test_parse_benchmark_model_of_2021() -> None:
    times = parse_benchmark_model(TFLITE_2021)
    assert (times.load, times.first, times.warmup, times.warmup_time) == (17187, 3512391, 1, 3512390)
    assert times.runs == 50 and times.figures == {"mean": 2950340, "min": 2727568, "max": 3189954, "std": 109798}


def test_parse_benchmark_model_of_litert() -> None:
    times = parse_benchmark_model(LITERT)
    assert (times.load, times.first, times.warmup, times.warmup_time, times.runs) == (5579, 6021, 398, 5013, 1196)
    assert times.figures == {
        "mean": 5014.5,
        "min": 4985,
        "max": 5450,
        "std": 22,
        "p5": 4995,
        "p50": 5011,
        "p95": 5042,
    }
    assert times.samples == ()


def test_parse_benchmark_model_in_androids_log() -> None:
    times = parse_benchmark_model(LITERT_SAME)
    assert (times.warmup, times.runs) == (2, 25)
    assert times.figures == {"mean": 50, "p5": 50, "p50": 50, "p95": 50}


def test_parse_executor_runner_with_one_time_per_execution() -> None:
    for text in (EXECUTORCH_2026, EXECUTORCH_LOG):
        times = parse_executor_runner(text)
        assert times.samples == (9944.288, 5000.0, 5100.0) and times.first == 9944.288
        assert times.load == pytest.approx(44632.682) and times.runs == 3
        assert times.figures["mean"] == pytest.approx(6681.429, abs=0.001)


def test_parse_executor_runner_with_a_total_time() -> None:
    times = parse_executor_runner(EXECUTORCH_2025)
    assert times.samples == () and times.first is None and times.load is None
    assert times.runs == 4 and times.figures == {"mean": pytest.approx(5726.221, abs=0.001)}


def test_an_incomplete_log_gives_no_samples() -> None:
    text = "\n".join(line for line in EXECUTORCH_2026.splitlines() if "Iteration 1 " not in line)
    times = parse_executor_runner(text)
    assert times.samples == () and times.runs == 3


def test_executor_runner_without_times_is_an_error() -> None:
    with pytest.raises(DeviceError, match="does not report how long executions took: build a newer one"):
        parse_executor_runner(EXECUTORCH_2024)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it printed nothing"),
        ("STARTING!\nERROR: Failed to load the model\n\n", "its last line: ERROR: Failed to load the model"),
        (LITERT.partition("INFO: Inference")[0], "its last line: INFO: count=1196"),
        (LITERT.replace("Inference (avg): 5014.5", "Inference (avg): nan"), "its last line: INFO: Memory"),
        (LITERT.replace("Inference (avg): 5014.5", "Inference (avg): -1"), "its last line"),
        (LITERT.replace("count=", "n="), "its last line"),
        ("x" * 5000, "its last line: x{200}$"),
    ],
)
def test_output_without_a_result_is_an_error(text: str, words: str) -> None:
    with pytest.raises(DeviceError, match=f"benchmark_model ended without a result that edgeshift can read; .*{words}"):
        parse_benchmark_model(text)
    with pytest.raises(DeviceError, match="executor_runner ended without a result that edgeshift can read"):
        parse_executor_runner(text)


CORE = min(os.sched_getaffinity(0))
SETTINGS = Settings(
    mode="rapid",
    steps=64,
    seconds=6.0,
    repeats=3,
    threads=2,
    cores=(CORE,),
    frames="drawn",
    width=640,
    height=480,
    max_temperature=80.0,
)


@pytest.fixture
def ready(phone: PhoneDouble) -> PhoneDouble:  # noqa: F811
    android(phone)
    return phone


@pytest.mark.slow
def test_measure_a_tflite_artifact_on_a_phone(ready: PhoneDouble, made, tmp_path: Path) -> None:
    artifact = made("tsm", "int8", "tflite").path
    script = tmp_path / "benchmark_model"
    answer = LITERT.replace("INFO: STARTING!", "INFO: STARTING! $*")
    script.write_text(f'#!/bin/sh\ntaskset -p $$ > "$ROOT/pinned"\ncat >&2 <<END\n{answer}END\n')
    device = AdbDevice()
    repeat = measure_vendor(device, artifact, SETTINGS, program=script)
    assert repeat.reported["p50"] == 5011 and repeat.infer == () and repeat.end_to_end == ()
    assert (repeat.load, repeat.first, repeat.warmup, repeat.warm) == (0.005579, 0.006021, 398, True)
    assert repeat.seconds == pytest.approx(1196 * 5014.5e-6)
    assert repeat.runtime == "benchmark_model (its vendor's program; random inputs, states not carried)"
    assert repeat.before.temperatures["battery"] == 28.7 and repeat.checked is None
    assert (ready.root / "pinned").read_text().split()[-1] == f"{1 << CORE:x}", "pinned"
    [there] = ready.file(FOLDER).glob("*.tflite")
    assert there.read_bytes() == artifact.read_bytes()
    command = next(query for query in ready.services if "--graph" in query)
    assert f"--graph={FOLDER}/{there.name} --num_threads=2 --warmup_runs=40" in command
    assert "--num_runs=64 --min_secs=6.0" in command
    assert msgspec.json.decode(msgspec.json.encode(repeat), type=type(repeat)) == repeat
    transfers = ready.services.count("sync:")
    script.unlink()
    measure_vendor(device, artifact, SETTINGS)  # program and artifact are on the phone now
    assert ready.services.count("sync:") == transfers


RUNNER = """
for word in "$@"; do case $word in --num_executions=*) n=${word#*=};; esac; done
i=1; echo "Model loaded in 3.5 ms." >> "$ROOT/log"
while [ $i -le $n ]; do echo "Iteration $i of $n: $((i > 1 ? 100 : 400)).0 ms" >> "$ROOT/log"; i=$((i + 1)); done
echo "Model executed successfully $n time(s) in $((n * 100 + 300)).000000 ms." >> "$ROOT/log"
"""


@pytest.mark.slow
def test_measure_an_executorch_artifact_on_a_phone(ready: PhoneDouble, made) -> None:
    """On Android the program writes to the log, not to the terminal."""
    artifact = made("tsm", "int8", "executorch").path
    ready.program("executor_runner", RUNNER, "data/local/tmp")
    ready.program("logcat", 'cat "$ROOT/log" && rm "$ROOT/log"')
    repeat = measure_vendor(AdbDevice(), artifact, SETTINGS)
    # 40 executions are warm-up. 60 timed ones of 0.1 s take the required 6 s, and 20% are added.
    assert repeat.warmup == 40 and repeat.infer == (100_000.0,) * 72 and repeat.warm
    assert repeat.reported == {"mean": 100_000.0} and repeat.seconds == pytest.approx(7.2)
    assert (repeat.load, repeat.first) == (0.0035, 0.4)
    assert repeat.runtime.startswith("executor_runner (its vendor's program; inputs of ones, ")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["tflite", "executorch"])
def test_bench_command_on_a_phone_without_python(
    ready: PhoneDouble, made, tmp_path: Path, monkeypatch, capsys, target: str
) -> None:
    """By default the program is pinned to the fastest cores. The report can be shown; ``compare`` refuses it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for core, clock in ((7, 1_000_000), (CORE, 4_000_000)):
        ready.file(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq").write_text(f"{clock}\n")
    pinned = 'taskset -p $$ > "$ROOT/pinned"\n'
    ready.program("benchmark_model", f"{pinned}cat >&2 <<END\n{LITERT}END", "data/local/tmp")
    ready.program("executor_runner", pinned + RUNNER, "data/local/tmp")
    ready.program("logcat", 'cat "$ROOT/log" && rm "$ROOT/log"')

    def run(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0)

    artifact, out = made("tsm", "int8", target).path, tmp_path / "phone.json"
    capsys.readouterr()
    assert run("bench", artifact, "--device", "adb", "--mode", "rapid", "--out", out) == 0
    assert "a vendor's program measures" in capsys.readouterr().err
    report = read_document(out)
    assert isinstance(report, Report) and report.settings.cores == (CORE,)
    assert (ready.root / "pinned").read_text().split()[-1] == f"{1 << CORE:x}"
    (subject,) = report.subjects
    assert len(subject.repeats) == 3 and all(repeat.reported for repeat in subject.repeats)
    assert all(bool(repeat.infer) == (target == "executorch") for repeat in subject.repeats)
    assert run("report", out) == 0
    assert "reported by" in capsys.readouterr().out
    assert run("compare", out, out, "--allow-invalid") == 2
    error = capsys.readouterr().err
    assert "does not time a step end to end" in error and error.count("\n") == 1


@pytest.mark.slow
def test_measure_with_an_executor_runner_that_reports_only_a_total_time(ready: PhoneDouble, made) -> None:
    artifact = made("tsm", "int8", "executorch").path
    ready.program("executor_runner", RUNNER.replace("Iteration", "#").replace("loaded", "#"), "data/local/tmp")
    ready.program("logcat", 'cat "$ROOT/log" && rm "$ROOT/log"')
    repeat = measure_vendor(AdbDevice(), artifact, SETTINGS)
    assert repeat.infer == () and not repeat.warm and repeat.first == 0.4 and repeat.warmup == 0
    assert repeat.reported["mean"] == pytest.approx((112 * 100e3 + 300e3) / 112)
    assert repeat.runtime.endswith("load not reported)")


@pytest.mark.slow
def test_errors_name_the_program_and_the_remedy(ready: PhoneDouble, made, tmp_path: Path) -> None:
    artifact, device = made("tsm", "int8", "tflite").path, AdbDevice()

    def fails(words: str, settings: Settings = SETTINGS, program: Path | None = None, file: Path = artifact) -> None:
        with pytest.raises(DeviceError, match=words):
            measure_vendor(device, file, settings, program)

    fails(r"has no benchmark_model in /data/local/tmp/edgeshift or /data/local/tmp: give one")
    fails("there is no such file; benchmark_model must be built for the phone", program=tmp_path / "none")
    fails("benchmark_model has no --mode paced", msgspec.structs.replace(SETTINGS, mode="paced", fps=30.0))
    fails("has no --lock-clocks", msgspec.structs.replace(SETTINGS, locked=True))
    fails("run .tflite and .pte, not .onnx", file=made("tsm", "int8", "onnx").path)
    ready.program("benchmark_model", "echo ERROR: unknown flag >&2; exit 1", "data/local/tmp")
    fails("benchmark_model failed with 1: ERROR: unknown flag")
    ready.program("benchmark_model", "echo INFO: done", "data/local/tmp")
    fails("benchmark_model ended without a result that edgeshift can read; its last line: INFO: done")
    wrong = tmp_path / "wrong"
    wrong.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(64))
    fails("cannot run taskset|failed with|cannot run", program=wrong)


@pytest.mark.slow
def test_a_phone_that_is_unplugged_while_measuring_is_lost(ready: PhoneDouble, server: AdbDouble, made) -> None:  # noqa: F811
    ready.program("benchmark_model", "kill -9 $PPID; sleep 1", "data/local/tmp")
    with pytest.raises(DeviceError, match="the connection was lost"):
        measure_vendor(AdbDevice(), made("tsm", "int8", "tflite").path, SETTINGS)
