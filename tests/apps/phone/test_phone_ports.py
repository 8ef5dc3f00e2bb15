"""What is written twice, in TypeScript for the page and in Python: the same answers to the same questions."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from doubles import LABELS, SIZE

from edgeshift.apps.phone.messages import read_message
from edgeshift.artifact.description import RuleSpec
from edgeshift.events.spotter import Spotter
from edgeshift.stream.selfcheck import check_frames
from edgeshift.video.clips import Pacer
from edgeshift.video.fit import FrameSpec, fit_frame


@pytest.mark.parametrize(("seed", "count", "height", "width"), [(7, 8, 64, 64), (0, 1, 7, 5), (2**31, 3, 30, 17)])
def test_check_frames_are_equal_to_the_byte(ports, seed, count, height, width):
    code = "return ports.checkFrames(seed, count, height, width).map((frame) => Array.from(frame))"
    found = np.array(ports(code, seed=seed, count=count, height=height, width=width), np.uint8)
    assert np.array_equal(found.reshape(count, height, width, 3), check_frames(seed, count, height, width))


def test_check_frames_go_on_where_the_generator_turns(ports):
    """Its state has 624 words: eight frames take more than one turn of it."""
    code = "return Array.from(ports.checkFrames(11, 60, 14, 14)[0])"
    assert ports(code) == check_frames(11, 60, 14, 14)[0].ravel().tolist()


FITS = [
    FrameSpec(112, 112),
    FrameSpec(64, 48, order="bgr"),
    FrameSpec(112, 112, fit="crop"),
    FrameSpec(224, 224, fit="crop", short_side=256),
    FrameSpec(60, 90, fit="crop", short_side=95, order="bgr"),
]


@pytest.mark.parametrize("size", [(240, 240), (480, 640), (640, 480), (33, 47), (112, 112), (1080, 720)])
@pytest.mark.parametrize("fit", FITS, ids=lambda fit: f"{fit.fit}{fit.height}x{fit.width}{fit.order}")
def test_frames_are_fitted_alike(ports, fit, size, tmp_path):
    height, width = size
    picture = np.random.default_rng(1).integers(0, 256, (height, width, 4), np.uint8)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    code = """
        const pixels = new Uint8ClampedArray(readFileSync(path));
        const out = new Float32Array(fit.height * fit.width * 3);
        new ports.Fitter(fit, width, height, 4).into(pixels, out);
        return Array.from(out);
    """
    spec = {"short_side": None, **msgspec.to_builtins(fit)}
    found = np.array(ports(code, path=str(tmp_path / "picture"), fit=spec, width=width, height=height))
    expected = fit_frame(np.ascontiguousarray(picture[..., :3]), fit).ravel().astype(float)
    assert found.min() >= 0 and found.max() <= 255 and np.array_equal(found, np.round(found))
    # OpenCV rounds its weights to 1/2048; noise is the worst that can be asked.
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.25


def test_the_pace_is_the_same(ports):
    times = np.cumsum(np.random.default_rng(2).choice([0.001, 0.033, 0.034, 0.25, 0.9], 500)) + 5
    times[300:] -= 60  # a clock that jumps back
    for spacing in (0.25, 0.1, 1.0):
        pacer = Pacer(spacing)
        code = "const pacer = new ports.Pacer(spacing); return times.map((time) => pacer.takes(time))"
        assert ports(code, times=times.tolist(), spacing=spacing) == [pacer.takes(float(time)) for time in times]


RULES = [
    RuleSpec(window=3, threshold=0.5, hold_off=1.0),
    RuleSpec(window=1, threshold=0.9),
    RuleSpec(window=5, threshold=0.275, hold_off=0.5, none="none", memory=12),
    RuleSpec(window=2, threshold=0.4, memory=1),
    RuleSpec(window=4, threshold=0.3, none="blue", memory=3, hold_off=0.25),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.window}-{rule.memory}-{rule.none}")
def test_events_are_announced_alike(ports, rule):
    random = np.random.default_rng(3)
    # Gestures that last, with rests between: noise alone would hardly be announced.
    shown = np.repeat(random.integers(0, len(LABELS), 80), random.integers(1, 9, 80))
    logits = random.normal(0, 1, (len(shown), len(LABELS))) + 3 * np.eye(len(LABELS))[shown]
    logits = logits.astype(np.float32).astype(float)
    times = np.arange(len(shown)) * 0.25
    times[len(shown) // 2 :] -= 10  # a clock that jumps back
    code = """
        const spotter = new ports.Spotter(rule, labels);
        return logits.map((row, index) => spotter.feed(row, times[index])).filter((event) => event !== null);
    """
    given = {"none": None, "memory": None, "hold_off": 0.0, **msgspec.to_builtins(rule)}
    found = ports(code, rule=given, labels=LABELS, logits=logits.tolist(), times=times.tolist())
    spotter = Spotter(rule, LABELS)
    expected = [event for row, time in zip(logits, times, strict=True) if (event := spotter.feed(row, float(time)))]
    assert len(expected) > 5
    assert [(event["label"], event["timestamp"]) for event in found] == [(e.label, e.timestamp) for e in expected]
    assert [event["score"] for event in found] == pytest.approx([event.score for event in expected], abs=1e-9)


def test_logits_that_are_not_finite_are_no_answer_there_either(ports):
    code = """
        const spotter = new ports.Spotter(rule, labels);
        return [[0, NaN, 0, 0], [Infinity, 0, 0, 0]].map((row) => {
          try { spotter.feed(row, 0); return "taken"; } catch (error) { return error.message; }
        });
    """
    rule = {"window": 1, "threshold": 0.5, "hold_off": 0.0, "none": None, "memory": None}
    assert all("not finite" in message for message in ports(code, rule=rule, labels=LABELS))


READ = """
    try {
      const { spec, body } = await ports.readArtifact(new Uint8Array(readFileSync(path)));
      return { spec, body: Buffer.from(body).toString() };
    } catch (error) { return { error: error.message }; }
"""


def test_the_artifact_is_read_as_it_was_written(ports, artifact):
    found: dict[str, Any] = ports(READ, path=str(artifact.path))
    spec = found["spec"]
    assert found["body"] == "no graph"
    assert spec["labels"] == list(LABELS) and spec["frame"]["height"] == SIZE and spec["frame"]["fit"] == "squash"
    assert spec["rule"] == {"window": 3, "threshold": 0.5, "hold_off": 0, "none": None, "memory": None}
    assert spec["check"]["logits"] == [[0, 1, 2, 3]] * 2
    assert spec["states"][0]["start"] == 0 and spec["body_bytes"] == 8


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "none"])
def test_damage_is_noticed(ports, artifact, tmp_path, damage):
    data = bytearray(artifact.data)
    if damage == "flip":
        data[3] ^= 1
    data = {"cut": data[:-10], "flip": data, "empty": b"", "none": b"x" * 500}[damage]
    (tmp_path / "damaged").write_bytes(bytes(data))
    assert ports(READ, path=str(tmp_path / "damaged"))["error"]


def test_int8_tensors_are_refused_by_the_page_too(ports, written):
    from doubles import tensor

    path = written(input=tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128), precision="int8")
    assert "float tensors only" in ports(READ, path=str(path))["error"]


def test_percentiles_are_numpys(ports):
    samples = np.random.default_rng(4).exponential(1.0, 333)
    code = "return [50, 90, 99].map((percent) => ports.p(percent, samples, 1))"
    assert ports(code, samples=samples.tolist()) == pytest.approx(np.percentile(samples, [50, 90, 99]).tolist())
    assert ports("return [ports.p(90, [1, 2, 3]), ports.p(99, samples)]", samples=samples.tolist()) == [None, None]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no such\r\n\toperator\x1b[31m here\u2028", "no such operator [31m here"),
        ("x" * 600, "x" * 511 + "…"),
        ("\U0001f4f1" * 513, "\U0001f4f1" * 511 + "…"),
        ("fine: ä 手", "fine: ä 手"),
        ("\u202eturned\u2069", "turned"),
    ],
)
def test_what_a_browser_says_becomes_a_line_that_the_server_takes(ports, post, text, line):
    found = ports("return ports.oneLine(text)", text=text)
    assert found == line
    assert read_message(post("error", message=found)).message == line


def test_half_a_character_is_none(ports):
    assert ports("return ports.oneLine('a\\ud83d' + 'b')") == "a?b"
