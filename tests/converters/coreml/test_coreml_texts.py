"""The descriptions of a Core ML package, which Xcode shows: for a stream, for a clip, and without states."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import pytest

pytest.importorskip("torch", reason="the converters are not installed")

from edgeshift._system.progress import Stages
from edgeshift.checkpoints import Checkpoint
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters.coreml.package import describe
from edgeshift.converters.job import Job
from edgeshift.models.clip_step import ClipStep
from edgeshift.models.network import Exportable
from edgeshift.targets import find_target


def described(source: Checkpoint, step: Exportable) -> SimpleNamespace:
    model = SimpleNamespace(input_description={}, output_description={})
    describe(model, Job(find_target("coreml"), source, step, "fp32", (), False, Stages()))
    return model


def test_a_stream_is_fed_frame_by_frame() -> None:
    source = untrained_source(size=64)
    model = described(source, source.network.step())
    assert "one frame at a time" in model.short_description and "reset the state" in model.short_description
    assert model.input_description["frame"].startswith("One frame, 64 x 64")
    assert model.output_description["logits"].startswith("This frame's logits")
    assert any(name.startswith("next_state") for name in model.output_description)


def test_a_network_without_states_has_none_to_reset() -> None:
    source = untrained_source("tsn_mobilenet_v2", size=64)
    assert "It has no state" in described(source, source.network.step()).short_description


@pytest.mark.parametrize(("order", "channels"), [("rgb", "red, green, blue"), ("bgr", "blue, green, red")])
def test_a_clip_is_all_frames_at_once(order: str, channels: str) -> None:
    source = untrained_source(size=64)
    frame = msgspec.structs.replace(source.description.frame, order=order)
    source = replace(source, description=msgspec.structs.replace(source.description, frame=frame))
    model = described(source, ClipStep(source.network, 4))
    assert "a clip of 4 frames at a time" in model.short_description
    for words in ("reset", "one frame"):
        assert words not in model.short_description
    taken = model.input_description["clip"]
    assert taken.startswith("4 frames, the oldest one first: [frames, 3, height, width], each 64 x 64")
    assert f"channels {channels}, values 0 to 255" in taken
    assert "the whole clip" in model.output_description["logits"] and "This frame" not in str(model)
    assert set(model.output_description) == {"logits"}
