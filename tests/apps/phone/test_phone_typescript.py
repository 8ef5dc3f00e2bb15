"""The page's TypeScript copies of Python code give the same results as the Python code."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from clip_doubles import HOP, T, clip_model
from doubles import LABELS, SIZE, LeakyExecutor, model, stream_spec, tensor
from frame_formula import source
from phone_server import message

from edgeshift._system.files import sha256
from edgeshift.apps.phone.messages import read_message
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.spec import CheckSpec
from edgeshift.events.spotter import Spotter
from edgeshift.stream import Model
from edgeshift.stream.selfcheck import check_frames, make_check, self_check
from edgeshift.video.pace import Pacer


# In the last case, the generator must compute a new state after its 624 words are used up.
@pytest.mark.parametrize(
    ("seed", "count", "height", "width"), [(7, 8, 64, 64), (0, 1, 7, 5), (2**31, 3, 30, 17), (11, 60, 14, 14)]
)
def test_the_frames_of_the_self_check_are_equal_to_the_byte(run_typescript, seed, count, height, width):
    code = "return page.checkFrames(seed, count, height, width).map((frame) => Array.from(frame))"
    frames = np.array(run_typescript(code, seed=seed, count=count, height=height, width=width), np.uint8)
    assert np.array_equal(frames.reshape(count, height, width, 3), check_frames(seed, count, height, width))


GOLDEN_FRAMES = json.loads((Path(__file__).parents[2] / "video" / "golden_frames.json").read_text())
FIT = """
    const pixels = new Uint8ClampedArray(readFileSync(path));
    const out = new Float32Array(spec.height * spec.width * 3);
    const frame = { fit: "squash", short_side: null, order: "rgb", ...spec };
    new page.Fitter(frame, width, height, channels).fit(pixels, out);
    return Buffer.from(Uint8Array.from(out)).toString("base64");
"""


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("case", GOLDEN_FRAMES, ids=lambda case: f"{case['source']} {list(case['frame'].values())}")
def test_fitted_frames_are_the_golden_bytes(run_typescript, case, channels, tmp_path):
    height, width = case["source"]
    picture = np.frombuffer(source(height, width), np.uint8).reshape(height, width, 3)
    if channels == 4:
        picture = np.concatenate([picture, np.full((height, width, 1), 255, np.uint8)], 2)
    (tmp_path / "picture").write_bytes(picture.tobytes())
    path = str(tmp_path / "picture")
    result = run_typescript(FIT, path=path, spec=case["frame"], width=width, height=height, channels=channels)
    assert sha256(base64.b64decode(result)) == case["sha256"]


COMPARE = """
    const runs = [first, second].map(({ logits, states }) => ({
      logits,
      states: Object.fromEntries(Object.entries(states).map(([name, values]) => [name, Float32Array.from(values)])),
    }));
    const { ok, error, tolerance, state_error, state_tolerance, repeatable } = page.compareRuns(
      { precision, check }, accelerator, runs[0], runs[1]);
    return { ok, error, tolerance, state_error, state_tolerance, repeatable };
"""


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize(("accelerator", "processor"), [("cpu", "cpu"), ("webgpu", "gpu")])
@pytest.mark.parametrize("original", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1.0001, 1.01, 1.2])
def test_the_self_check_gives_the_same_result(run_typescript, precision, accelerator, processor, original, scale):
    """The network of the check, and one whose logits and states are ``scale`` times as large."""
    check = make_check(model(), original=original)
    spec = stream_spec(precision=precision, check=check)

    class Scaled(LeakyExecutor):
        def states(self):
            return {name: (scale * state).astype(np.float32) for name, state in super().states().items()}

        def logits(self, level, colour):
            return scale * super().logits(level, colour)

    faulty = model(spec, Scaled)
    expected = self_check(Model(spec, "double", faulty._executor, processor))
    stream = faulty.stream()
    logits = [stream.step(frame).logits.tolist() for frame in check_frames(check.seed, len(check.logits), SIZE, SIZE)]
    run = {"logits": logits, "states": {name: state.ravel().tolist() for name, state in stream.state.items()}}
    fields = {"tolerance": None, **msgspec.to_builtins(check)}
    result = run_typescript(COMPARE, precision=precision, check=fields, accelerator=accelerator, first=run, second=run)
    assert result["ok"] == expected.ok and result["repeatable"]
    for name in ("error", "tolerance", "state_error", "state_tolerance"):
        assert result[name] == pytest.approx(getattr(expected, name), rel=1e-5, abs=1e-9), name


def test_a_second_run_with_other_logits_fails_in_the_page_too(run_typescript):
    check = make_check(model())
    logits = [list(row) for row in check.logits]
    other = [*logits[:-1], [logits[-1][0] + 1e-9, *logits[-1][1:]]]
    runs = {name: {"logits": rows, "states": {}} for name, rows in (("first", logits), ("second", other))}
    fields = {**msgspec.to_builtins(msgspec.structs.replace(check, states={})), "tolerance": None, "states": {}}
    result = run_typescript(COMPARE, precision="fp32", check=fields, accelerator="cpu", **runs)
    assert not result["repeatable"] and not result["ok"] and result["state_error"] is None


def test_the_same_frames_are_due(run_typescript):
    times = np.cumsum(np.random.default_rng(2).choice([0.001, 0.033, 0.034, 0.25, 0.9], 500)) + 5
    times[300:] -= 60  # the clock jumps back
    for spacing in (0.25, 0.1, 1.0):
        pacer = Pacer(spacing)
        code = "const pacer = new page.Pacer(spacing); return times.map((time) => pacer.isDue(time))"
        assert run_typescript(code, times=times.tolist(), spacing=spacing) == [
            pacer.takes(float(time)) for time in times
        ]


@pytest.mark.parametrize("hop", range(1, T + 1))
def test_the_same_clips_are_run_at_the_same_frames(run_typescript, hop):
    model, made = clip_model(hop=hop)
    stream = model.stream()
    rounds = []
    for count in (13, 6):  # the second round begins with a reset
        stream.reset()
        shown = [np.full((SIZE, SIZE, 3), index + count, np.uint8) for index in range(count)]
        fresh = [answer is not None and answer.fresh for answer in map(stream.step, shown)]
        clips = iter([clip[:, 0, 0, 0].tolist() for clip in made[0].clips])
        rounds.append([next(clips) if new else None for new in fresh])
        made[0].clips.clear()
    code = """
        const ring = new page.Ring(3, length, hop);
        return [13, 6].map((count) => {
          ring.reset();
          return Array.from({ length: count }, (_, index) => {
            ring.next.fill(index + count);
            const clip = ring.push();
            return clip && Array.from(clip).filter((_, place) => place % 3 === 0);
          });
        });
    """
    assert run_typescript(code, length=T, hop=hop) == rounds


def test_the_page_reads_the_description_of_a_clip_artifact(run_typescript, make_artifact):
    check = CheckSpec(seed=7, logits=((0.0, 1.0, 2.0, 3.0),) * 4)
    clip = {"mode": "clip", "hop": HOP, "states": (), "input": tensor("clip", T, SIZE, SIZE, 3), "check": check}
    read = run_typescript(READ, path=str(make_artifact(**clip)))
    assert read["spec"]["hop"] == HOP and read["spec"]["input"]["shape"][0] == T and read["spec"]["states"] == []


RULES = [
    RuleSpec(window=3, threshold=0.5, hold_off=1.0),
    RuleSpec(window=1, threshold=0.9),
    RuleSpec(window=5, threshold=0.275, hold_off=0.5, none="none", memory=12),
    RuleSpec(window=2, threshold=0.4, memory=1),
    RuleSpec(window=4, threshold=0.3, none="blue", memory=3, hold_off=0.25),
    RuleSpec(window=3, threshold=0.4, silent=("blue",)),
    RuleSpec(window=3, threshold=0.3, memory=5, silent=("blue",)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.window}-{rule.memory}-{rule.none}")
def test_the_same_events_are_announced(run_typescript, rule):
    random = np.random.default_rng(3)
    # Gestures of several frames with pauses between them. Noise alone would give hardly any detection.
    shown = np.repeat(random.integers(0, len(LABELS), 80), random.integers(1, 9, 80))
    logits = random.normal(0, 1, (len(shown), len(LABELS))) + 3 * np.eye(len(LABELS))[shown]
    logits = logits.astype(np.float32).astype(float)
    times = np.arange(len(shown)) * 0.25
    times[len(shown) // 2 :] -= 10  # the clock jumps back
    code = """
        const spotter = new page.Spotter(rule, labels);
        return logits.map((row, index) => spotter.feed(row, times[index])).filter((event) => event !== null);
    """
    fields = {"none": None, "memory": None, "hold_off": 0.0, "silent": [], **msgspec.to_builtins(rule)}
    announced = run_typescript(code, rule=fields, labels=LABELS, logits=logits.tolist(), times=times.tolist())
    spotter = Spotter(rule, LABELS)
    expected = [event for row, time in zip(logits, times, strict=True) if (event := spotter.feed(row, float(time)))]
    assert len(expected) > 5
    assert [(event["label"], event["timestamp"]) for event in announced] == [(e.label, e.timestamp) for e in expected]
    assert [event["score"] for event in announced] == pytest.approx([event.score for event in expected], abs=1e-9)


def test_logits_that_are_not_finite_are_an_error(run_typescript):
    code = """
        const spotter = new page.Spotter(rule, labels);
        return [[0, NaN, 0, 0], [Infinity, 0, 0, 0]].map((row) => {
          try { spotter.feed(row, 0); return "no error"; } catch (error) { return error.message; }
        });
    """
    rule = {"window": 1, "threshold": 0.5, "hold_off": 0.0, "none": None, "memory": None, "silent": [], "origin": ""}
    assert all("not finite" in text for text in run_typescript(code, rule=rule, labels=LABELS))


READ = """
    try {
      const { spec, graph } = await page.readArtifact(new Uint8Array(readFileSync(path)));
      return { spec, graph: Buffer.from(graph).toString() };
    } catch (error) { return { error: error.message }; }
"""


def test_the_page_reads_the_artifact_as_it_was_written(run_typescript, artifact):
    read: dict[str, Any] = run_typescript(READ, path=str(artifact.path))
    spec = read["spec"]
    assert read["graph"] == "no graph"
    assert spec["labels"] == list(LABELS) and spec["frame"]["height"] == SIZE and spec["frame"]["fit"] == "squash"
    assert spec["rule"] == {
        "window": 3,
        "threshold": 0.5,
        "hold_off": 0,
        "none": None,
        "memory": None,
        "silent": [],
        "origin": "",
    }
    assert spec["check"]["logits"] == [[0, 1, 2, 3]] * 2
    assert spec["states"][0]["start"] == 0 and spec["body_bytes"] == 8


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_the_page_refuses_a_damaged_artifact(run_typescript, artifact, tmp_path, damage):
    flipped = bytes([*artifact.data[:3], artifact.data[3] ^ 1]) + artifact.data[4:]
    data = {"cut": artifact.data[:-10], "flip": flipped, "empty": b"", "foreign": b"x" * 500}[damage]
    (tmp_path / "damaged").write_bytes(data)
    assert "artifact is" in run_typescript(READ, path=str(tmp_path / "damaged"))["error"]


def test_the_page_refuses_int8_inputs(run_typescript, make_artifact):
    frame = tensor("frame", 1, SIZE, SIZE, 3, dtype="int8", scale=1.0, zero_point=-128)
    path = make_artifact(input=frame, precision="int8")
    assert "float tensors only" in run_typescript(READ, path=str(path))["error"]


def test_percentiles_equal_those_of_numpy(run_typescript):
    samples = np.random.default_rng(4).exponential(1.0, 333)
    code = "return [50, 90, 99].map((percent) => page.percentile(percent, samples, 1))"
    percentiles = run_typescript(code, samples=samples.tolist())
    assert percentiles == pytest.approx(np.percentile(samples, [50, 90, 99]).tolist())
    code = "return [page.percentile(90, [1, 2, 3]), page.percentile(99, samples)]"
    assert run_typescript(code, samples=samples.tolist()) == [None, None]


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
def test_any_text_of_a_browser_becomes_a_line_that_the_server_accepts(run_typescript, text, line):
    result = run_typescript("return page.oneLine(text)", text=text)
    assert result == line
    assert read_message(message("error", message=result)).message == line


def test_half_of_a_surrogate_pair_becomes_a_question_mark(run_typescript):
    assert run_typescript("return page.oneLine('a\\ud83d' + 'b')") == "a?b"
