"""The reference executor on small programs: types, states, damaged packages, and unknown operations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("coremltools", reason="coremltools is not installed")

from doubles import LABELS, SIZE, stream_spec, tensor

from edgeshift.artifact import mlpackage_file
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.spec import NEXT
from edgeshift.errors import ArtifactError
from edgeshift.runtimes.mil import executor
from edgeshift.runtimes.mil.package import coremltools

ct = coremltools("these tests")
from coremltools.converters.mil.mil import Builder as mb  # noqa: E402, N813
from coremltools.converters.mil.mil import types  # noqa: E402

pytestmark = pytest.mark.slow
STATE = "state_level"
TARGET = ct.target.iOS18
FRAME = (1, 3, SIZE, SIZE)


def spec(dtype: str = "float32", state_form: str = "io", states: bool = True):
    return stream_spec(
        target="coreml",
        state_form=state_form,
        input=tensor("frame", 1, SIZE, SIZE, 3, dtype="uint8"),
        states=(tensor(STATE, 1, 3, 1, 1, dtype=dtype, channels="first"),) if states else (),
    )


def artifact(program, tmp_path: Path, description=None, **options) -> Artifact:
    """Return the package of a program as an artifact in memory."""
    from edgeshift._system.quiet import quiet

    with quiet(stdout=True):
        model = ct.convert(
            program,
            source="milinternal",
            convert_to="mlprogram",
            minimum_deployment_target=TARGET,
            pass_pipeline=ct.PassPipeline.EMPTY,
            compute_precision=ct.precision.FLOAT32,
            skip_model_load=True,
            **options,
        )
        folder = tmp_path / "made.mlpackage"
        model.save(str(folder))
    return Artifact(tmp_path / "a.mlpackage", description or spec(), mlpackage_file.read(folder, 1 << 30))


def with_image(program):
    """Make the program's input ``frame`` an image, as it is in an artifact."""
    program.functions["main"].input_types = [
        ct.ImageType(name="frame", shape=FRAME, channel_first=True),
        *(ct.TensorType(name=name, shape=(1, 3, 1, 1)) for name in program.functions["main"].inputs if name != "frame"),
    ]
    return program


MIX = np.array([[1, -1, 0, 0.5], [0, 1, -1, 0.5], [-1, 0, 1, 0.5]], np.float32).T / 64


def leaky(half: bool = False, extra=None):
    """Return the program ``level' = 0.5 * level + mean; logits = level' @ MIX``, in float32 or float16."""
    dtype = np.float16 if half else np.float32

    @mb.program(
        input_specs=[mb.TensorSpec(shape=FRAME), mb.TensorSpec(shape=(1, 3, 1, 1))],
        opset_version=TARGET,
    )
    def program(frame, state_level):
        name = "fp16" if half else "fp32"
        x, level = mb.cast(x=frame, dtype=name), mb.cast(x=state_level, dtype=name)
        colour = mb.reduce_mean(x=x, axes=[2, 3], keep_dims=True)
        level = mb.add(x=mb.mul(x=level, y=dtype(0.5)), y=colour)
        if extra is not None:
            level = extra(level)
        flat = mb.reshape(x=level, shape=[1, 3])
        logits = mb.linear(x=flat, weight=MIX.astype(dtype), bias=np.zeros(4, dtype))
        return mb.cast(x=logits, dtype="fp32", name="logits"), mb.cast(x=level, dtype="fp32", name=NEXT + STATE)

    return with_image(program)


def frames(count: int, seed: int = 0):
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (SIZE, SIZE, 3), np.uint8) for _ in range(count)]


def test_float32_over_frames(tmp_path):
    stream = executor.open_artifact(artifact(leaky(), tmp_path)).stream()
    level = np.zeros(3)
    for frame in frames(10):
        level = 0.5 * level + frame.reshape(-1, 3).astype(np.float64).mean(0)
        np.testing.assert_allclose(stream.step(frame).logits, MIX @ level, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(stream.state[STATE].reshape(3), level, rtol=1e-5)


def test_float16_rounds_after_every_operation(tmp_path):
    """States are bit-equal to numpy's float16 arithmetic."""
    stream = executor.open_artifact(artifact(leaky(half=True), tmp_path)).stream()
    level, differs = np.zeros(3, np.float16), False
    for frame in frames(10):
        colour = frame.reshape(-1, 3).astype(np.float32).mean(0).astype(np.float16)
        exact = np.float32(0.5) * level.astype(np.float32) + frame.reshape(-1, 3).mean(0).astype(np.float32)
        level = np.float16(0.5) * level + colour
        differs |= bool((exact != level.astype(np.float32)).any())
        wanted = (MIX.astype(np.float16).astype(np.float32) @ level.astype(np.float32)).astype(np.float16)
        np.testing.assert_allclose(stream.step(frame).logits, wanted, rtol=2**-10, atol=2**-10)
        np.testing.assert_array_equal(stream.state[STATE].reshape(3), level.astype(np.float32))
    assert differs


def native():
    """Return the program of ``leaky`` with one of Core ML's own states, in float16."""

    @mb.program(
        input_specs=[mb.TensorSpec(shape=FRAME), mb.StateTensorSpec((1, 3, 1, 1), dtype=types.fp16)],
        opset_version=TARGET,
    )
    def program(frame, state_level):
        colour = mb.cast(x=mb.reduce_mean(x=frame, axes=[2, 3], keep_dims=True), dtype="fp16")
        level = mb.add(x=mb.mul(x=mb.read_state(input=state_level), y=np.float16(0.5)), y=colour)
        written = mb.coreml_update_state(state=state_level, value=level)
        flat = mb.reshape(x=mb.cast(x=written, dtype="fp32"), shape=[1, 3])
        return mb.linear(x=flat, weight=MIX, bias=np.zeros(4, np.float32), name="logits")

    program.functions["main"].input_types = [
        ct.ImageType(name="frame", shape=FRAME, channel_first=True),
        ct.StateType(wrapped_type=ct.TensorType(shape=(1, 3, 1, 1), dtype=np.float16), name=STATE),
    ]
    return program


def test_native_states_are_read_and_written(tmp_path):
    model = executor.open_artifact(artifact(native(), tmp_path, spec("float16", "native")))
    a, b = model.stream(), model.stream()
    level = np.zeros(3, np.float16)
    for frame in frames(6):
        level = np.float16(0.5) * level + frame.reshape(-1, 3).astype(np.float32).mean(0).astype(np.float16)
        answer = a.step(frame).logits
        np.testing.assert_allclose(answer, MIX @ level.astype(np.float32), rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(a.state[STATE].reshape(3), level)
    assert (b.state[STATE] == 0).all()  # each stream has its own state
    saved = a.state
    last = a.step(frame).logits
    b.state = saved
    np.testing.assert_array_equal(b.step(frame).logits, last)
    a.reset()
    assert (a.state[STATE] == 0).all()


def test_an_unknown_operation_is_named(tmp_path):
    made = artifact(leaky(extra=lambda x: mb.erf(x=x)), tmp_path)
    with pytest.raises(ArtifactError, match="the reference executor does not know the operation erf"):
        executor.open_artifact(made)


def test_an_unknown_form_of_an_operation_is_named(tmp_path):
    padded = lambda x: mb.slice_by_index(  # noqa: E731
        x=mb.pad(x=x, pad=[0, 0, 0, 0, 1, 0, 0, 0], mode="replicate"), begin=[0, 0, 1, 0], end=[1, 3, 2, 1]
    )
    stream = executor.open_artifact(artifact(leaky(extra=padded), tmp_path)).stream()
    with pytest.raises(ArtifactError, match="pad with mode replicate"):
        stream.step(frames(1)[0])


@pytest.mark.parametrize("name", ["weights", "program"])
def test_damage_with_a_matching_hash_gives_a_one_line_error(tmp_path, name):
    """If the hash matches the damaged files, coremltools' own checks find the damage."""
    made = artifact(leaky(), tmp_path)
    files = mlpackage_file.split_files(made.body)
    if name == "weights":
        files[mlpackage_file.WEIGHTS] = files.get(mlpackage_file.WEIGHTS, b"")[:64]
        if not made.body.count(b"weight.bin"):
            pytest.skip("this program has no weights in a file")
    else:
        files[mlpackage_file.MODEL] = files[mlpackage_file.MODEL][: len(files[mlpackage_file.MODEL]) // 2]
    broken = Artifact(made.path, made.spec, mlpackage_file.join_files(files))
    with pytest.raises(ArtifactError) as caught:
        executor.open_artifact(broken)
    assert "\n" not in str(caught.value) and str(made.path) in str(caught.value)


def test_a_model_that_is_not_an_ml_program_is_refused(tmp_path):
    made = artifact(leaky(), tmp_path)
    files = mlpackage_file.split_files(made.body)
    from coremltools import proto

    model = proto.Model_pb2.Model.FromString(files[mlpackage_file.MODEL])
    model.identity.SetInParent()
    files[mlpackage_file.MODEL] = model.SerializeToString()
    with pytest.raises(ArtifactError, match="not an ML Program but a model of kind identity"):
        executor.open_artifact(Artifact(made.path, made.spec, mlpackage_file.join_files(files)))


def test_a_newer_version_of_the_format_is_refused(tmp_path):
    made = artifact(leaky(), tmp_path)
    files = mlpackage_file.split_files(made.body)
    from coremltools import proto

    model = proto.Model_pb2.Model.FromString(files[mlpackage_file.MODEL])
    model.specificationVersion = 99
    files[mlpackage_file.MODEL] = model.SerializeToString()
    with pytest.raises(ArtifactError, match=r"format has version 99, .* update coremltools"):
        executor.open_artifact(Artifact(made.path, made.spec, mlpackage_file.join_files(files)))


WRONG_DESCRIPTIONS = {
    "another state": (spec("float16"), "state_level"),
    "no state": (spec(states=False), "state_level"),
    "native states": (spec("float16", "native"), "does not have the state form native of its description"),
    "a tensor instead of an image": (stream_spec(states=spec().states), "'frame'"),
}


@pytest.mark.parametrize("case", WRONG_DESCRIPTIONS.values(), ids=WRONG_DESCRIPTIONS)
def test_a_program_that_does_not_match_its_description_is_refused(tmp_path, case):
    description, message = case
    with pytest.raises(ArtifactError, match=message):
        executor.open_artifact(artifact(leaky(), tmp_path, description))


def test_a_classifier_returns_the_top_label_and_all_probabilities(tmp_path):
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4))], opset_version=TARGET)
    def program(x):
        return mb.softmax(x=x, axis=1, name="probabilities")

    made = artifact(
        program,
        tmp_path,
        classifier_config=ct.ClassifierConfig(list(LABELS), predicted_probabilities_output="probabilities"),
    )
    from coremltools.converters.mil.frontend.milproto import load as milproto

    with executor.unpacked(made) as folder:
        model = ct.utils.load_spec(str(folder))
        loaded = milproto.load(model, model.specificationVersion, str(folder / "Data/com.apple.CoreML/weights"))
    outputs = executor.Program.of(loaded.functions["main"]).run({"x": np.array([[0, 1, 5, 2]], np.float32)}, {})
    assert outputs["classLabel"] == "blue"
    assert set(outputs["classLabel_probs"]) == set(LABELS)
    assert sum(outputs["classLabel_probs"].values()) == pytest.approx(1)
    assert max(outputs["classLabel_probs"], key=outputs["classLabel_probs"].get) == "blue"
