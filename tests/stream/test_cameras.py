"""Artifacts for several cameras in one call: each camera gives the results of an artifact for one camera."""

from __future__ import annotations

import numpy as np
import pytest
from streams import FRAMES, logits_of

from edgeshift.cli import main
from edgeshift.converters import Options, convert, default_path
from edgeshift.errors import ConversionError, EdgeshiftError, VideoError
from edgeshift.runtimes import load
from edgeshift.stream.selfcheck import self_check

CAMERAS = 3


def call(*line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(line)
    return int(ended.value.code or 0)


@pytest.fixture(params=["int8", "fp32"])
def pair(request, made):
    """The artifacts of one network for one camera and for three, in one precision."""
    precision = request.param
    return load(made("tsm", precision, "onnx").path), load(made("tsm", precision, "onnx", batch=CAMERAS).path)


@pytest.mark.slow
def test_every_camera_has_its_own_states(pair):
    """The cameras see the same frames at different times. One of them is reset on the way."""
    single, several = pair
    cameras = several.cameras()
    assert len(cameras) == CAMERAS and cameras.spec.states[0].shape[0] == CAMERAS
    streams = [single.stream() for _ in range(CAMERAS)]
    tolerance = single.spec.output.scale * 1.5 if single.spec.precision == "int8" else 1e-4
    for time in range(len(FRAMES)):
        frames = [FRAMES[(time + 3 * camera) % len(FRAMES)] for camera in range(CAMERAS)]
        if time == 3:
            cameras.reset(1)
            streams[1].reset()
        predictions = cameras.step(frames)
        wanted = [stream.step(frame) for stream, frame in zip(streams, frames, strict=True)]
        for prediction, alone in zip(predictions, wanted, strict=True):
            np.testing.assert_allclose(prediction.logits, alone.logits, atol=tolerance)
            assert prediction.label == cameras.spec.labels[prediction.index]
    first = cameras.step(FRAMES[:CAMERAS])
    cameras.reset()
    again = cameras.step(FRAMES[:CAMERAS])
    assert any(np.abs(a.logits - b.logits).max() > 1e-3 for a, b in zip(first, again, strict=True))


@pytest.mark.slow
def test_each_camera_is_a_model_for_checks(pair):
    single, several = pair
    wanted = logits_of(single.stream())
    tolerance = single.spec.output.scale * 1.5 if single.spec.precision == "int8" else 1e-4
    for camera in several.each_camera():
        np.testing.assert_allclose(logits_of(camera.stream()), wanted, atol=tolerance)
    assert self_check(several.camera(CAMERAS - 1)).ok
    assert several.spec.batch == CAMERAS and several.spec.parity.frames == 32


@pytest.mark.slow
def test_what_does_not_fit_is_refused(pair):
    single, several = pair
    with pytest.raises(EdgeshiftError, match=r"takes the frames of 3 cameras in one call: use Model\.cameras"):
        several.stream()
    with pytest.raises(EdgeshiftError, match=r"takes one camera: use stream\(\)"):
        single.cameras()
    with pytest.raises(EdgeshiftError, match="no camera 3: this artifact has the cameras 0 to 2"):
        several.camera(3)
    with pytest.raises(VideoError, match="2 frames for 3 cameras"):
        several.cameras().step(FRAMES[:2])


@pytest.mark.slow
def test_verify_and_inspect_take_it(made, capsys):
    path = str(made("tsm", "int8", "onnx", batch=CAMERAS).path)
    assert call("verify", path) == 0 and "self-check" in capsys.readouterr().out
    assert call("inspect", path) == 0 and "for 3 cameras in one call" in capsys.readouterr().out
    assert call("demo", path, "--headless") == 2
    assert "takes the frames of 3 cameras in one call" in capsys.readouterr().err


@pytest.mark.slow
def test_a_graph_that_mixes_cameras_fails(pair, monkeypatch):
    """The check of a camera gives the other cameras another picture, so a mixture is not missed."""
    from edgeshift.stream.cameras import OneCamera

    single, several = pair
    original = OneCamera.run
    mixed = lambda self, frame: original(self, frame) * 0 + self._executor.run(self._tensor)[:1]  # noqa: E731
    monkeypatch.setattr(OneCamera, "run", mixed)
    wanted = logits_of(single.stream())
    assert np.abs(logits_of(several.camera(2).stream()) - wanted).max() > 4 * (single.spec.output.scale % 1 or 1e-3)


def test_options_are_checked(made, tmp_path):
    source = made.source("tsm")
    assert str(default_path(source, "onnx", "fp32", batch=4)) == "tsm_mobilenet_v2_batch4_fp32.onnx"
    for target, batch, words in (("tflite", 2, "--batch is for the targets onnx, tensorrt"), ("onnx", 65, "1 to 64")):
        with pytest.raises(ConversionError, match=words):
            convert(source, target, tmp_path / "a.x", Options(batch=batch))
