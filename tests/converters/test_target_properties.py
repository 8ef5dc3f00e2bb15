"""Properties of every target besides parity (test_matrix.py): inputs and outputs, names, and refused conversions."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from torch import Tensor

from edgeshift._system.progress import Stages
from edgeshift.artifact import soundness
from edgeshift.artifact.file import Artifact, read_artifact
from edgeshift.checkpoints.source import untrained_source
from edgeshift.converters import Options, convert, pipeline
from edgeshift.converters.job import converter_of
from edgeshift.errors import CheckFailedError, ConversionError, RuntimeMissingError, install_command
from edgeshift.models.deploy import deploy
from edgeshift.models.network import Exportable, Step
from edgeshift.runtimes import load
from edgeshift.runtimes.pytorch import reference
from edgeshift.stream.selfcheck import check_frames
from edgeshift.targets import find_runtime, find_target

pytestmark = pytest.mark.slow

TARGETS = ("tflite", "onnx", "executorch")


@pytest.mark.parametrize("target", TARGETS)
def test_boundary(made, target):
    """Frames are pixels minus 128, channels last. Names are kept. Float states have the runtime's dimension order."""
    spec = made("tsm", "int8", target).result.spec
    assert (spec.input.name, spec.input.shape, spec.input.dtype) == ("frame", (1, 64, 64, 3), "int8")
    assert (spec.input.scale, spec.input.zero_point) == (1.0, -128)
    assert spec.output.name == "logits" and spec.output.dtype == "int8"
    assert spec.states[0].name == "state_features_3" and spec.states[0].shape == (1, 16, 16, 3)
    fp32 = made("tsm", "fp32", target).result.spec
    assert fp32.input.dtype == "float32" and fp32.states[0].dtype == "float32"
    assert fp32.input.shape == spec.input.shape and spec.states[0].channels == "last"
    first = (1, 3, 16, 16), "first"
    last = (1, 16, 16, 3), "last"
    assert (fp32.states[0].shape, fp32.states[0].channels) == (first if target == "onnx" else last)


@pytest.mark.parametrize("target", TARGETS)
def test_normalisation_is_exact_at_the_border(made, target):
    """Padding stands for the mean and not for black. A white frame makes the largest difference at the border."""
    artifact = made("tsm", "fp32", target)
    converted, original = load(artifact.path).stream(), reference(artifact.source).stream()
    white = np.full((64, 64, 3), 255, np.uint8)
    frames = [white, np.zeros_like(white), *check_frames(3, 6, 64, 64)]
    pairs = [(converted.step(frame).logits, original.step(frame).logits) for frame in frames]
    assert max(np.abs(a - b).max() for a, b in pairs) <= 1e-4 * np.ptp([b for _, b in pairs])


@pytest.mark.parametrize("target", TARGETS[1:])
def test_same_logits_as_tflite(made, target):
    """All quantizers get the same ranges and weights, and give nearly the same logits."""
    model, tflite = (load(made("tsm", "int8", name).path) for name in (target, "tflite"))
    scale = model.spec.output.scale
    assert scale == pytest.approx(tflite.spec.output.scale, rel=1e-5)
    for a, b in zip(model.spec.states, tflite.spec.states, strict=True):
        assert (a.name, a.shape, a.dtype, a.zero_point) == (b.name, b.shape, b.dtype, b.zero_point)
        assert a.scale == pytest.approx(b.scale, rel=1e-5)
    stream, tflite_stream = model.stream(), tflite.stream()
    pairs = [(stream.step(f).logits, tflite_stream.step(f).logits) for f in check_frames(3, 12, 64, 64)]
    errors = np.array([np.abs(a - b).max() for a, b in pairs])
    assert np.median(errors) <= 6 * scale
    assert np.median(errors) < 0.1 * np.ptp([b for _, b in pairs])


class BufferedStep(Exportable):
    """A step that must never be exported as it is: it keeps its states in buffers and writes into them."""

    state_names, frames = (), 1

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.network, self.step = step.network, step
        for name, state in zip(step.state_names, step.start(), strict=True):
            self.register_buffer(name, state)

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        logits, *states = self.step(frame, *(self.get_buffer(name) for name in self.step.state_names))
        for name, state in zip(self.step.state_names, states, strict=True):
            self.get_buffer(name).copy_(state)
        return (logits,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "remedy"), [("int8", "more or other clips for --calibration may help; "), ("fp32", "")]
)
def test_a_failed_comparison_says_what_to_try(made, monkeypatch, precision, remedy):
    monkeypatch.setattr(pipeline, "failures", lambda *_, **__: ["a state is off"])
    artifact, source = read_artifact(made("tsm", precision).path), made.source("tsm")
    job = made.job("tflite", precision)
    with pytest.raises(CheckFailedError) as caught:
        pipeline._check(artifact, source, job, Options(precision=precision), Stages(), None)
    message = str(caught.value)
    assert ": a state is off; " in message and message.endswith(f"; {remedy}--force writes it, marked as failed")
    assert ("the layer that loses most is" in message) == (precision == "int8")


@pytest.mark.parametrize("target", ("tflite", "onnx"))
def test_a_lost_state_is_refused(tmp_path, monkeypatch, target):
    """The exporter drops the state without an error. The first frame is right; only parity over frames refuses it."""
    source, record = untrained_source(size=64), find_target(target)
    converter, runtime = converter_of(record), importlib.import_module(find_runtime(Path(f"a.{target}")).module)
    lowered, lower = [], converter.lower
    monkeypatch.setattr(converter, "lower", lambda job: lowered.append(lower(job)) or lowered[0])
    # The description lacks the states too, which would be refused before the frames are compared.
    monkeypatch.setattr(soundness, "require_consistent", lambda artifact: None)
    step = BufferedStep(deploy(source.network))
    with pytest.raises(CheckFailedError, match="does not match the original over 32 frames, and was not written"):
        convert(source, target, tmp_path / f"refused{record.suffix}", Options(precision="fp32"), step=step)
    assert list(tmp_path.iterdir()) == []

    spec = msgspec.structs.replace(source.describe(target, step=step), states=lowered[0].states)
    stream = runtime.open_artifact(Artifact(tmp_path / f"a{record.suffix}", spec, lowered[0].body)).stream()
    original = reference(source).stream()
    first, second = [(stream.step(f).logits, original.step(f).logits) for f in check_frames(1, 2, 64, 64)]
    assert np.abs(first[0] - first[1]).max() < 1e-4
    assert np.abs(second[0] - second[1]).max() > 1e-2


@pytest.mark.parametrize(
    ("target", "module", "package"),
    [
        ("tflite", "litert_torch", "litert-torch"),
        ("onnx", "onnxscript", "onnxscript"),
        ("executorch", "torchao", "torchao"),
    ],
)
def test_the_error_for_a_missing_converter_names_the_extra(monkeypatch, tmp_path, target, module, package):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == module else find_spec(name, *a))
    out = tmp_path / {"tflite": "a.tflite", "onnx": "a.onnx", "executorch": "a.pte"}[target]
    with pytest.raises(RuntimeMissingError, match=f"{package}.*" + re.escape(install_command("convert"))):
        convert(untrained_source(size=64), target, out, Options(precision="fp32"))
    assert list(tmp_path.iterdir()) == []


def test_a_back_end_of_a_target_without_back_ends_is_refused(tmp_path):
    options = Options(backend="coreml")
    with pytest.raises(ConversionError, match="tensorrt has no --backend coreml; it has none to choose from"):
        convert(object(), "tensorrt", tmp_path / "a.trt.onnx", options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("tflite", {"state": "buffer"}, "tflite has no --state buffer; it has io"),
        ("onnx", {"state": "buffer"}, "onnx has no --state buffer; it has io"),
        ("executorch", {"state": "bufer"}, "executorch --backend xnnpack has no --state bufer; it has io, buffer"),
        ("executorch", {"backend": "vulkan"}, "executorch has no --backend vulkan; it has xnnpack, coreml"),
        ("executorch", {"backend": "coreml"}, "executorch --backend coreml has no int8; it has fp32, fp16"),
        (
            "executorch",
            {"backend": "coreml", "precision": "fp16", "state": "buffer"},
            "executorch --backend coreml has no --state buffer; it has io",
        ),
    ],
)
def test_choices_that_a_target_does_not_have_are_refused(tmp_path, capsys, target, options, words):
    """The error is one line, and comes before any work is done."""
    from edgeshift.cli import main

    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    with pytest.raises(SystemExit) as ended:
        main(["convert", "--target", target, *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"edgeshift: {words}\n"
    source = object()  # it is not used
    with pytest.raises(ConversionError, match=words):
        convert(source, target, tmp_path / "a.bin", Options(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("target", TARGETS)
def test_out_with_another_suffix_is_refused(tmp_path, target):
    with pytest.raises(ConversionError, match=rf"a\.bin: the name of a {target} artifact must end in \."):
        convert(untrained_source(size=64), target, tmp_path / "a.bin")


@pytest.mark.parametrize(("share", "warned"), [(0.9, True), (0.95, False), (1.0, False), (None, False)])
def test_a_small_delegated_share_is_a_warning(share, warned):
    """The warning names the operators outside the delegate."""
    from doubles import stream_spec

    from edgeshift.artifact.spec import GraphSpec
    from edgeshift.cli.convert_text import list_warnings
    from edgeshift.converters import Converted

    graph = GraphSpec(operators={"Conv2d": 9, "mean": 1}, partitions=2, delegated=share, outside={"mean": 1})
    found = list_warnings(Converted(Path("a.pte"), stream_spec(graph=graph), 1, {}))
    assert found == (["only 90% of operators are delegated; not delegated: 1 mean"] if warned else [])
