"""The native runtime compared with the Python stream, over the same artifacts and frames."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import edgeshift
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import read_artifact, write_artifact
from edgeshift.benchmarks.studies.native_library import NativeLibrary, litert_library, rgb_image
from edgeshift.errors import EdgeshiftError
from edgeshift.events.default_rule import rule_of
from edgeshift.events.spotter import Spotter
from edgeshift.gestures.draw import draw_stream
from edgeshift.gestures.script import parse_script
from edgeshift.stream import ClipStream
from edgeshift.stream.selfcheck import self_check

Build = Callable[..., Path]
KINDS = ("int8", "fp32", "clip")
STORED = Path(__file__).parents[1] / "artifact" / "stored" / "version1_int8.tflite"


@pytest.fixture(scope="session")
def native(native_build: Build) -> NativeLibrary:
    pytest.importorskip("ai_edge_litert.compiled_model", reason="LiteRT 2 is not installed")
    return NativeLibrary(native_build() / "libedgeshift.so")


@pytest.fixture(params=KINDS)
def artifact(request: pytest.FixtureRequest) -> Path:
    """Return an artifact of each kind."""
    if request.param == "clip":
        return request.getfixturevalue("clip_artifact")
    return request.getfixturevalue("made")("tsm", request.param).path


def with_spec(path: Path, folder: Path, **changes: Any) -> Path:
    """Write an artifact again with other fields in its description."""
    artifact = read_artifact(path)
    changed = folder / f"changed_{path.name}"
    write_artifact(changed, artifact.body, msgspec.structs.replace(artifact.spec, **changes))
    return changed


def drawn(seed: int) -> list[np.ndarray]:
    frames = draw_stream(seed, parse_script("left 1, pause 0.5, circle 1.5"), size=96, spacing=0.1).frames
    return [np.ascontiguousarray(frame) for frame in frames]


def test_logits_and_pace_are_those_of_python(native, artifact, tmp_path):
    path = with_spec(artifact, tmp_path, frame_spacing=0.17)
    python, other = edgeshift.load(path).stream(), native.open(path).stream()
    fresh = 0
    for seed in range(4):
        random = np.random.default_rng(seed)
        python.reset()
        other.reset()
        for index, frame in enumerate(drawn(seed)):
            timestamp = None if index % 11 == 10 else 5 + 0.1 * index + float(random.uniform(-0.04, 0.04))
            expected, given = python.step(frame, timestamp), other.step(rgb_image(frame), timestamp)
            if expected is None:
                assert given is None
                continue
            assert np.array_equal(given.logits, expected.logits)
            assert (given.label, given.index, given.fresh) == (expected.label, expected.index, expected.fresh)
            assert given.score == pytest.approx(expected.score, rel=1e-5)
            fresh += given.fresh
    assert fresh > 10


def test_states_are_those_of_python(native, artifact):
    python, other = edgeshift.load(artifact).stream(), native.open(artifact).stream()
    frames = drawn(1)
    for frame in frames[:7]:
        python.step(frame)
        other.step(rgb_image(frame))
    names = ["frames", "count"] if isinstance(python, ClipStream) else [state.name for state in python.spec.states]
    saved = other.save()
    assert saved.startswith(b"edgeshift state 1\n" + python.spec.body_sha256.encode())
    assert saved.endswith(b"".join(python.state[name].tobytes() for name in names))
    after = [other.step(rgb_image(frame)) for frame in frames[7:14]]
    other.restore(saved)
    for expected, frame in zip(after, frames[7:14], strict=True):
        given = other.step(rgb_image(frame))
        # A restored clip has no answer yet, which it could repeat.
        assert (given is None) if expected is None or (not expected.fresh and given is None) else True
        if given is not None and expected is not None:
            assert np.array_equal(given.logits, expected.logits)


def test_whole_clips_are_those_of_python(native, clip_artifact):
    model, stream = edgeshift.load(clip_artifact), native.open(clip_artifact).stream()
    for count in (1, 3, 4, 9, 30):
        frames = (drawn(2) * 2)[:count]
        given = stream.clip([rgb_image(frame) for frame in frames])
        assert np.array_equal(given.logits, model.clip(frames).logits)


def test_a_stream_artifact_refuses_whole_clips(native, made):
    with pytest.raises(EdgeshiftError, match="one frame at a time"):
        native.open(made("tsm", "int8").path).stream().clip([rgb_image(drawn(0)[0])])


def test_the_self_check_is_that_of_python(native, artifact):
    check, expected = native.open(artifact).self_check(), self_check(edgeshift.load(artifact))
    assert check.ok and check.repeatable and expected.ok
    assert (check.frames, check.version) == (expected.frames, expected.version)
    for name in ("error", "tolerance", "state_error", "state_tolerance"):
        python = getattr(expected, name)
        assert getattr(check, name) == pytest.approx(np.nan if python is None else python, rel=1e-9, nan_ok=True)


def test_the_self_check_finds_what_python_finds(native, artifact, tmp_path):
    """The expected values are moved, so that the errors are not zero."""
    check = read_artifact(artifact).spec.check
    random = np.random.default_rng(0)
    logits = tuple(tuple(v + check.span * float(random.normal()) for v in row) for row in check.logits)
    states = {name: tuple(v + float(random.normal()) for v in values) for name, values in check.states.items()}
    for changed in (
        msgspec.structs.replace(check, logits=logits),
        msgspec.structs.replace(check, logits=logits, states=states, reference="original"),
    ):
        path = with_spec(artifact, tmp_path, check=changed)
        given, expected = native.open(path).self_check(), self_check(edgeshift.load(path))
        assert not given.ok and not expected.ok
        for name in ("error", "tolerance", "state_error", "state_tolerance"):
            python = getattr(expected, name)
            assert getattr(given, name) == pytest.approx(np.nan if python is None else python, rel=1e-6, nan_ok=True)


def test_an_artifact_without_a_self_check_is_refused(native, made, tmp_path):
    path = with_spec(made("tsm", "int8").path, tmp_path, check=None)
    with pytest.raises(EdgeshiftError, match="has no self-check; convert the model again"):
        native.open(path).self_check()


def test_the_check_of_version_1_is_that_of_python(native):
    check, expected = native.open(STORED).self_check(), self_check(edgeshift.load(STORED))
    assert (check.version, check.ok, np.isnan(check.state_error)) == (1, expected.ok, True)
    assert (check.error, check.tolerance) == (expected.error, expected.tolerance)


def rules(labels: tuple[str, ...]) -> list[RuleSpec | None]:
    return [
        None,
        RuleSpec(window=5, threshold=0.3, hold_off=0.5, memory=12),
        RuleSpec(window=3, threshold=0.25, hold_off=0.4),
        RuleSpec(window=4, threshold=0.2, memory=3, none=labels[1], silent=labels[2:4]),
        RuleSpec(window=1, threshold=0.5),
    ]


@pytest.mark.parametrize("number", range(5))
def test_detections_are_those_of_python(native, made, tmp_path, number):
    artifact = made("tsm", "int8").path
    labels = read_artifact(artifact).spec.labels
    path = with_spec(artifact, tmp_path, rule=rules(labels)[number], frame_spacing=0.15 if number % 2 else None)
    spec = read_artifact(path).spec
    detections = 0
    for seed in range(6):
        stream, spotter = native.open(path).stream(), Spotter(rule_of(spec), labels)
        random = np.random.default_rng(seed)
        logits = np.zeros(len(labels), np.float32)
        now = 0.0
        for index in range(400):
            if index % 9 == 0:
                logits = random.normal(0, 5, len(labels)).astype(np.float32)
            now += float(random.uniform(0.0, 0.3)) if index != 200 else -20
            noisy = (logits + random.normal(0, 0.5, len(labels))).astype(np.float32)
            expected, given = spotter.feed(noisy, now), stream.feed(noisy, now)
            assert (given is None) == (expected is None)
            if given is not None:
                detections += 1
                assert (given[0], given[2]) == (expected.label, expected.timestamp)
                assert abs(given[1] - expected.score) <= 1e-15
    assert detections > 5


def test_logits_that_are_not_finite_are_refused(native, made):
    stream = native.open(made("tsm", "int8").path).stream()
    logits = np.zeros(len(read_artifact(made("tsm", "int8").path).spec.labels), np.float32)
    for wrong in (np.nan, np.inf):
        with pytest.raises(EdgeshiftError, match="the logits are not finite"):
            stream.feed(np.full_like(logits, wrong), 1.0)
    with pytest.raises(EdgeshiftError, match="is not a time in seconds"):
        stream.feed(logits, float("nan"))


def test_a_missing_runtime_is_one_clear_line(native, made, tmp_path):
    missing = tmp_path / "libLiteRt.so"
    with pytest.raises(EdgeshiftError, match=r"LiteRT's library cannot be opened: .*EDGESHIFT_LITERT"):
        native.open(made("tsm", "int8").path, library=missing)
    missing.write_bytes(b"not a library")
    with pytest.raises(EdgeshiftError, match="LiteRT's library cannot be opened"):
        native.open(made("tsm", "int8").path, library=missing)


@pytest.mark.parametrize(("threads", "name"), [(0, "1 thread"), (2, "2 threads")])
def test_the_runtime_says_its_threads(native, made, threads, name):
    assert native.open(made("tsm", "int8").path, threads).runtime == f"LiteRT (compiled, {name})"


@pytest.mark.parametrize("threads", [-1, 65])
def test_other_numbers_of_threads_are_refused(native, made, threads):
    with pytest.raises(EdgeshiftError, match=f"threads must be 1 to 64, not {threads}"):
        native.open(made("tsm", "int8").path, threads)


def test_a_graph_that_is_not_the_described_one_is_refused(native, made, tmp_path):
    artifact = read_artifact(made("tsm", "int8").path)
    other = read_artifact(made("tsn", "int8").path)
    path = tmp_path / "exchanged.tflite"
    write_artifact(path, other.body, artifact.spec)
    with pytest.raises(EdgeshiftError, match=r"of the graph is missing, but the description says .*convert the model"):
        native.open(path)


def test_many_steps_need_no_more_memory(native, made):
    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    stream, images = native.open(made("tsm", "int8").path).stream(), [rgb_image(frame) for frame in drawn(0)]
    for index in range(2200):
        if index == 200:
            before = memory()
        stream.step(images[index % len(images)])
    assert memory() - before < 1 << 20


def test_the_example_prints_the_labels_of_python(native_build, made):
    frames = drawn(3)[:8]
    program = native_build() / "examples" / "label_frames"
    path = made("tsm", "int8").path
    environment = {**os.environ, "EDGESHIFT_LITERT": str(litert_library())}
    height, width = frames[0].shape[:2]
    done = subprocess.run(
        [program, path, str(width), str(height)], input=np.stack(frames).tobytes(), capture_output=True, env=environment
    )
    stream = edgeshift.load(path).stream()
    predictions = [stream.step(frame) for frame in frames]
    expected = [f"{prediction.label} {prediction.score:.2f}" for prediction in predictions]
    assert done.stdout.decode().splitlines() == expected
