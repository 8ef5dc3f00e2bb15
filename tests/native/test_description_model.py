"""A model from a description alone, for programs that run the graph themselves, such as the face for Core ML."""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest

from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import encode
from edgeshift.events.default_rule import rule_of
from edgeshift.events.spotter import Spotter
from edgeshift.video.fit import fit_frame


class Image(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_int),
        ("width", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("planes", ctypes.c_void_p * 3),
        ("strides", ctypes.c_size_t * 3),
        ("pixel_stride", ctypes.c_int32),
        ("rotation", ctypes.c_int32),
        ("mirrored", ctypes.c_int32),
        ("yuv", ctypes.c_int),
    )


class Event(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_int32),
        ("label", ctypes.c_char_p),
        ("score", ctypes.c_double),
        ("timestamp", ctypes.c_double),
    )


@pytest.fixture(scope="module")
def library(native_build) -> ctypes.CDLL:
    core = ctypes.CDLL(str(native_build() / "libedgeshift.so"))
    for name in ("es_model_open_description", "es_spotter_new", "es_stream_new"):
        getattr(core, name).restype = ctypes.c_void_p
    for name in ("es_error", "es_model_label", "es_model_runtime"):
        getattr(core, name).restype = ctypes.c_char_p
    return core


def open_description(library: ctypes.CDLL, text: bytes) -> ctypes.c_void_p:
    return ctypes.c_void_p(library.es_model_open_description(text, ctypes.c_size_t(len(text)), b"a.mlpackage"))


@pytest.fixture(params=["tflite", pytest.param("coreml", marks=pytest.mark.slow)])
def artifact(request, made) -> Path:
    return made("tsm", "int8" if request.param == "tflite" else "fp16", request.param).path


def test_frames_labels_and_events_are_those_of_python(library, artifact):
    spec = read_artifact(artifact).spec
    model = open_description(library, encode(spec))
    assert model.value, library.es_error()
    assert library.es_model_label(model, 0).decode() == spec.labels[0]
    assert library.es_model_runtime(model) == b"none"
    picture = np.random.RandomState(0).randint(0, 256, (45, 70, 3), np.uint8)
    image = Image(width=70, height=45)
    image.planes[0], image.strides[0] = picture.ctypes.data, 210
    fitted = np.empty((spec.frame.height, spec.frame.width, 3), np.uint8)
    assert library.es_model_fit(model, ctypes.byref(image), fitted.ctypes.data_as(ctypes.c_void_p)) == 0
    assert np.array_equal(fitted, fit_frame(picture, spec.frame))
    spotter = ctypes.c_void_p(library.es_spotter_new(model))
    library.es_model_close(model)
    expected, found = Spotter(rule_of(spec), spec.labels), []
    for index in range(60):
        logits = np.zeros(len(spec.labels), np.float32)
        logits[index // 15 % len(spec.labels)] = 9
        event = Event()
        answer = expected.feed(logits, index * 0.25)
        pointer = logits.ctypes.data_as(ctypes.c_void_p)
        status = library.es_spotter_feed(spotter, pointer, ctypes.c_double(index * 0.25), ctypes.byref(event))
        assert status == (answer is not None)
        if answer is not None:
            found.append(answer.label)
            assert (event.label.decode(), event.timestamp) == (answer.label, index * 0.25)
            assert event.score == pytest.approx(answer.score, abs=1e-9)
    assert found
    library.es_spotter_free(spotter)


def test_what_needs_the_graph_is_refused(library, made):
    model = open_description(library, encode(read_artifact(made("tsm", "int8").path).spec))
    reason = b"this model was opened from a description alone, so it has no graph to run: open an artifact"
    assert library.es_stream_new(model) is None and library.es_error() == reason
    assert library.es_model_self_check(model, ctypes.create_string_buffer(256)) == -1 and library.es_error() == reason
    library.es_model_close(model)


def test_a_bad_description_is_refused(library, made):
    document = json.loads(encode(read_artifact(made("tsm", "int8").path).spec))
    for text in (
        b"",
        b"{",
        json.dumps(document | {"unknown": 1}).encode(),
        json.dumps(document | {"labels": []}).encode(),
    ):
        assert open_description(library, text).value is None
        assert library.es_error().startswith(b"a.mlpackage: "), library.es_error()
