"""What the picture says is so: without the past, the order of frames is lost, whatever the weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.benchmarks.studies import shift_picture as carried
from edgeshift.checkpoints import save
from edgeshift.checkpoints.source import DEFAULT_MODEL
from edgeshift.gestures import LABELS
from edgeshift.models import ModelConfig, build
from edgeshift.video.fit import FrameSpec
from edgeshift.weights import shipped


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = build(ModelConfig("tsm", "mobilenet_v2", len(LABELS), size=64, width=0.35), seed=0)
    path = tmp_path / "random.safetensors"
    save(path, network, labels=list(LABELS), frame_spacing=0.25, frame=FrameSpec(64, 64))
    return path


def test_only_the_past_tells_the_order() -> None:
    trained = shipped(DEFAULT_MODEL)
    assert trained is not None
    found, seen = carried.measure(trained)
    assert len(found.carried.forwards) == len(found.cut.backwards) == len(seen.frames)
    assert found.cut.forwards[-1] == pytest.approx(found.cut.backwards[-1], abs=1e-6)
    assert found.carried.forwards[-1] > 0.8 and found.carried.backwards[-1] < 0.2
    assert found.cut.forwards[0] == pytest.approx(found.carried.forwards[0], abs=1e-6)  # the first frame has no past


def test_what_is_handed_on_is_the_state(weights: Path) -> None:
    """The maps shown are the first state of the step form."""
    from edgeshift.checkpoints import load
    from edgeshift.models.network import Step

    given = load(weights)
    _, seen = carried.measure(weights)
    step = Step(given.network.eval())
    frame = torch.from_numpy(seen.frames[seen.at]).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        state = step(frame, *step.start())[1]
    np.testing.assert_allclose(seen.now, state[0].numpy(), atol=1e-5)


def test_the_command_draws_and_prints(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the report extra is not installed")
    assert carried.main([str(weights), "--picture", str(tmp_path / "carried.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["left", "right"]
    assert (tmp_path / "carried.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--labels", "left"], "give two"),
        (["--labels", "left,rigth"], "right"),
        (["--picture", "carried.jpg"], "is a .png"),
    ],
)
def test_bad_input_is_one_line(weights: Path, arguments, said, capsys: pytest.CaptureFixture[str]) -> None:
    assert carried.main([str(weights), *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
