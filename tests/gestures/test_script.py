"""Scripts that are read from text."""

from __future__ import annotations

import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import LABELS, STROKES, Action, Stroke, parse_script


def test_names_with_and_without_seconds() -> None:
    script = parse_script("left, pause 2, star 4.5, away 3, wander")
    assert [action.name for action in script] == ["left", "pause", "star", "away", "wander"]
    assert [action.seconds for action in script[1:]] == [2.0, 4.5, 3.0, 2.0]
    assert script[0].seconds == pytest.approx((0.7 * 4.0) ** 0.5)


@pytest.mark.parametrize("label", LABELS)
def test_without_seconds_a_gesture_takes_the_geometric_mean(label: str) -> None:
    (action,) = parse_script(label)
    shortest, longest = STROKES[label].seconds
    assert action.seconds / shortest == pytest.approx(longest / action.seconds)


def test_white_space_does_not_matter() -> None:
    assert parse_script("  left   2 ,\n\tup  1e0 ") == [Action("left", 2.0), Action("up", 1.0)]


def test_labels_may_have_spaces_and_end_in_a_number() -> None:
    strokes = {"swipe 2": Stroke([[(0, 0), (1, 1)]], seconds=(1, 4)), "swipe": Stroke([[(0, 0), (1, 1)]])}
    assert parse_script("swipe 2, swipe 3, swipe 2 3", strokes) == [
        *(Action("swipe 2", 2.0), Action("swipe", 3.0), Action("swipe 2", 3.0)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the script is empty"),
        (" \n", "the script is empty"),
        ("left,, up", "action 2 of the script is empty"),
        ("left,", "action 2 of the script is empty"),
        ("left, lft", r"action 2 of the script: unknown gesture 'lft'; did you mean left\?"),
        ("lft 2", r"unknown gesture 'lft'; did you mean left\?"),
        ("left, puase 2", "unknown gesture 'puase'; did you mean pause"),
        ("swipe left", "unknown gesture 'swipe left'"),
        ("3", "unknown gesture '3'"),
        ("left 2s", "action 1 of the script, 'left 2s': '2s' is not a time of 0.05 to 3600 seconds"),
        ("left 0", "'0' is not a time"),
        ("left -1", "'-1' is not a time"),
        ("left nan", "'nan' is not a time"),
        ("left inf", "'inf' is not a time"),
        ("pause 3601", "'3601' is not a time"),
        ("left 2 3", "unknown gesture 'left 2'"),
        ("x\x1b[2J", r"'x\\x1b\[2J'"),
        ("left," * 10_000 + "up", "a script of 10,001 actions is too long"),
    ],
)
def test_errors_name_the_action_in_one_line(text: str, message: str) -> None:
    with pytest.raises(GestureError, match=message) as caught:
        parse_script(text)
    assert len(str(caught.value).splitlines()) == 1 and str(caught.value).isprintable()


def test_only_the_gestures_given_are_known() -> None:
    with pytest.raises(GestureError, match="unknown gesture 'left'"):
        parse_script("left", {"up": STROKES["up"]})
