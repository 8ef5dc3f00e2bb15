"""The script for an NVIDIA GPU, on the CPU with tiny sizes: every part has a result or a reason, and it resumes."""

from __future__ import annotations

import json

import pytest
import torch

from edgeshift.benchmarks.studies import nvidia

LINE = ("--device", "cpu", "--size", "64", "--steps", "2")


@pytest.mark.slow
def test_it_runs_on_the_cpu_and_resumes(tmp_path, capsys, monkeypatch):
    def compiled(function):
        raise RuntimeError("no compiler here")

    monkeypatch.setattr(torch, "compile", compiled)
    monkeypatch.setattr(nvidia, "TIMED", 3)
    line = [*LINE, "--out", str(tmp_path), "--json"]
    assert nvidia.main(line) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)}
    assert list(parts) == ["eager", "compiled", "training cpu", "onnxruntime", "tensorrt"]
    for name in ("eager", "onnxruntime"):
        assert parts[name]["problem"] is None and parts[name]["step_ms"] > 0
        assert parts[name]["max_error"] < 1e-4 and parts[name]["top1"] == 1.0
        assert parts[name]["ran_on"]["accelerator"] == "cpu"
    assert parts["compiled"]["problem"] == "no compiler here"
    assert "tensorrt, which is not installed" in parts["tensorrt"]["problem"]
    ((step, loss),) = parts["training cpu"]["curve"]
    assert step == 2 and 0 < loss < 100
    # Only the parts without a result run again.
    tried = []
    run = nvidia._run
    monkeypatch.setattr(nvidia, "_run", lambda name, *rest: (tried.append(name), run(name, *rest))[1])
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert nvidia.main(line[:-1]) == 0
    assert tried == ["compiled", "tensorrt"]
    text = capsys.readouterr().out
    assert "training cpu" in text and "no result: " in text


def test_without_a_gpu_it_says_so(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert nvidia.main(["--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "torch finds no GPU" in error and "not verified here" in error
    assert nvidia.main(["--help"]) == 0
    assert "Not verified here" in capsys.readouterr().out


def test_no_part_begins_after_the_limit_and_a_gpu_is_not_verified(tmp_path, capsys, monkeypatch):
    """PyTorch pretends to have a GPU. Nothing runs on it, because no time is left."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    line = ["--out", str(tmp_path), "--minutes", "0"]
    assert nvidia.main([*line, "--json"]) == 1
    parts = json.loads(capsys.readouterr().out)
    assert [part["name"] for part in parts][2:4] == ["training cuda", "training cpu"]
    for part in parts:
        assert part["problem"].startswith("no time left") and part["note"].startswith("not verified here")
    stored = [json.loads(text) for text in (tmp_path / nvidia.RESULTS).read_text().splitlines()]
    assert [entry["problem"] for entry in stored if "problem" in entry] == [part["problem"] for part in parts]
    assert nvidia.main(line) == 1
    text = capsys.readouterr().out
    assert "no time left" in text and text.count("not verified here") == 1
