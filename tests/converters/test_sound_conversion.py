"""A network with a sound segment in every target: one graph answers to frames and to sounds."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch

from edgeshift.artifact.description import WeightsSpec, describe_network
from edgeshift.artifact.spec import ParitySpec, SoundParitySpec
from edgeshift.checkpoints import Checkpoint
from edgeshift.converters import Options, convert
from edgeshift.converters.pipeline import prepare
from edgeshift.errors import CalibrationError, ConversionError
from edgeshift.gestures.fitted_clips import drawn_clips
from edgeshift.models import ModelConfig, build
from edgeshift.models.untrained import initial_network
from edgeshift.runtimes import accelerated, load
from edgeshift.runtimes.pytorch import reference
from edgeshift.sound import SoundSettings
from edgeshift.stream.parity import failures
from edgeshift.stream.selfcheck import self_check
from edgeshift.stream.sound_parity import compare_sounds, drawn_picture
from edgeshift.video.fit import FrameSpec

SIZE, CLASSES = 64, 6
SETTINGS = SoundSettings(seconds=1.0, frames=8, weight=4.0, bands=64)
SUFFIX = {"tflite": ".tflite", "onnx": ".onnx", "executorch": ".pte", "coreml": ".mlpackage"}
TENSORRT = ".trt.onnx"


@pytest.fixture(scope="module")
def source() -> Checkpoint:
    """An untrained TSAM of depth 1 whose batch norms were measured on drawn clips."""
    config = ModelConfig("tsam", "mobilenet_v2", CLASSES, size=SIZE, depth=1, sound=SETTINGS)
    clips = np.stack(drawn_clips(FrameSpec(SIZE, SIZE), 4, 9).frames)
    network = initial_network(config, torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float())
    weights = WeightsSpec(source="untrained", trained=False)
    description = describe_network(config, weights=weights, frame_spacing=0.25, quiet=(0.0,) * CLASSES)
    return Checkpoint(network, description, "edgeshift")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "target"),
    [*((precision, target) for precision in ("fp32", "int8") for target in SUFFIX), ("int8", "tensorrt")],
)
def test_sounds_keep_the_limits_of_parity(source, target, precision, tmp_path, monkeypatch):
    path = tmp_path / f"sound{SUFFIX.get(target, TENSORRT)}"
    converted = convert(source, target, path, Options(precision=precision))
    parity = converted.spec.parity
    assert parity is not None and parity.sound is not None
    assert converted.spec.problems == () and parity.sound.sounds == 32
    assert parity.sound.max_error < (1e-4 if precision == "fp32" else 0.2)
    assert parity.sound.cosine > 0.99 and parity.sound.fused_cosine > 0.99
    graph = converted.spec.graph
    if target == "tflite":
        assert graph is not None and graph.partitions == 1
    if target == "coreml":
        return
    model = load(converted.path)
    assert self_check(model).ok
    stream = model.stream()
    samples = (0.05 * np.random.default_rng(0).standard_normal(2 * 16_000)).astype(np.float32)
    stream.hear(samples, 0.0, 16_000)
    assert stream.step(np.zeros((SIZE, SIZE, 3), np.uint8), 2.0).heard == "heard"
    if (precision, target) == ("fp32", "tflite"):
        check_answers_to_sounds_on_an_accelerator(source, converted.path, monkeypatch)


def check_answers_to_sounds_on_an_accelerator(source, path, monkeypatch) -> None:
    """``edgeshift verify --accelerator`` compares them with the original, too."""
    original = reference(source)
    monkeypatch.setattr(accelerated, "original_of", lambda spec, references: original)
    done = accelerated.check_here(path, "cpu")
    assert done.verdict == "computes" and done.sound.sounds == 32 and done.sound.max_error < 1e-4
    wrong = msgspec.structs.replace(done.sound, fused_error=0.5, fused_cosine=0.1)
    monkeypatch.setattr("edgeshift.stream.sound_parity.compare_sounds", lambda *_: wrong)
    done = accelerated.check_here(path, "cpu")
    assert done.verdict == "wrong" and "frames and sound together" in done.detail


def test_calibration_has_sounds_with_the_states_of_a_new_stream(source):
    prepared = prepare(source, Options(precision="int8"))
    starts = [sample for sample in prepared.samples if all((sample[n] == 0).all() for n in prepared.step.state_names)]
    pictures = [drawn_picture(1_000_000_000 + index, SETTINGS, SIZE) for index in range(64)]
    frames = {sample["frame"].astype(np.uint8).tobytes() for sample in starts}
    assert all(picture.tobytes() in frames for picture in pictures)
    silent = prepare(source, Options(precision="int8", sounds=pictures[:2]))
    assert len(prepared.samples) - len(silent.samples) == 62


def test_trained_weights_of_unknown_sounds_need_sounds(source):
    weights = WeightsSpec(source="my.safetensors", trained=True)
    trained = Checkpoint(source.network, msgspec.structs.replace(source.description, weights=weights), "edgeshift")
    with pytest.raises(
        CalibrationError, match=r"my.safetensors: int8 ranges are also chosen on sounds .* add --sounds"
    ):
        prepare(trained, Options(precision="int8", calibration="drawn"))
    assert prepare(trained, Options(precision="int8", calibration="drawn", sounds="drawn")).samples


@pytest.mark.parametrize(
    ("change", "precision", "message"),
    [
        ({"norms": "separate"}, "fp32", "have their own batch norms"),
        ({"cut": False}, "int8", "int8 cannot hold the sounds"),
    ],
)
def test_what_cannot_be_converted_is_refused(source, change, precision, message):
    config = msgspec.structs.replace(source.config, sound=msgspec.structs.replace(SETTINGS, **change))
    network = build(config, seed=0)
    with pytest.raises(ConversionError, match=message):
        prepare(Checkpoint(network, source.description, "edgeshift"), Options(precision=precision))


def test_other_answers_to_sounds_fail_parity(source):
    """The limits find an artifact that answers to frames as the original does, but not to sounds."""

    class Deaf:
        """An executor whose sounds all get the same logits."""

        def __init__(self) -> None:
            self.logits = np.linspace(0, 1, CLASSES, dtype=np.float32)[None]

        def run(self, frame: np.ndarray) -> np.ndarray:
            return self.logits

        def states(self) -> dict[str, np.ndarray]:
            return {}

        def set_states(self, states: dict[str, np.ndarray]) -> None:
            """Do nothing."""

    original = reference(source)
    deaf = reference(source)
    deaf._hearing = Deaf
    frames = [frame for clip in drawn_clips(FrameSpec(SIZE, SIZE), 4, 1001).frames for frame in clip]
    same = compare_sounds(original, original, frames)
    assert (same.max_error, same.fused_error) == (0.0, 0.0)
    other = compare_sounds(deaf, original, frames)
    assert other.cosine < 0.5
    parity = perfect(other)
    assert any("of sounds" in problem for problem in failures(parity, "int8"))
    assert any("of frames and sound together" in problem for problem in failures(parity, "fp32"))
    assert failures(perfect(same), "fp32") == []


def perfect(sound: SoundParitySpec) -> ParitySpec:
    numbers = {"logit_range": 1.0, "max_error": 0.0, "cosine": 1.0, "top1": 1.0, "top1_clear": 1.0}
    return ParitySpec(reference="PyTorch", frames=32, state_error=0.0, drift=1.0, sound=sound, **numbers)
