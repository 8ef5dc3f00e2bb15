"""Latency of clip artifacts: a timed step is one answer, and reports give its cost per incoming frame."""

from __future__ import annotations

import json
import sys

import msgspec
import numpy as np
import pytest
import reports
from clip_doubles import HOP, T, clip_model
from doubles import frames, model

from edgeshift.benchmarks.devices.local import LocalDevice
from edgeshift.benchmarks.latency.bench import Plan, measure, open_candidate
from edgeshift.benchmarks.latency.loop import run_paced, run_steps, warm_up
from edgeshift.benchmarks.latency.memory import measure_memory
from edgeshift.benchmarks.latency.result import Settings
from edgeshift.benchmarks.latency.steps import group_frames, timed_steps
from edgeshift.benchmarks.latency.summary import summarize
from edgeshift.benchmarks.latency.table import CLIP_COLUMNS, artifact_columns, artifact_rows, phase_rows, remarks
from edgeshift.benchmarks.reports.comparability import differences
from edgeshift.benchmarks.reports.documents import read_document
from edgeshift.benchmarks.reports.latency_compare import compare_latency
from edgeshift.benchmarks.reports.markdown import make_markdown
from edgeshift.benchmarks.reports.page import make_page
from edgeshift.errors import EdgeshiftError

CLIP = {"file": "clip_int8.tflite", "input": (8, 112, 112, 3), "hop": 4}


def test_every_timed_step_of_a_clip_is_one_run_of_the_graph():
    shown = frames(5, height=90, width=70)
    network, made = clip_model()
    stepper, items = timed_steps(network.stream(), shown)
    assert not made[0].clips, "frames that only fill the ring run nothing"
    timed = run_steps(stepper, items, 7, 0.0)
    assert len(made[0].clips) == timed.count == len(timed.timings) == 7
    # Each answer has the frames of the one before it, moved by a hop.
    for before, after in zip(made[0].clips, made[0].clips[1:], strict=False):
        assert np.array_equal(before[HOP:], after[: T - HOP])
    parts = [timing.pre + timing.infer + timing.post for timing in timed.timings]
    assert all(part <= total for part, total in zip(parts, timed.totals, strict=True))


def test_the_time_to_fit_all_frames_of_an_answer_is_its_pre(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr("edgeshift.stream.clip_stream.perf_counter", lambda: float(next(clock)))
    stepper, items = timed_steps(clip_model(hop=3)[0].stream(), frames(4))
    stepper.step(items[0])
    answer = stepper.step(items[1])
    alone = clip_model(hop=1)[0].stream()
    for frame in frames(T):
        last = alone.step(frame)
    assert last is not None
    assert answer.timings.pre > last.timings.pre, "the two frames before the last one are counted"


def test_frames_are_grouped_without_a_gap():
    shown = frames(4)
    groups = group_frames(shown, 3)
    flat = [frame for group in groups for frame in group]
    assert {len(group) for group in groups} == {3} and len(groups) == 4
    assert all(frame is shown[index % 4] for index, frame in enumerate(flat))


def test_a_stream_artifact_is_timed_frame_by_frame():
    stream, shown = model().stream(), frames(3)
    assert timed_steps(stream, shown) == (stream, shown)


def test_warm_up_and_memory_run_answers(monkeypatch):
    network, made = clip_model()
    stepper, items = timed_steps(network.stream(), frames(3))
    steps, _ = warm_up(stepper, items)
    assert steps == len(made[0].clips)
    measure_memory(network.stream, frames(3))
    assert len(made[1].clips) == 64


class Clock:
    """A clock that advances by ``cost`` in each run of the graph, and while the loop waits."""

    def __init__(self, cost: float) -> None:
        self.now, self.cost = 0.0, cost

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def stream(self):
        network, made = clip_model()
        stream = network.stream()
        run = made[0].run

        def slow(clip):
            self.now += self.cost
            return run(clip)

        stream._executor.run = slow
        return stream


@pytest.mark.parametrize(
    ("cost", "late"),
    [(0.0625, 0), (0.15625, 9)],
    ids=["in time", "each answer is late"],
)
def test_a_paced_run_times_answers_and_counts_all_frames(cost, late):
    """At eight frames per second, the fourth frame and every second one after it give an answer."""
    clock = Clock(cost)
    timed = run_paced(clock.stream(), frames(5), 1, 2.3, 8.0, clock, clock.wait)
    assert timed.count == len(timed.totals) == 9 and set(timed.totals) == {cost}
    assert (timed.offered, timed.late) == (20, late)


def test_a_summary_has_the_latency_of_an_answer_and_of_a_frame():
    report = reports.report(reports.subject(20000.0, **CLIP), reports.subject())
    clip, stream = summarize(report)
    assert clip.phases["end_to_end"].p50 == pytest.approx(4 * clip.per_frame)
    assert stream.per_frame == stream.phases["end_to_end"].p50
    assert artifact_columns([clip, stream]) == CLIP_COLUMNS and artifact_columns([stream]) != CLIP_COLUMNS
    rows = artifact_rows([clip, stream])
    assert {len(row) for row in rows} == {len(CLIP_COLUMNS)}
    column = CLIP_COLUMNS.index("per frame p50 ms")
    assert [float(row[column]) for row in rows] == pytest.approx([5.0, 5.0], rel=0.05)
    assert phase_rows(clip)[-1][0] == "end to end per frame" and phase_rows(stream)[-1][0] == "end to end"
    (line,) = [line for line in remarks(clip) if "clip artifact" in line]
    assert "fits 4 frames and runs the clip of 8 frames once" in line and "ms per answer" in line
    assert not any("clip artifact" in line for line in remarks(stream))


def test_a_sound_is_no_frame_of_the_clip_and_a_remark_says_that_none_was_given():
    heard = reports.subject(20000.0, **{**CLIP, "input": (9, 112, 112, 3)}, sound=True)
    report = reports.report(heard, reports.subject(sound=True), reports.subject(20000.0, **CLIP))
    clip, stream, deaf = (remarks(summary) for summary in summarize(report))
    assert any("fits 4 frames and runs the clip of 8 frames and a sound once" in line for line in clip)
    assert any("no sound was given: the times are those of answers with a black picture" in line for line in clip)
    assert any("no sound was given: the times are those of steps without a new sound" in line for line in stream)
    assert not any("sound" in line for line in deaf)
    (form,) = [each for each in differences((report, heard), (report, report.subjects[2])) if each.name == "form"]
    assert form.first == "a clip of 8 frames and a sound, an answer every 4 frames"


def test_a_paced_run_of_a_clip_has_no_latency_per_frame():
    artifact = reports.subject(20000.0, offered=1000, missed=25, **CLIP)
    (summary,) = summarize(reports.report(artifact, mode="paced", fps=30.0))
    assert summary.per_frame is None
    assert any("the latency of an answer is that of its last frame" in line for line in remarks(summary))


def test_clip_and_stream_are_compared_per_incoming_frame():
    before, after = reports.report(reports.subject()), reports.report(reports.subject(30000.0, **CLIP))
    with pytest.raises(EdgeshiftError) as caught:
        compare_latency(before, after)
    assert (
        "form (one frame per step against a clip of 8 frames, an answer every 4 frames): permit it with --across form"
        in str(caught.value)
    )
    (pair,) = compare_latency(before, after, across=["form"]).pairs
    assert pair.end_to_end.value == pytest.approx(1.5, rel=0.05) and pair.verdict == "slower"
    assert pair.after == pytest.approx(7500.0, rel=0.05)
    assert "times are per incoming frame" in pair.notes[0] and "ms for 4 frames in B" in pair.notes[0]
    paced = [reports.report(*report.subjects, mode="paced", fps=30.0) for report in (before, after)]
    with pytest.raises(EdgeshiftError, match="a paced run of a clip artifact times only the last frame"):
        compare_latency(*paced, across=["form"])
    with pytest.raises(EdgeshiftError, match="measure both in a mode other than paced"):
        compare_latency(after, paced[1], across=["mode", "fps"])
    assert compare_latency(paced[1], paced[1]).pairs


def test_two_clips_with_one_hop_are_compared_per_answer():
    before = reports.report(reports.subject(20000.0, **CLIP))
    after = reports.report(reports.subject(30000.0, seed=1, **CLIP))
    (pair,) = compare_latency(before, after).pairs
    assert pair.after == pytest.approx(30000.0, rel=0.05) and not pair.notes


def test_pages_and_markdown_give_the_latency_per_answer_and_per_frame():
    report = reports.report(reports.subject(20000.0, **CLIP), reports.subject())
    page, markdown = make_page([report]), make_markdown([report])
    for text in (page, markdown):
        assert "per frame p50 ms" in text and "a clip artifact: a step is one answer" in text
    assert "The latency of a clip artifact is that of one answer." in page
    assert "clip_int8.tflite, answer per 4 frames" in page
    plain = make_page([reports.report(reports.subject(), reports.subject(file="b.tflite"))])
    assert "per frame p50 ms" not in plain and "one answer" not in plain


def test_a_report_without_the_field_is_one_of_stream_artifacts(tmp_path):
    document = json.loads(msgspec.json.encode(reports.report()))
    for subject in document["subjects"]:
        del subject["hop"]
    (tmp_path / "old.json").write_text(json.dumps(document))
    assert read_document(tmp_path / "old.json") == reports.report()


SETTINGS = Settings(
    mode="rapid", steps=20, seconds=0.2, repeats=1, frames="drawn", width=80, height=60, max_temperature=90.0
)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rapid", "paced", "sustained"])
def test_real_processes_time_answers(clip_artifact, monkeypatch, mode):
    from edgeshift.benchmarks.devices.agent import WORKER

    short = f"import {WORKER} as worker, sys; worker.MINUTE = 0.5; sys.exit(worker.main())"
    monkeypatch.setattr(LocalDevice, "agent", lambda self: [sys.executable, "-c", short])
    changes = {"paced": {"fps": 60.0, "seconds": 1.0}, "sustained": {"minutes": 2}}.get(mode, {})
    settings, device = msgspec.structs.replace(SETTINGS, mode=mode, **changes), LocalDevice()
    plan = Plan(device, [open_candidate(clip_artifact)], settings, "drawn", device.facts(), idle_seconds=0.0)
    (artifact,) = measure(plan).subjects
    (repeat,) = artifact.repeats
    assert artifact.hop == 3 and artifact.input == (4, 64, 64, 3) and repeat.checked is True
    assert len(repeat.end_to_end) >= (20 if mode == "rapid" else 5) and artifact.memory is not None
    assert all(value > 0 for value in repeat.infer)
    if mode == "paced":
        assert repeat.offered is not None and repeat.offered >= 3 * len(repeat.end_to_end)
