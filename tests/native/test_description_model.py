"""A model from a description alone, for programs that run the graph themselves, such as the face for Core ML."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import encode
from edgeshift.benchmarks.studies.native_library import Event, NativeLibrary, NativeModel, rgb_image
from edgeshift.errors import EdgeshiftError
from edgeshift.events.default_rule import rule_of
from edgeshift.events.spotter import Spotter
from edgeshift.video.fit import fit_frame


@pytest.fixture(scope="module")
def library(native_build) -> NativeLibrary:
    native = NativeLibrary(native_build() / "libedgeshift.so")
    function = native.calls.es_model_open_description
    function.restype, function.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p]
    native.calls.es_model_label.restype = ctypes.c_char_p
    native.calls.es_model_label.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    return native


def open_description(library: NativeLibrary, text: bytes) -> tuple[ctypes.c_void_p, NativeModel]:
    pointer = library.made(library.calls.es_model_open_description(text, len(text), b"a.mlpackage"))
    return pointer, NativeModel(library, pointer)


@pytest.fixture(params=["tflite", pytest.param("coreml", marks=pytest.mark.slow)])
def artifact(request, made) -> Path:
    return made("tsm", "int8" if request.param == "tflite" else "fp16", request.param).path


def test_frames_labels_and_events_are_those_of_python(library, artifact):
    spec, calls = read_artifact(artifact).spec, library.calls
    pointer, model = open_description(library, encode(spec))
    labels = [calls.es_model_label(pointer, index).decode() for index in range(len(spec.labels))]
    assert (labels, model.runtime) == (list(spec.labels), "none")
    picture = np.random.RandomState(0).randint(0, 256, (45, 70, 3), np.uint8)
    fitted = model.fit(rgb_image(picture), spec.frame.height, spec.frame.width)
    assert np.array_equal(fitted, fit_frame(picture, spec.frame))
    spotter, expected, found = calls.es_spotter_new(pointer), Spotter(rule_of(spec), spec.labels), []
    del model  # a spotter keeps what it needs
    for index in range(60):
        logits = np.zeros(len(spec.labels), np.float32)
        logits[index // 15 % len(spec.labels)] = 9
        event, answer = Event(), expected.feed(logits, index * 0.25)
        status = calls.es_spotter_feed(spotter, logits.ctypes.data, index * 0.25, ctypes.byref(event))
        assert status == (answer is not None)
        if answer is not None:
            found.append(answer.label)
            assert (event.label.decode(), event.timestamp) == (answer.label, index * 0.25)
            assert event.score == pytest.approx(answer.score, abs=1e-9)
    calls.es_spotter_free(spotter)
    assert found


def test_what_needs_the_graph_is_refused(library, made):
    _, model = open_description(library, encode(read_artifact(made("tsm", "int8").path).spec))
    for call in (model.stream, model.self_check):
        with pytest.raises(EdgeshiftError, match="from a description alone, so it has no graph"):
            call()


def test_a_bad_description_is_refused(library, made):
    document = json.loads(encode(read_artifact(made("tsm", "int8").path).spec))
    for changes in ({"unknown": 1}, {"labels": []}, {"version": 99}):
        with pytest.raises(EdgeshiftError, match=r"^a\.mlpackage: "):
            open_description(library, json.dumps(document | changes).encode())
    for text in (b"", b"{"):
        with pytest.raises(EdgeshiftError, match=r"^a\.mlpackage: "):
            open_description(library, text)


def test_several_cameras_in_one_call_are_refused(library, made):
    text = encode(read_artifact(made("tsm", "int8", "onnx", batch=3).path).spec)
    with pytest.raises(EdgeshiftError, match="frames of 3 cameras in one call"):
        open_description(library, text)
