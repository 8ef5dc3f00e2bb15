"""What a machine can do, and what it lacks: of this one, and of others that are made up."""

from __future__ import annotations

import json

import pytest

from edgeshift._system.progress import ProgressBars
from edgeshift.cli import doctor, main
from edgeshift.targets import TARGETS


def run(*line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *line])
    return int(ended.value.code or 0)


def test_of_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    document = json.loads(capsys.readouterr().out)
    rows = {row["target"]: row for row in document["targets"]}
    assert list(rows) == list(TARGETS)
    assert rows["tflite"]["run"] is None and rows["tflite"]["versions"]["ai-edge-litert"]
    assert rows["tensorrt"]["run"] == "tensorrt: not installed"
    assert document["device"]["cores"] >= 1


def made_up(monkeypatch: pytest.MonkeyPatch, child, versions: dict[str, str]) -> list[doctor.Row]:
    monkeypatch.setattr(doctor, "_child", child)
    monkeypatch.setattr(doctor, "_version", versions.get)
    return doctor.examine(ProgressBars())


def test_what_is_missing_is_named_with_its_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def child(code: str) -> tuple[str | None, str]:
        return ("ImportError: libfoo.so is gone", "") if "coremltools" in code else (None, "")

    versions = {"tflite-runtime": "2.14.0", "coremltools": "9.0", "torch": "2.13.0", "onnx": "1.23.2"}
    rows = {row.target: row for row in made_up(monkeypatch, child, versions)}
    assert rows["tflite"].run is None, "one of two runtimes suffices"
    assert rows["tflite"].versions == {"tflite-runtime": "2.14.0"}
    assert (
        rows["onnx"].convert == "onnxscript: not installed; onnxruntime: not installed"
        and rows["onnx"].run == "onnxruntime: not installed"
    )
    assert rows["onnx"].fixes == ('pip install "edgeshift[convert]"', 'pip install "edgeshift[onnx]"')
    assert rows["coreml"].run == "coremltools: ImportError: libfoo.so is gone"
    assert "JetPack" in rows["tensorrt"].fixes[-1]


def test_a_device_without_torch_converts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def child(code: str) -> tuple[str | None, str]:
        return ("ImportError: libtorch.so is damaged", "") if code == "import torch" else (None, "")

    packages = {package for target in TARGETS.values() for package in target.converter_packages}
    rows = made_up(monkeypatch, child, dict.fromkeys(packages, "1.0"))
    assert {row.convert for row in rows} == {"torch: ImportError: libtorch.so is damaged"}
    rows = made_up(monkeypatch, lambda code: (None, ""), {})
    assert all(row.convert.startswith("torch: not installed; ") for row in rows)


def test_for_people(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "_child", lambda code: (None, ""))
    monkeypatch.setattr(doctor, "_version", {"ai-edge-litert": "2.3.0"}.get)
    assert run() == 0
    text = capsys.readouterr().out
    assert "ai-edge-litert 2.3.0" in text and "cannot run: executorch: not installed" in text
    assert "this device" in text and "next: edgeshift convert --target tflite" in text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it crashed (-11)"),
        ("import time; time.sleep(60)", "importing it took more than 1 s"),
    ],
)
def test_an_import_that_fails_does_no_harm(code: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PATIENCE", 1 if "sleep" in code else 60)
    assert doctor._child(code) == (says, "")
