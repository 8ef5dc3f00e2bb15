"""``bench``, ``eval`` and ``demo`` with --accelerator: on the software GPU, and where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lint_graphs import T, tflite

from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.artifact.seen import mark_seen
from edgeshift.benchmarks.latency import mode
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.gestures import draw_clips
from edgeshift.runtimes import load
from edgeshift.stream.placement import ON_CPU
from edgeshift.video.clips import write_video

ON_GPU = "gpu (SwiftShader Device (Subzero), Vulkan): all operators"


@pytest.fixture
def fp16(made) -> Path:
    path: Path = made("tsm", "fp16", device="mali").path
    return path


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two clips of four frames. Trials of artifacts are remembered for the test only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for index, clip in enumerate(draw_clips(2, seed=3, frames=4, size=64)):
        (tmp_path / "clips" / clip.label).mkdir(parents=True, exist_ok=True)
        write_video(tmp_path / "clips" / clip.label / f"{index}.avi", clip.frames, 4.0)
    return tmp_path / "clips"


def commands(clips: Path) -> dict[str, tuple[object, ...]]:
    return {"bench": ("--mode", "rapid"), "eval": ("--data", clips), "demo": ("--headless",)}


@pytest.mark.slow
def test_demo_runs_on_the_gpu_and_says_so(gpu, run, fp16, clips):
    video = next(clips.rglob("*.avi"))
    done = run("demo", fp16, "--headless", "--source", video, "--accelerator", "gpu", "--json")
    document = json.loads(done.out)
    assert done.status == 0 and "GPU accelerator, all operators" in document["runtime"], done.err
    assert document["ran_on"]["accelerator"] == "gpu" and document["ran_on"]["complete"] is True
    assert f"ran on      {ON_GPU}\n" in run("demo", fp16, "--headless", "--source", video, "--accelerator", "gpu").out
    done = run("demo", fp16, "--headless", "--source", video, "--json")
    assert json.loads(done.out)["ran_on"]["accelerator"] == "cpu"


@pytest.mark.slow
def test_accuracy_on_the_gpu_is_stored_as_that_and_not_compared_with_the_cpu_unasked(gpu, run, fp16, clips, tmp_path):
    outs = {name: tmp_path / f"{name}.json" for name in ("cpu", "gpu")}
    for name, out in outs.items():
        done = run("eval", fp16, "--data", clips, "--accelerator", name, "--out", out)
        assert done.status == 0 and f"  {ON_GPU if name == 'gpu' else 'cpu'}\n" in done.out, done.err
        (artifact,) = read_document(out).subjects
        assert (artifact.placement.accelerator, artifact.placement.complete) == (name, True)
        lines = out.with_suffix(".clips.jsonl").read_text().splitlines()
        assert [json.loads(line)["ran_on"]["accelerator"] for line in lines] == [name] * 2
    done = run("compare", outs["cpu"], outs["gpu"])
    assert done.status == 2 and "differ in accelerator (cpu against gpu (SwiftShader" in done.err
    done = run("compare", outs["cpu"], outs["gpu"], "--across", "accelerator")
    assert done.status == 0 and "A ran on cpu, B on gpu (SwiftShader" in done.out
    # Results of the CPU are not taken for those of the GPU, and those of the GPU are found again.
    lines = outs["gpu"].with_suffix(".clips.jsonl").read_bytes() + outs["cpu"].with_suffix(".clips.jsonl").read_bytes()
    outs["gpu"].with_suffix(".clips.jsonl").write_bytes(lines)
    line = ("eval", fp16, "--data", clips, "--out", outs["gpu"], "--accelerator", "gpu", "--jobs", "2")
    assert run(*line, "--resume").status == 0
    assert read_document(outs["gpu"]).subjects[0].placement.accelerator == "gpu"
    assert outs["gpu"].with_suffix(".clips.jsonl").read_bytes() == lines
    assert run(*line).status == 0  # two new processes on the GPU
    assert read_document(outs["gpu"]).subjects[0].placement.text == ON_GPU


@pytest.mark.slow
def test_latency_on_the_gpu_is_stored_as_that_and_not_compared_with_the_cpu_unasked(
    gpu, run, fp16, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(mode.MODES, "rapid", mode.Length(20, 0.2, 1))
    line = ("bench", fp16, "--mode", "rapid", "--no-memory", "--frame-size", "fitted")
    cpu, gpu_report = tmp_path / "cpu.json", tmp_path / "gpu.json"
    assert run(*line, "--out", cpu).status == 0
    done = run(*line, "--out", gpu_report, "--accelerator", "gpu")
    assert done.status == 0 and f"ran on {ON_GPU}\n" in done.out, done.err
    assert read_document(cpu).subjects[0].repeats[0].ran_on == ON_CPU
    (repeat,) = read_document(gpu_report).subjects[0].repeats
    assert repeat.ran_on.text == ON_GPU and repeat.checked is True
    assert np.median(repeat.infer) > np.median(read_document(cpu).subjects[0].repeats[0].infer)
    line = json.loads((tmp_path / "gpu.repeats.jsonl").read_text())
    assert line["repeat"]["ran_on"]["accelerator"] == "gpu"
    done = run("compare", cpu, gpu_report, "--allow-invalid")
    assert done.status == 2 and "differ in accelerator (cpu against gpu (SwiftShader" in done.err
    shown = json.loads(run("report", cpu, gpu_report, "--json").out)
    assert [report["subjects"][0]["ran_on"][0]["accelerator"] for report in shown] == ["cpu", "gpu"]
    assert {pair["verdict"] for pair in shown[1]["comparisons"][0]["pairs"]} == {"not judged"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["bench", "eval", "demo"])
def test_without_a_driver_it_is_one_line_and_nothing_runs_on_the_cpu(no_gpu, run, fp16, clips, command):
    done = run(command, fp16, *commands(clips)[command], "--accelerator", "gpu")
    assert (done.status, done.out) == (2, "") and done.err.count("\n") == 1
    assert "LiteRT's GPU accelerator finds no GPU that it can use: install a Vulkan driver, or use the CPU" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["bench", "eval", "demo"])
def test_a_gpu_that_does_not_take_all_operators_is_one_line(gpu, run, made, clips, command):
    divides = {"frame": T((1, 64, 64, 3)), "a": T((1, 64, 64, 3)), "b": T((1, 64, 64, 3))}
    operators = [("RELU", ("frame",), ("a",)), ("DIV", ("a", "a"), ("b",))]
    path = clips.with_name("divides.tflite")
    write_artifact(path, tflite(divides, operators, ("frame",), ("b",)), load(made("tsm", "fp32").path).spec)
    mark_seen(read_artifact(path), "tflite")  # else its trial on the CPU fails first, because it has no states
    done = run(command, path, *commands(clips)[command], "--accelerator", "gpu")
    assert (done.status, done.out) == (2, "") and done.err.count("\n") == 1, done.err
    assert "the GPU accelerator of LiteRT refuses DIV: No support of few identical inputs" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["bench", "eval", "demo"])
@pytest.mark.parametrize(
    ("name", "accelerator", "reason"),
    [
        ("a.onnx", "gpu", "edgeshift runs it with ONNX Runtime on the CPU; on a GPU it runs .tflite files: convert"),
        ("a.qnn.onnx", "gpu", "it is compiled for an NPU, and QNN runs it there or on its simulator: leave out --acc"),
        ("a.qnn.onnx", "cpu", "it is compiled for an NPU"),
        ("a.mlpackage", "gpu", "Core ML itself chooses what runs it: leave out --accelerator"),
    ],
)
def test_a_runtime_without_this_accelerator_is_one_line(run, clips, tmp_path, command, name, accelerator, reason):
    path = tmp_path / name
    done = run(command, path, *commands(clips)[command], "--accelerator", accelerator)
    assert (done.status, done.out) == (2, "") and done.err.count("\n") == 1
    assert done.err.startswith(f"edgeshift: {path}: cannot run on the {accelerator.upper()}: {reason}"), done.err


def test_the_processor_can_be_named(run, made, clips):
    path, video = made("tsm", "fp32", "onnx").path, next(clips.rglob("*.avi"))
    done = run("demo", path, "--headless", "--source", video, "--accelerator", "cpu", "--json")
    ran_on = {"accelerator": "cpu", "device": None, "complete": True}
    assert done.status == 0 and json.loads(done.out)["ran_on"] == ran_on, done.err


def test_bench_has_one_way_to_choose_it(run, made):
    path = made("tsm", "fp32", "onnx").path
    done = run("bench", path, "--option", "accelerator=gpu")
    assert done.status == 2 and "--option accelerator=gpu: use --accelerator gpu" in done.err
    done = run("bench", path, "--option", "provider=cuda", "--accelerator", "cpu")
    assert done.status == 2 and "--accelerator cpu and --option provider=...: give one of the two" in done.err
