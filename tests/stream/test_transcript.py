"""Golden transcripts: what is recorded, what the file says, and which differences a replay finds."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import clip_doubles
import doubles
import msgspec
import numpy as np
import pytest
from doubles import INT8, LABELS, SIZE, ForgetfulExecutor, LeakyExecutor, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.models.config import ModelConfig
from edgeshift.sound import SoundSettings
from edgeshift.stream import Model
from edgeshift.stream.ear import Ear
from edgeshift.stream.replay import replay, write_transcript
from edgeshift.stream.transcript import (
    Deafen,
    Hear,
    Reset,
    Restore,
    Save,
    Step,
    encode_transcript,
    pack,
    picture,
    read_transcript,
)
from edgeshift.stream.transcript_sounds import samples_of
from edgeshift.video.fit import FrameSpec, fit_frame

HASH = "5" * 64
EVENT = {"index": 0, "label": "red", "score": 1, "timestamp": 0}
RULE = RuleSpec(window=3, threshold=0.5, hold_off=1.0)


def stream_model(executor=LeakyExecutor, runtime="LiteRT 9.9 (compiled)", **changes) -> Model:
    spec = stream_spec(**{"body_sha256": HASH, "frame_spacing": 0.25, "rule": RULE, **INT8, **changes})
    return Model(spec, runtime, lambda: executor(spec))


def clip_model(**changes) -> Model:
    model, _ = clip_doubles.clip_model("int8", body_sha256=HASH, frame_spacing=0.25, **changes)
    return model


def sound_model(executor=LeakyExecutor, **changes) -> Model:
    settings = SoundSettings(seconds=0.5, frames=4, weight=3.0, bands=16)
    config = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=settings)
    return stream_model(executor, model=config, **{"quiet": (0.0, 0.5, 0.25, 0.0), **changes})


def written(transcript, tmp_path):
    (tmp_path / "t.json").write_bytes(encode_transcript(transcript))
    return read_transcript(tmp_path / "t.json")


def steps(transcript, answer):
    return [call for call in transcript.calls if isinstance(call, Step) and call.answer == answer]


@pytest.mark.parametrize("make", [stream_model, clip_model])
def test_a_transcript_is_read_as_it_was_written_and_replays(tmp_path, make):
    transcript = write_transcript(make())
    assert written(transcript, tmp_path) == transcript
    assert replay(make(), transcript) == []
    kinds = [type(call) for call in transcript.calls]
    assert {Reset, Save, Restore} <= set(kinds) and kinds.index(Save) < kinds.index(Restore)
    assert len(steps(transcript, "fresh")) >= 5 and len(steps(transcript, "repeated")) >= 10
    assert bool(steps(transcript, "none")) == (make is clip_model)
    # Every size of frames occurs in fresh answers, and the spotter announces labels.
    assert len({(step.height, step.width) for step in steps(transcript, "fresh")}) > 1
    assert sum(call.event is not None for call in transcript.rule_calls) >= 3
    assert any(step.time is None for step in steps(transcript, "fresh")) or make is clip_model


def test_each_picture_is_the_formula_of_the_page():
    seed, number, height, width = 0xFFFF_FFF0, 3, 29, 17
    pixels = picture(seed, number, height, width)
    for y, x, channel in ((0, 0, 0), (28, 16, 2), (13, 5, 1), (20, 0, 0)):
        index = seed + 3 * (4096 * (14 * y // height) + 14 * x // width + number) + channel
        mixed = index * 2654435761 & 0xFFFFFFFF
        mixed ^= mixed >> 15
        assert pixels[y, x, channel] == (mixed * 2246822519 & 0xFFFFFFFF) >> 24


def test_the_hash_is_over_the_stored_states_in_the_order_of_the_description():
    model = stream_model()
    transcript = write_transcript(model)
    stream = model.stream()
    first = transcript.calls[0]
    stream.step(picture(transcript.seed, first.picture, first.height, first.width), first.time)
    assert first.states == hashlib.sha256(stream.state[doubles.STATE].tobytes()).hexdigest()
    stored = np.full(3, INT8["states"][0].zero_point, np.int8)
    reset = next(call for call in transcript.calls if isinstance(call, Reset))
    assert reset.states == hashlib.sha256(stored.tobytes()).hexdigest()


def test_the_hash_of_a_clip_is_over_the_frames_since_the_start():
    transcript = write_transcript(clip_model())
    reset = next(call for call in transcript.calls if isinstance(call, Reset))
    assert reset.states == hashlib.sha256((0).to_bytes(8, "little")).hexdigest()
    fresh = steps(transcript, "fresh")[0]
    due, last = [], None
    for call in transcript.calls[: transcript.calls.index(fresh) + 1]:
        passed = int((call.time - transcript.calls[0].time + 0.001) / 0.25)
        if passed != last:
            due.append(call)
            last = passed
    assert len(due) == clip_doubles.T
    ring = [fit_frame(picture(7, call.picture, call.height, call.width), FrameSpec(SIZE, SIZE)) for call in due]
    assert fresh.states == hashlib.sha256(np.stack(ring).tobytes() + len(due).to_bytes(8, "little")).hexdigest()


@pytest.mark.parametrize("spacing", [None, 0.05, 0.25, 3600.0])
def test_the_transcript_of_a_network_that_hears_has_sounds(tmp_path, spacing):
    transcript = write_transcript(sound_model(frame_spacing=spacing))
    assert transcript.version == 2 and written(transcript, tmp_path) == transcript
    assert replay(sound_model(frame_spacing=spacing), transcript) == []
    heard = {call.heard for call in transcript.calls if isinstance(call, Step)}
    assert heard >= {"deaf", "heard", "late"}
    if spacing != 3600:  # between frames as far apart, a piece is long enough at once
        assert heard == {"deaf", "waiting", "heard", "late", "silent", "clipped"}
    pieces = [call for call in transcript.calls if isinstance(call, Hear)]
    assert {call.rate for call in pieces} == {16_000, 44_100} and {call.sound for call in pieces} > {
        "silent",
        "clipped",
    }
    assert any(isinstance(call, Deafen) for call in transcript.calls)
    assert any(call.heard == "heard" and call.time is None for call in transcript.calls if isinstance(call, Step))
    assert write_transcript(stream_model()).version == 1


def test_the_transcript_of_a_clip_artifact_that_hears_has_sounds(tmp_path):
    def model() -> Model:
        settings = SoundSettings(seconds=0.5, frames=4, weight=3.0, bands=16)
        base = clip_model()
        config = ModelConfig("tsam", "mobilenet_v2", len(LABELS), size=SIZE, sound=settings)
        frames, classes = base.spec.frames, len(LABELS)
        spec = msgspec.structs.replace(
            base.spec,
            model=config,
            input=msgspec.structs.replace(base.spec.input, shape=(frames + 1, SIZE, SIZE, 3)),
            output=msgspec.structs.replace(base.spec.output, shape=(2, classes)),
        )

        class TwoRows:
            """Answers with the mean of the frames and that of the sound."""

            def run(self, clip):
                parts = clip[:frames], clip[frames:]
                rows = [np.resize(part.astype(np.float64).mean((0, 1, 2)), classes) / 8 for part in parts]
                return np.stack(rows).astype(np.int8)

            def states(self):
                return {}

            def set_states(self, states):
                """Do nothing, because there are no states."""

        return Model(spec, base.runtime, TwoRows)

    transcript = write_transcript(model())
    assert transcript.version == 2 and written(transcript, tmp_path) == transcript and replay(model(), transcript) == []
    heard = {call.heard for call in transcript.calls if isinstance(call, Step) and call.answer == "fresh"}
    assert heard == {"deaf", "waiting", "heard", "late", "silent", "clipped"}
    assert steps(transcript, "none") and all(call.heard is None for call in steps(transcript, "none"))


def test_each_sample_is_the_formula_of_the_page():
    seed, first = 0xFFFF_FF00, 1_999_990

    def byte(index: int) -> int:
        mixed = index * 2654435761 & 0xFFFFFFFF
        mixed ^= mixed >> 15
        return (mixed * 2246822519 & 0xFFFFFFFF) >> 24

    drawn, clipped = (samples_of(seed, sound, first, 900) for sound in ("drawn", "clipped"))
    assert drawn.dtype == np.float32 and len(set(drawn.tolist())) > 100
    for i in range(first, first + 900, 7):
        part = i // 800
        noise = 256 * byte(seed + 2 * i) + byte(seed + 2 * i + 1) - 32768
        period = 8 + byte(seed + 1073741824 + part) % 120
        level = 2 + byte(seed + 1610612736 + part) % 8
        value = ((16384 if i // period % 2 else -16384) + noise // 4) // 2**level
        assert drawn[i - first] == value / 32768
        assert clipped[i - first] == (-1 if value < 0 else 1)
    assert not samples_of(seed, "silent", first, 9).any()


def test_a_stream_that_hears_something_else_is_found(monkeypatch):
    transcript = write_transcript(sound_model())
    assert any("logits" in line for line in replay(sound_model(quiet=(0.0, 0.5, 0.25, 1.0)), transcript))
    other = [
        msgspec.structs.replace(call, first=call.first + 40_000) if isinstance(call, Hear) else call
        for call in transcript.calls
    ]
    found = replay(sound_model(), msgspec.structs.replace(transcript, calls=tuple(other)))
    assert any("logits" in line for line in found)
    monkeypatch.setattr(Ear, "hearing", lambda self, time=None: "deaf")
    assert any("what was heard is 'deaf', expected 'heard'" in line for line in replay(sound_model(), transcript))


def test_sounds_for_a_network_without_a_sound_segment_are_refused():
    transcript = write_transcript(stream_model())
    hear = next(call for call in write_transcript(sound_model()).calls if isinstance(call, Hear))
    for call in (hear, Deafen()):
        wrong = msgspec.structs.replace(transcript, version=2, calls=(call, *transcript.calls))
        with pytest.raises(EdgeshiftError, match="no sound segment"):
            replay(stream_model(), wrong)
    with pytest.raises(ValueError, match="version 1 has no sounds"):
        msgspec.structs.replace(transcript, calls=(hear, *transcript.calls)).__post_init__()


class OneBitOff(LeakyExecutor):
    """One logit is one quantization step too large from the 20th step on."""

    def run(self, frame):
        logits = super().run(frame)
        if len(self.frames) >= 20:
            logits[0, 2] += 1
        return logits


class OneStateOff(LeakyExecutor):
    """One value of the state is one step too large after it was set."""

    def set_states(self, states):
        super().set_states({name: array + np.eye(1, 3, dtype=array.dtype) for name, array in states.items()})


def test_one_step_of_one_logit_is_found_where_results_must_be_exact():
    transcript = write_transcript(stream_model())
    found = replay(stream_model(OneBitOff), transcript)
    number = transcript.calls.index(steps(transcript, "fresh")[19]) + 1
    assert re.match(rf"call {number} \(step\): the logits differ by 0.125, expected equal", found[0])


@pytest.mark.parametrize(("executor", "text"), [(ForgetfulExecutor, "logits"), (OneStateOff, "hash")])
def test_a_wrong_state_is_found(executor, text):
    found = replay(stream_model(executor), write_transcript(stream_model()))
    assert found and any(text in line for line in found)


def test_another_runtime_may_differ_within_the_bounds_only():
    transcript = write_transcript(stream_model())
    assert transcript.exact
    other = "Other 1.0"
    assert replay(stream_model(OneBitOff, "LiteRT 1.0 (interpreter)"), transcript) != []
    # Half of the bound of this int8 output is less than one step of one of four logits in a third of the frames.
    assert replay(stream_model(OneBitOff, other), transcript)[0].startswith("the logits differ by 0.0")
    wide = msgspec.structs.replace(transcript, bounds=msgspec.structs.replace(transcript.bounds, logits=0.1))
    assert replay(stream_model(OneBitOff, other), wide) == []
    assert any("state" in line for line in replay(stream_model(ForgetfulExecutor, other), wide))


def test_fp32_is_compared_within_bounds():
    changes = {name: getattr(stream_spec(), name) for name in ("precision", "input", "output", "states")}

    class SlightlyOff(LeakyExecutor):
        def logits(self, level, colour):
            return super().logits(level, colour) + 2e-6

    class FarOff(LeakyExecutor):
        def logits(self, level, colour):
            return super().logits(level, colour) * 1.01

    transcript = write_transcript(stream_model(**changes))
    assert not transcript.exact
    assert replay(stream_model(SlightlyOff, **changes), transcript) == []
    assert "the logits differ by" in replay(stream_model(FarOff, **changes), transcript)[0]


def test_another_rule_and_another_spacing_are_found():
    transcript = write_transcript(stream_model())
    found = replay(stream_model(rule=RuleSpec(window=5, threshold=0.5, hold_off=1.0)), transcript)
    assert any("rule call" in line and "event" in line for line in found)
    assert "the answer is" in replay(stream_model(frame_spacing=0.3), transcript)[0]


def test_an_artifact_without_frame_spacing_and_without_a_rule_has_a_transcript():
    model = stream_model(frame_spacing=None, rule=None)
    transcript = write_transcript(model)
    assert replay(model, transcript) == [] and not steps(transcript, "repeated")


def test_a_rule_that_is_long_has_few_rows_and_a_network_with_one_label_works():
    model = stream_model(rule=RuleSpec(window=1000, threshold=0.5))
    assert len(write_transcript(model).rule_calls) == 240
    silent = RuleSpec(window=3, threshold=0.5, silent=("red", "green"))
    transcript = write_transcript(stream_model(rule=silent))
    assert {call.event.label for call in transcript.rule_calls if call.event} == {"blue"}


def test_the_transcript_of_another_artifact_is_refused():
    transcript = write_transcript(stream_model())
    with pytest.raises(EdgeshiftError, match=r"belongs to another artifact.*edgeshift transcript"):
        replay(stream_model(body_sha256="6" * 64), transcript)
    with pytest.raises(EdgeshiftError, match="hash of its graph"):
        write_transcript(stream_model(body_sha256=None))


def damaged(document, change):
    document = json.loads(json.dumps(document))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda d: d.update(version=3), "version 3"),
        (lambda d: d.update(more=1), "more"),
        (lambda d: d.pop("bounds"), "bounds"),
        (lambda d: d["calls"][0].update(call="jump"), "jump"),
        (lambda d: d["calls"][0].update(time=1e300), "time"),
        (lambda d: d["calls"][0].update(height=100_000), "height"),
        (lambda d: d["calls"][0].pop("logits"), "fresh"),
        (lambda d: d["calls"][0].update(answer="none"), "none"),
        (lambda d: d["calls"][0].update(logits="!!!!"), "base64"),
        (lambda d: d["calls"][0].update(logits="AAAA"), "float32"),
        (lambda d: d["calls"][0].update(logits=base64.b64encode(np.float32([np.nan]).tobytes()).decode()), "finite"),
        (lambda d: d["calls"].insert(0, {"call": "restore", "states": HASH}), "no save"),
        (
            lambda d: d["rule_calls"][0].update(event={"index": 0, "label": "\x1b[31m", "score": 1, "timestamp": 0}),
            "label",
        ),
    ],
)
def test_a_damaged_transcript_is_refused_with_one_line(tmp_path, change, problem):
    document = json.loads(encode_transcript(write_transcript(stream_model())))
    (tmp_path / "t.json").write_bytes(damaged(document, change))
    with pytest.raises(EdgeshiftError, match=problem) as error:
        read_transcript(tmp_path / "t.json")
    assert "\n" not in str(error.value) and "t.json" in str(error.value)


@pytest.mark.parametrize("where", ["calls", "rule_calls"])
def test_logits_of_another_length_are_found(tmp_path, where):
    document = json.loads(encode_transcript(write_transcript(stream_model())))
    document[where][0]["logits"] = pack(np.zeros(len(LABELS) - 1, np.float32))
    (tmp_path / "t.json").write_text(json.dumps(document))
    transcript = read_transcript(tmp_path / "t.json")
    if where == "calls":
        assert f"{len(LABELS)} logits, expected {len(LABELS) - 1}" in replay(stream_model(), transcript)[0]
    else:
        with pytest.raises(EdgeshiftError, match="rule call 1 has 3 logits for 4 labels"):
            replay(stream_model(), transcript)
