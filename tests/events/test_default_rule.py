"""The default event rule, and event rules in files."""

from __future__ import annotations

import os

import msgspec
import numpy as np
import pytest
from doubles import LABELS, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.errors import EdgeshiftError
from edgeshift.events.default_rule import MIN_FRAMES, ORIGIN, default_rule, rule_for_artifact, rule_in_frames, rule_of
from edgeshift.events.rule_file import read_rule, require_rule_fits, write_rule
from edgeshift.events.spotter import Spotter, describe_rule

JESTER = ("Swiping Left", "No gesture", "Doing other things")


@pytest.mark.parametrize("labels", [LABELS, LABELS[:3], JESTER, ("a", "b")])
@pytest.mark.parametrize("spacing", [None, 0.001, 0.25, 3600.0])
@pytest.mark.parametrize("frames", [None, 1, 8, 4096])
def test_the_default_rule_never_announces_on_the_first_frame(labels, spacing, frames):
    rule = default_rule(labels, spacing, frames)
    msgspec.convert(msgspec.to_builtins(rule), RuleSpec)  # within the limits of a description
    spotter = Spotter(rule, labels)
    certain = np.full(len(labels), -1e4)
    certain[0] = 1e4  # its probability is exactly 1
    assert spotter.feed(certain, 0.0) is None and rule.window >= MIN_FRAMES
    assert any(spotter.feed(certain, index * 0.25) for index in range(1, rule.window))


def test_windows_are_seconds_at_the_frame_spacing():
    with_none, without = default_rule(LABELS, 0.25, 24), default_rule(LABELS[:3], 0.25, 24)
    assert (with_none.window, with_none.memory, with_none.none) == (4, 12, "none")
    assert (without.window, without.memory, without.none) == (12, None, None)
    assert default_rule(LABELS[:3], 0.25, 8).window == 8  # a window needs no more frames than a training clip has


def test_labels_of_jester_that_are_not_gestures_are_silent():
    rule = default_rule(JESTER, 0.4, 8)
    assert rule.silent == JESTER[1:]
    spotter = Spotter(rule, JESTER)
    assert not any(spotter.feed(np.array([0.0, 0.0, 9.0]), index * 0.4) for index in range(20))
    assert "Never announced: 'No gesture', 'Doing other things'" in describe_rule(rule, JESTER)


def test_a_rule_of_the_weights_stays_and_says_where_it_is_from():
    own = RuleSpec(window=4, threshold=0.6)
    assert rule_of(stream_spec(rule=own)) == own
    assert rule_for_artifact(stream_spec(rule=own)).origin == "the weights file"
    assert rule_for_artifact(stream_spec()).origin == ORIGIN


def test_a_rule_is_read_as_it_was_written(tmp_path):
    rule = RuleSpec(window=4, threshold=0.6, memory=9, none="none", silent=("blue",), origin="tuned on 3 clips")
    write_rule(tmp_path / "rule.json", rule)
    assert read_rule(tmp_path / "rule.json") == rule
    (tmp_path / "mine.json").write_text('{"window": 4, "threshold": 0.5}')
    assert read_rule(tmp_path / "mine.json").origin == "the file mine.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an event rule"),
        ("[]", "not an event rule"),
        ("{}", "window"),
        ('{"window": 0, "threshold": 0.5}', r"window"),
        ('{"window": 1e400, "threshold": 0.5}', "not an event rule"),
        ('{"window": 4, "threshold": 2}', r"threshold"),
        ('{"window": 4, "threshold": NaN}', "not an event rule"),
        ('{"window": 4, "threshold": 0.5, "hold-off": 1}', "hold-off"),
        ('{"window": 4, "threshold": 0.5, "none": "\\u001b[31m"}', "none"),
        ("[" * 100_000, "not an event rule"),
        (b"\xff\xfe{", "not an event rule"),
    ],
)
def test_a_file_that_is_no_rule_is_one_line(tmp_path, text, message):
    path = tmp_path / "rule.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(EdgeshiftError, match=message) as caught:
        read_rule(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_pipes_folders_and_large_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b" " * (1 << 21))
    for name, message in (("pipe", "not a file"), (".", "not a file"), ("large", "limit"), ("absent", "No such file")):
        with pytest.raises(EdgeshiftError, match=message):
            read_rule(tmp_path / name)


def test_a_label_that_the_model_lacks_is_named_with_similar_ones():
    with pytest.raises(EdgeshiftError, match=r"r\.json: .*'nona'.* did you mean 'none'"):
        require_rule_fits(RuleSpec(window=4, threshold=0.5, none="nona"), LABELS, "r.json")
    with pytest.raises(EdgeshiftError, match="all of them are silent"):
        require_rule_fits(RuleSpec(window=4, threshold=0.5, silent=LABELS), LABELS, "r.json")


def test_a_rule_counts_answers_in_a_clip_artifact_and_frames_outside_of_it():
    rule = RuleSpec(window=8, threshold=0.5, memory=24, none="none", origin="tuned")
    description = stream_spec(rule=rule)
    stored = rule_for_artifact(description, hop=4)
    assert (stored.window, stored.memory) == (2, 6) and stored.origin == "tuned, counted in answers of clips"
    assert rule_in_frames(stored, 4) == rule
    assert rule_for_artifact(description) == rule
