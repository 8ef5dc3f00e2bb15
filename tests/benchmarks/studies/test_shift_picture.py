"""The picture of the shift: without the past, the prediction does not depend on the order of frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeshift.benchmarks.studies import shift_picture
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


def test_the_order_of_frames_changes_the_prediction_only_with_the_past() -> None:
    trained = shipped(DEFAULT_MODEL)
    assert trained is not None
    answers, scene = shift_picture.measure(trained)
    carried, cut = answers.carried, answers.cut
    assert len(carried.forwards) == len(cut.backwards) == len(scene.frames)
    assert cut.forwards[-1] == pytest.approx(cut.backwards[-1], abs=1e-6)
    assert carried.forwards[-1] > 0.8 and carried.backwards[-1] < 0.2
    assert cut.forwards[0] == pytest.approx(carried.forwards[0], abs=1e-6)  # the first frame has no past


def test_the_features_that_are_shown_are_the_first_state_of_the_step(weights: Path) -> None:
    from edgeshift.checkpoints import load
    from edgeshift.models.network import Step

    _, scene = shift_picture.measure(weights)
    step = Step(load(weights).network.eval())
    frame = torch.from_numpy(scene.frames[scene.middle]).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        state = step(frame, *step.start())[1]
    np.testing.assert_allclose(scene.own_features, state[0].numpy(), atol=1e-5)


def test_the_command_draws_and_prints(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the report extra is not installed")
    assert shift_picture.main([str(weights), "--picture", str(tmp_path / "shift.png"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labels"] == ["left", "right"]
    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "left"], "give two"),
        (["--labels", "left,rigth"], "right"),
        (["--picture", "shift.jpg"], "must end in .png"),
    ],
)
def test_the_error_for_bad_input_is_one_line(weights: Path, arguments, message, capsys) -> None:
    assert shift_picture.main([str(weights), *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
