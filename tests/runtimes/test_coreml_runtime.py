"""Core ML's own runtime. The API of coremltools that it calls works only on a Mac, so a double replaces it here."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from doubles import LEAK, SIZE, STATE, expected_outputs, frames, stream_spec, tensor

from edgeshift.artifact.file import Artifact
from edgeshift.artifact.mlpackage_file import MANIFEST, MODEL, join_files
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError, EdgeshiftError, RuntimeMissingError, install_command
from edgeshift.runtimes import coreml
from edgeshift.video.fit import FrameSpec

MIX = np.array([[1, -1, 0, 0.5], [0, 1, -1, 0.5], [-1, 0, 1, 0.5]]) / 64
OWN = np.array([[0.5, 0, 0, -1], [0, 0.5, 0, -1], [0, 0, 0.5, -1]]) / 64
BODY = join_files({MANIFEST: b"{}", MODEL: b"model"})


def spec(form: str = "io", order: str = "rgb"):
    return stream_spec(
        target="coreml",
        state_form=form,
        frame=FrameSpec(SIZE, SIZE, order=order),  # type: ignore[arg-type]
        input=tensor("frame", 1, SIZE, SIZE, 3, dtype="uint8"),
        states=(tensor(STATE, 1, 3, 1, 1, channels="first"),),
    )


class State:  # what ``make_state`` returns
    def __init__(self):
        self.values = {STATE: np.zeros((1, 3, 1, 1), np.float32)}

    def read_state(self, name):
        return self.values[name]

    def write_state(self, name, value):
        assert value.flags.c_contiguous
        self.values[name] = np.array(value)


class MLModel:
    """The network of ``doubles`` with the interface of coremltools."""

    instances: ClassVar[list[MLModel]] = []

    def __init__(self, path, compute_units=None):
        assert (Path(path) / MODEL).read_bytes() == b"model"
        self.units, self.calls = compute_units, []
        MLModel.instances.append(self)

    def get_spec(self):
        return types.SimpleNamespace(description="described")

    def make_state(self):
        return State()

    def predict(self, data, state=None):
        from PIL import Image

        picture = data["frame"]
        assert isinstance(picture, Image.Image) and picture.mode == "RGB" and picture.size == (SIZE, SIZE)
        self.calls.append(sorted(data))
        colour = np.asarray(picture).reshape(-1, 3).astype(np.float64).mean(0)
        before = data[STATE] if state is None else state.values[STATE]
        level = LEAK * before.reshape(3) + colour
        outputs = {"logits": (level @ MIX + colour @ OWN)[None].astype(np.float32), "classLabel": "red"}
        column = level.reshape(1, 3, 1, 1).astype(np.float32)
        if state is None:
            outputs[NEXT + STATE] = column
        else:
            state.values[STATE] = column
        return outputs


@pytest.fixture
def mac(monkeypatch):
    """Make this machine look like a Mac whose coremltools is the double."""
    tools = types.SimpleNamespace(
        __version__="9.0",
        models=types.SimpleNamespace(MLModel=MLModel),
        ComputeUnit=types.SimpleNamespace(ALL="all units", CPU_ONLY="cpu only", CPU_AND_GPU="gpu", CPU_AND_NE="ane"),
    )
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(coreml, "coremltools", lambda why: tools)
    monkeypatch.setattr(coreml, "require_description", lambda artifact, description: None)
    MLModel.instances.clear()
    return tools


def open_double(form: str = "io", **options):
    pytest.importorskip("PIL")
    order = options.pop("order", "rgb")
    return coreml.open_artifact(Artifact(Path("a.mlpackage"), spec(form, order), BODY), **options)


@pytest.mark.parametrize("form", ["io", "native"])
def test_states_are_kept_between_steps(mac, form):
    model = open_double(form)
    stream, shown = model.stream(), frames(12)
    logits, levels = expected_outputs(shown)
    for frame, want, level in zip(shown, logits, levels, strict=True):
        np.testing.assert_allclose(stream.step(frame).logits, want, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(stream.state[STATE].reshape(3), level, rtol=1e-5)
    inputs = ["frame"] if form == "native" else ["frame", STATE]
    assert all(call == inputs for call in MLModel.instances[0].calls)
    saved, rest = stream.state, [stream.step(frame).logits for frame in shown[:3]]
    other = model.stream()
    other.state = saved
    np.testing.assert_array_equal([other.step(frame).logits for frame in shown[:3]], rest)
    stream.reset()
    np.testing.assert_allclose(stream.step(shown[0]).logits, logits[0], rtol=1e-4, atol=1e-4)


def test_core_ml_always_gets_rgb(mac):
    """Core ML converts RGB pictures to the model's channel order itself, so BGR frames are converted to RGB first."""
    shown = frames(1)
    rgb = open_double().stream().step(shown[0]).logits
    np.testing.assert_array_equal(open_double(order="bgr").stream().step(shown[0]).logits, rgb)


def test_units(mac):
    assert open_double().runtime == "Core ML through coremltools 9.0 (all)"
    assert MLModel.instances[-1].units == "all units"
    open_double(units="cpu+ane")
    assert MLModel.instances[-1].units == "ane"
    with pytest.raises(EdgeshiftError, match="unknown compute units 'gpu'"):
        open_double(units="gpu")
    with pytest.raises(EdgeshiftError, match="threads must be 1 to 64"):
        open_double(threads=0)


def test_errors_of_core_ml_are_one_line(mac, monkeypatch):
    def fail(self, *arguments, **options):
        raise RuntimeError("Error compiling model:\n  compiler error")

    with monkeypatch.context() as patch:
        patch.setattr(MLModel, "predict", fail)
        with pytest.raises(EdgeshiftError, match=r"a\.mlpackage: Core ML cannot run it: Error compiling model: comp"):
            open_double().stream().step(frames(1)[0])
    monkeypatch.setattr(MLModel, "__init__", fail)
    with pytest.raises(ArtifactError, match=r"a\.mlpackage: Core ML cannot load its program: Error compiling"):
        open_double()


def test_without_pillow_the_extra_is_named(mac, monkeypatch):
    stream = open_double().stream()
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(RuntimeMissingError, match=re.escape(install_command("coreml"))):
        stream.step(frames(1)[0])


def test_other_systems_use_the_reference_executor(monkeypatch):
    calls = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(coreml.executor, "open_artifact", lambda artifact, threads: calls.append(threads))
    open_double(threads=2)
    assert calls == [2]
