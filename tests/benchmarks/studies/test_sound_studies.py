"""The studies of sound: levels of log-mel values, and the cost of a hop."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.benchmarks.studies import sound_cost, sound_levels, sound_step
from edgeshift.sound import write_wav


def test_the_defaults_are_the_quantiles_of_drawn_sounds(capsys: pytest.CaptureFixture[str]):
    assert sound_levels.main(["--sounds", "60"]) == 0
    assert "window 100 ms" in capsys.readouterr().out
    spectrograms = [sound_levels.log_mel(*sound, sound_levels.SETTINGS) for sound in sound_levels.drawn(60, 16_000)]
    settings = sound_levels.SETTINGS
    values = np.concatenate([channel.ravel() for channels in spectrograms for channel in channels])
    assert 0.0005 < (values < settings.low).mean() < 0.04
    assert 0.0005 < (values > settings.high).mean() < 0.01


def test_the_levels_of_files_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_wav(tmp_path / "silence.wav", np.zeros(8000), 16_000)
    write_wav(tmp_path / "short.wav", np.zeros(800), 16_000)
    assert sound_levels.main([str(tmp_path / "silence.wav"), str(tmp_path / "short.wav")]) == 0
    assert "-13.82" in capsys.readouterr().out
    assert sound_levels.main([str(tmp_path / "short.wav")]) == 2
    assert "none of the files is longer than 0.1 s" in capsys.readouterr().err
    assert sound_levels.main([str(tmp_path / "missing.wav")]) == 2
    assert "there is no such file" in capsys.readouterr().err


def test_the_cost_of_a_hop_is_measured(capsys: pytest.CaptureFixture[str]):
    assert sound_cost.main(["--hops", "2", "--json"]) == 0
    costs = json.loads(capsys.readouterr().out)
    assert [(cost["rate"], cost["bands"]) for cost in costs] == [(case[0], case[1]) for case in sound_cost.CASES]
    assert all(cost["columns"] > 0 and cost["picture"] > 0 and cost["quickest"] > 0 for cost in costs)
    assert sound_cost.main(["--hops", "1"]) == 0
    assert "16,000 Hz, 112 bands, 112x112" in capsys.readouterr().out


def test_a_step_with_a_sound_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("torch", reason="the converters are not installed")
    from edgeshift.checkpoints import save
    from edgeshift.models import ModelConfig, build
    from edgeshift.sound import SoundSettings

    def weights(name: str, settings: SoundSettings | None) -> str:
        network = build(ModelConfig("tsam", "mobilenet_v2", 4, size=64, depth=1, width=0.5, sound=settings), seed=0)
        save(tmp_path / name, network)
        return str(tmp_path / name)

    hearing = weights("hearing.safetensors", SoundSettings(seconds=1.0, frames=4, bands=64))
    assert sound_step.main([hearing, "--rounds", "2", "--steps", "20", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["with_sound"] > 0 and result["without"] > 0 and result["long"] == 20
    assert sound_step.main([weights("deaf.safetensors", None), "--rounds", "2"]) == 2
    assert "has no sound segment that streams" in capsys.readouterr().err
