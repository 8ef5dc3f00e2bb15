"""The description of an artifact: encoding and decoding keep it, and invalid or hostile data is refused in one line."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import msgspec
import numpy as np
import pytest
from artifact_checks import allocates_less_than
from doubles import LABELS, SIZE, stream_spec, tensor

from edgeshift.artifact.description import RuleSpec, WeightsSpec
from edgeshift.artifact.spec import (
    MAX_BYTES,
    MAX_VALUES,
    VERSION,
    CalibrationSpec,
    CheckSpec,
    GraphSpec,
    ParitySpec,
    PlaceSpec,
    RowSpec,
    SoundParitySpec,
    StreamSpec,
    decode,
    encode,
)
from edgeshift.errors import SpecError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import SoundSettings

#: The file name in error messages.
WHERE = "odd.tflite"
SHA = "0123456789abcdef" * 4


def full() -> StreamSpec:
    """Return a description in which no field has its default value."""
    return stream_spec(
        precision="int8",
        model=ModelConfig(
            "tsam",
            "mobilenet_v2",
            len(LABELS),
            size=SIZE,
            sound=SoundSettings(seconds=2.0, frames=8, weight=4.0, norms="separate", every=0.5),
        ),
        input=tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128),
        output=tensor("logits", 1, len(LABELS), dtype="int8", scale=0.125, zero_point=3),
        states=(tensor("state_a", 1, 2, 2, 3, dtype="int8", scale=0.5, zero_point=-7, start=1.5), tensor("state_b", 1)),
        shifts=(
            PlaceSpec(
                place="features_3",
                channels=24,
                rows=(
                    RowSpec(dt=1, dh=0, dw=0, start=0, stop=3, fill="zero"),
                    RowSpec(dt=None, dh=0, dw=-1, start=3, stop=6, fill="keep"),
                ),
            ),
        ),
        weights=WeightsSpec(source="a file", sha256=SHA, trained=False, license="Apache-2.0"),
        state_form="native",
        frame_spacing=0.4,
        clip_frames=8,
        consensus="last",
        rule=RuleSpec(window=4, threshold=0.6, hold_off=1.5, none="blue"),
        quiet=(0.25, -1.0, 2.0, 0.5),
        notes=("sound segment not converted",),
        problems=("cosine 0.98",),
        body_bytes=12345,
        body_sha256=SHA,
        graph=GraphSpec(
            operators={"CONV_2D": 35, "ADD": 10}, partitions=1, delegated=0.5, backend="xnnpack", outside={"ADD": 10}
        ),
        calibration=CalibrationSpec(source="clips", clips=16, samples=48, sha256=SHA),
        float_layers=("blocks.*.se", "head"),
        parity=ParitySpec(
            reference="PyTorch",
            frames=32,
            logit_range=7.5,
            max_error=0.01,
            cosine=0.999,
            top1=0.75,
            top1_clear=1.0,
            state_error=0.02,
            lost_states=("state_c",),
            runtime="a runtime",
            drift=1.25,
            original_error=0.02,
            original_state_error=0.03,
            steps=3.0,
            repeatable=False,
            sound=SoundParitySpec(
                sounds=32, max_error=0.02, cosine=0.99, top1=0.5, fused_error=0.01, fused_cosine=0.98, fused_top1=0.75
            ),
        ),
        check=CheckSpec(
            seed=7,
            logits=((0.0, 1.5, -2.0, 1e-9), (3.0, 4.0, 5.0, 6.0)),
            states={"state_a": (0.5, -2.0)},
            reference="original",
        ),
        tools={"edgeshift": "0.1.0"},
    )


def document(spec: StreamSpec | None = None) -> Any:
    """Return a description as plain lists and dicts, with default values."""
    return json.loads(msgspec.json.encode(msgspec.to_builtins(spec or full())))


def read(value: Any) -> StreamSpec:
    return decode(json.dumps(value).encode(), WHERE)


def refused(data: bytes) -> str:
    """Return the message of the error, which must be one short printable line that names the file."""
    with pytest.raises(SpecError) as caught:
        decode(data, WHERE)
    message = str(caught.value)
    assert message.startswith(f"{WHERE}: ") and message.isprintable() and len(message) < 400
    return message


def changed(path: str, value: Any, spec: StreamSpec | None = None) -> bytes:
    """Return a description with one value replaced, as JSON. The path is such as "states.0.shape"."""
    whole = copy.deepcopy(document(spec))
    *parents, last = path.split(".")
    part = whole
    for key in parents:
        part = part[int(key)] if isinstance(part, list) else part[key]
    part[int(last) if isinstance(part, list) else last] = value
    return json.dumps(whole).encode()


@pytest.mark.parametrize("spec", [stream_spec(), full()], ids=["smallest", "full"])
def test_an_encoded_description_decodes_to_the_same(spec):
    assert decode(encode(spec), WHERE) == spec
    assert encode(decode(encode(spec), WHERE)) == encode(spec)


def test_every_field_of_the_full_description_differs_from_its_default():
    """If a field had its default value, the test above would not notice that encoding loses it.

    The fields of a clip exclude those of a stream; ``test_clip_stream.py`` encodes them.
    """
    for field in msgspec.structs.fields(StreamSpec):
        if field.default is not msgspec.NODEFAULT and field.name != "version":
            assert getattr(full(), field.name) != field.default or field.name in ("mode", "hop"), field.name


def test_the_json_is_indented():
    text = encode(full()).decode()
    assert text.startswith("{\n") and '\n "frame_spacing": 0.4' in text
    assert json.loads(text)["labels"] == list(LABELS)


def test_state_bytes_is_the_size_of_all_states():
    assert full().state_bytes == 2 * 2 * 3 + 4
    assert stream_spec(states=()).state_bytes == 0


NOT_JSON = {
    "empty": b"",
    "text": b"hello",
    "cut short": json.dumps(document()).encode()[:-2],
    "two documents": json.dumps(document()).encode() * 2,
    "not utf-8": json.dumps(document()).encode().replace(b"a file", b"a\xff\xfefile"),
    "null": b"null",
    "number": b"1",
    "string": b'"version"',
    "list": b"[]",
    "empty object": b"{}",
    "zeros": bytes(100),
    "single quotes": b"{'version': 1}",
    "lone surrogate": json.dumps(document()).encode().replace(b"a file", rb"\ud800 file"),
}


@pytest.mark.parametrize("data", NOT_JSON.values(), ids=NOT_JSON)
def test_invalid_json_is_refused_in_one_line(data):
    assert "is not valid" in refused(data)


DEEP = 100_000
NESTED = {
    "lists": b"[" * DEEP,
    "closed lists": b"[" * DEEP + b"]" * DEEP,
    "objects": b'{"a":' * DEEP,
    "unknown field": b'{"version":1,"x":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "unknown object": b'{"version":1,"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    "version": b'{"version":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "labels": json.dumps(document()).encode().replace(b'"red"', b"[" * DEEP + b"]" * DEEP),
    "tools": changed("tools", 5).replace(b'"tools": 5', b'"tools": ' + b'{"a":' * DEEP + b"1" + b"}" * DEEP),
}


@pytest.mark.parametrize("data", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_refused_in_one_line(data):
    started = time.perf_counter()
    refused(data)
    assert time.perf_counter() - started < 5


def test_the_message_states_that_the_nesting_is_too_deep():
    assert "nested too deeply" in refused(NESTED["unknown field"])


def test_data_over_the_limit_is_refused_before_it_is_parsed():
    for size in (MAX_BYTES + 1, 3 * MAX_BYTES):
        assert f"{size:,} bytes; the limit is {MAX_BYTES:,}" in refused(b" " * size)
    whole = json.dumps(document()).encode()
    assert decode(whole + b" " * (MAX_BYTES - len(whole)), WHERE) == full()


@pytest.mark.parametrize(
    ("version", "advice"),
    [(VERSION + 1, "update edgeshift"), (10**18, "update edgeshift"), (0, "convert the model again"), (-1, "convert")],
)
def test_another_version_is_refused_with_a_remedy(version, advice):
    message = refused(changed("version", version))
    assert f"has version {version}, this edgeshift reads version {VERSION}; " in message and advice in message


def test_another_version_may_have_unknown_fields():
    assert "update edgeshift" in refused(b'{"version": 3, "everything": "is new"}')


@pytest.mark.parametrize(
    "literal",
    [
        '"1"',
        "null",
        "1.5",
        "[1]",
        "true",
        "1e400",
        "NaN",
        "1" + "0" * 30,
        "1" + "0" * 4299,
        "1" + "0" * 5000,
        "-0.0001",
    ],
    ids=lambda literal: literal[:8] + f"({len(literal)})",
)
def test_an_invalid_version_is_refused_in_one_line(literal):
    with pytest.raises(SpecError) as caught:
        decode(json.dumps({**document(), "version": "HERE"}).replace('"HERE"', literal).encode(), WHERE)
    assert str(caught.value).isprintable()


WRONG: list[tuple[str, Any]] = [
    # Types.
    ("target", 5),
    ("target", None),
    ("precision", "int4"),
    ("precision", ["int8"]),
    ("model", "tsm"),
    ("model.classes", "4"),
    ("model.table", "lstm"),
    ("model.backbone", "vgg"),
    ("model.mean", [1, 2]),
    ("frame.fit", "stretch"),
    ("frame.height", "64"),
    ("input.dtype", "float64"),
    ("input.dtype", "object"),
    ("input.shape", 64),
    ("input.shape", ["1", "64", "64", "3"]),
    ("input.shape", [1, 64.5, 64, 3]),
    ("states", {}),
    ("states.0", None),
    ("labels", "red"),
    ("labels.1", 2),
    ("shifts.0.rows.0.fill", "mirror"),
    ("weights.trained", "yes"),
    ("weights.sha256", "0" * 63),
    ("weights.sha256", SHA + "\n"),
    ("weights.sha256", SHA.upper()),
    ("body_sha256", "../../etc/passwd"),
    ("consensus", "median"),
    ("rule", 4),
    ("rule.window", 2.5),
    ("rule.window", 0),
    ("rule.window", 1025),
    ("rule.threshold", 0),
    ("rule.threshold", 1.01),
    ("rule.threshold", float("nan")),
    ("rule.hold_off", -0.1),
    ("rule.hold_off", 3601),
    ("rule.hold_off", float("inf")),
    ("rule.none", "violet"),
    ("rule.none", ""),
    ("rule.none", "none\x1b[2J"),
    ("rule.extra", 1),
    ("graph.operators", [["CONV_2D", 1]]),
    ("graph.operators", {"CONV_2D": -1}),
    ("check.logits", [["a", "b", "c", "d"]]),
    ("tools", {"a": 1}),
    # Numbers that are not finite.
    ("frame_spacing", float("nan")),
    ("frame_spacing", float("inf")),
    ("input.scale", float("nan")),
    ("states.0.scale", float("-inf")),
    ("states.0.start", float("nan")),
    ("parity.max_error", float("nan")),
    ("parity.drift", float("inf")),
    ("check.logits.0.0", float("nan")),
    ("check.tolerance", float("inf")),
    ("model.width", float("nan")),
    # Out of range.
    ("frame_spacing", 0),
    ("frame_spacing", -0.4),
    ("frame_spacing", 0.0009),
    ("frame_spacing", 3601),
    ("clip_frames", 0),
    ("input.scale", 0),
    ("output.scale", -1),
    ("states.0.zero_point", 128),
    ("states.0.zero_point", -129),
    ("states.0.start", 68.0),
    ("states.0.start", -65.0),
    ("states.0.start", 1e300),
    ("states.0.scale", 1e-320),
    ("body_bytes", -1),
    ("body_bytes", 2**31 + 1),
    ("body_bytes", 2**63),
    ("body_bytes", 2**64),
    ("body_bytes", 10**40),
    ("check.seed", -1),
    ("check.seed", 2**64),
    ("check.tolerance", 0),
    ("check.tolerance", 4.01),
    ("check.tolerance", 1e300),
    ("check.logits", []),
    ("check.logits", [[0.0] * 4] * 65),
    ("graph.delegated", 1.5),
    ("model.classes", 1),
    ("model.size", 63),
    ("model.size", 2**40),
    ("model.depth", 0),
    ("frame.height", 0),
    ("frame.height", 100_000),
    ("shifts.0.rows.0.dt", 65),
    ("shifts.0.rows.0.start", -1),
    ("shifts.0.channels", 2**40),
    # Shapes.
    ("input.shape", []),
    ("input.shape", [1, -64, 64, 3]),
    ("input.shape", [1, 0, 64, 3]),
    ("input.shape", [1, 64, 64, 3, 1, 1, 1]),
    ("states.0.shape", []),
    ("states.0.shape", [0]),
    ("states.0.shape", [-1, 2, 2, 3]),
    ("states.0.shape", [2**20 + 1]),
    ("states.0.shape", [2**63]),
    ("states.0.shape", [10**30]),
    ("states.0.shape", [1, 1 << 20, 1 << 20]),
    ("states.0.shape", [1, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20]),
    ("states.0.shape", [1, 1 << 14, 1 << 14]),
    ("states.0.shape", [1] * 7),
    ("states", [{"name": f"s{i}", "shape": [1], "dtype": "float32"} for i in range(257)]),
    ("states", [{"name": f"s{i}", "shape": [1 << 20], "dtype": "int8"} for i in range(200)]),
    # Contradictions.
    ("labels", [*LABELS, "more"]),
    ("labels", list(LABELS[:-1])),
    ("labels", []),
    ("model.classes", 5),
    ("output.shape", [1, 5]),
    ("output.shape", [2, 4]),
    ("output.shape", [4]),
    ("output.shape", [1, 1, 4]),
    ("model.size", 128),
    ("frame.height", 128),
    ("frame.width", 65),
    ("input.shape", [1, 64, 65, 3]),
    ("input.shape", [1, 3, 64, 64]),
    ("input.shape", [2, 64, 64, 3]),
    ("input.shape", [64, 64, 3]),
    ("check.logits", [[1.0, 2.0, 3.0]]),
    ("precision", "fp32"),  # of an artifact with layers in float
    # Names.
    ("states.0.name", "state_b"),
    ("states.0.name", "frame"),
    ("states.0.name", "logits"),
    ("output.name", "frame"),
    ("states.0.name", ""),
    ("states.0.name", "x" * 129),
    # Characters that would control a terminal.
    ("labels.0", "\x1b[2Jred"),
    ("labels.0", "red\n"),
    ("labels.0", "\u202ered"),
    ("labels.0", "x" * 257),
    ("states.0.name", "state\x1b[31m"),
    ("states.0.name", "state\n"),
    ("target", "tflite\x07"),
    ("weights.source", "a\x1b]0;title\x07"),
    ("weights.source", "a\x9b2J"),
    ("weights.source", "a file\nof two lines"),
    ("weights.license", "a\u202eb"),
    ("parity.lost_states", ["a\x1b"]),
    ("float_layers.0", "a\x1b"),
    ("float_layers", "head"),
    ("float_layers", ["head"] * 257),
    ("weights.source", "x" * 4097),
    ("tools", {"a\x1b": "1"}),
    ("tools", {"a": "1\x00"}),
    ("tools", {str(i): "1" for i in range(65)}),
    ("graph.operators", {"CONV\x1b[2J": 1}),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path}={str(value)[:24]!a}" for path, value in WRONG])
def test_a_wrong_value_is_refused_in_one_line(path, value):
    refused(changed(path, value))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("frame_spacing", "fast", "frame_spacing"),
        ("states.0.shape", [0], "states[0].shape"),
        ("states.0.shape", [1, 1 << 20, 1 << 20], f"the limit is {MAX_VALUES:,}"),
        ("labels", ["one"], "1 labels and 4 classes for 4 logits"),
        ("states.0.name", "frame", "two tensors have the same name"),
        ("model.table", "tsmm", "unknown shift table 'tsmm'; did you mean"),
        ("rule.none", "violet", "the rule's label for no gesture, 'violet', is not one of the labels"),
        ("output.shape", [2, 4], "not one row of logits"),
        ("check.tolerance", 5, "the self-check is not that of version 2"),
        ("check.states.state_a", [1.0] * 13, "the self-check has 13 values of state_a, which is no state of that size"),
        ("states.0.start", 1e9, "state_a starts at 1e+09, which is outside of its int8 range"),
    ],
)
def test_the_message_has_the_reason_and_a_remedy(path, value, words):
    message = refused(changed(path, value))
    assert words in message and message.endswith("; convert the model again")


@pytest.mark.parametrize(
    "path", ["extra", "model.extra", "frame.extra", "input.extra", "states.0.extra", "check.extra"]
)
def test_an_unknown_field_is_refused_and_named(path):
    assert "unknown field `extra`" in refused(changed(path, 1))


def test_control_characters_in_field_names_are_not_printed():
    message = refused(changed("evil\x1b[2J\u202e", 1))
    assert "evil?[2J?" in message


def test_a_long_field_name_is_shortened_in_the_message():
    assert refused(changed("x" * 10_000, 1)).count("x") < 250


@pytest.mark.parametrize(
    "field", ["version", "target", "model", "frame", "input", "output", "states", "labels", "weights"]
)
def test_a_missing_field_is_refused_and_named(field):
    whole = document()
    del whole[field]
    assert f"`{field}`" in refused(json.dumps(whole).encode())


def _with_values(values: int) -> bytes:
    """Return a description in which all tensors together have this many values."""
    spec = stream_spec()
    left = values - spec.input.values - spec.output.values
    sides = [1 << 20] * (left >> 20)
    sides.append(left % (1 << 20))
    states = [{"name": f"s{i}", "shape": [side], "dtype": "int8"} for i, side in enumerate(sides)]
    description = json.loads(changed("states", states))
    del description["check"]  # it has values of the states that were replaced
    return json.dumps(description).encode()


def test_the_limit_of_values_is_exact_and_nothing_is_allocated():
    with allocates_less_than(10):
        assert len(decode(_with_values(MAX_VALUES), WHERE).states) > 100
        assert f"{MAX_VALUES + 1:,} values" in refused(_with_values(MAX_VALUES + 1))
        refused(changed("states.0.shape", [1, 1 << 20, 1 << 20]))


def test_a_check_of_version_1_is_read_with_its_tolerance():
    raw = json.loads(encode(full()))
    raw["check"] = {"seed": 7, "logits": [[0.0, 1.5, -2.0, 1.0]], "tolerance": 0.5}
    raw["version"] = 1
    spec = decode(json.dumps(raw).encode(), WHERE)
    assert spec.version == 1 and spec.check.tolerance == 0.5 and not spec.check.states
    raw["check"]["tolerance"] = 5
    assert "has a tolerance of 5, which accepts any logits" in refused(json.dumps(raw).encode())
    del raw["check"]["tolerance"]
    assert "is not that of version 1" in refused(json.dumps(raw).encode())


def test_int8_start_values_must_be_in_range():
    # With scale 0.5 and zero point -7, the stored values -128 to 127 are the real values -60.5 to 67.
    for start in (-60.5, 0.0, 64.0):
        assert read(json.loads(changed("states.0.start", start))).states[0].start == start
    for start in (-60.8, 67.3):
        refused(changed("states.0.start", start))


def test_labels_in_any_script_are_accepted():
    labels = ["左へ", "нет", "👋", "swipe left"]
    assert read(json.loads(changed("labels", labels, stream_spec()))).labels == tuple(labels)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_is_refused_or_without_effect(seed):
    """Damage never causes an error other than SpecError."""
    whole = encode(full())
    random = np.random.default_rng(seed)
    outcomes = {True: 0, False: 0}
    for _ in range(500):
        data = bytearray(whole)
        for _ in range(int(random.integers(1, 4))):
            data[int(random.integers(len(data)))] = int(random.integers(256))
        try:
            decode(bytes(data), WHERE)
        except SpecError as error:
            assert "\n" not in str(error)
            outcomes[False] += 1
        else:
            outcomes[True] += 1
    assert min(outcomes.values()) > 0


def refused_in_python(**changes: Any) -> None:
    with pytest.raises(
        ValueError, match=r"same name|row of logits|values; the limit|printable|for 4 logits|one .* frame"
    ):
        stream_spec(**changes)


def test_contradictions_are_also_refused_in_python():
    refused_in_python(labels=("one",))
    refused_in_python(states=(tensor("frame", 1),))
    refused_in_python(output=tensor("logits", 2, 4))
    refused_in_python(input=tensor("frame", 1, 3, 64, 64))
    refused_in_python(states=(tensor("s", 1, 1 << 20, 1 << 20),))
    refused_in_python(labels=("a\nb", "c", "d", "e"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("quiet", [0.0], "the logits of a quiet room do not belong"),
        ("model.sound", None, "the logits of a quiet room do not belong"),
        ("model.sound.windows", [0.025, 0.05, 0.2], "a window of 0.2 s is longer than the transform"),
        ("model.sound.seconds", 0.05, "shorter than one column"),
        ("model.sound.high", -20.0, "low -13.5 must be below high -20"),
        ("model.sound.hops", [1e-9, 0.1, 0.1], "0.001"),
        ("model.fill", "zero", "tsam cannot have a sound segment"),
    ],
)
def test_a_sound_segment_that_contradicts_itself_is_refused(path, value, message):
    assert message in refused(changed(path, value))
