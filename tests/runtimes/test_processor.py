"""The aarch64 processors on which LiteRT's compiled model is used."""

from __future__ import annotations

import platform

import pytest

from edgeshift.runtimes import processor, tflite

A72 = "fp asimd evtstrm crc32 cpuid"
A76 = "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@pytest.mark.parametrize(
    ("features", "runs"), [(A72, False), (A76, True), (A76.replace("atomics", "x"), False), ("", False)]
)
def test_the_compiled_model_needs_all_features(tmp_path, monkeypatch, features, runs):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"processor\t: 0\nFeatures\t: {features}\nCPU part\t: 0xd08\n")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert processor.runs_compiled_model(tmp_path) is runs
    assert not processor.runs_compiled_model(tmp_path / "gone")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert processor.runs_compiled_model(tmp_path)


def test_other_processors_use_the_interpreter(monkeypatch):
    monkeypatch.setattr(tflite, "runs_compiled_model", lambda: False)
    monkeypatch.setattr(tflite, "_installed", lambda module: pytest.fail("the library must not be imported"))
    assert tflite._has_compiled_model() is False
