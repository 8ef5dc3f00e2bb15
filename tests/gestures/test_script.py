"""Scripts as people write them."""

from __future__ import annotations

import pytest

from edgeshift.errors import GestureError
from edgeshift.gestures import LABELS, STROKES, Act, Stroke, parse_script


def test_names_with_and_without_seconds() -> None:
    script = parse_script("left, pause 2, star 4.5, away 3, wander")
    assert [act.name for act in script] == ["left", "pause", "star", "away", "wander"]
    assert [act.seconds for act in script[1:]] == [2.0, 4.5, 3.0, 2.0]
    assert script[0].seconds == pytest.approx((0.7 * 4.0) ** 0.5)


@pytest.mark.parametrize("label", LABELS)
def test_without_seconds_a_gesture_takes_what_people_take(label: str) -> None:
    (act,) = parse_script(label)
    least, most = STROKES[label].seconds
    assert act.seconds / least == pytest.approx(most / act.seconds)


def test_white_space_does_not_matter() -> None:
    assert parse_script("  left   2 ,\n\tup  1e0 ") == [Act("left", 2.0), Act("up", 1.0)]


def test_labels_may_have_spaces_and_end_in_a_number() -> None:
    strokes = {"swipe 2": Stroke([[(0, 0), (1, 1)]], seconds=(1, 4)), "swipe": Stroke([[(0, 0), (1, 1)]])}
    assert parse_script("swipe 2, swipe 3, swipe 2 3", strokes) == [
        *(Act("swipe 2", 2.0), Act("swipe", 3.0), Act("swipe 2", 3.0)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the script is empty"),
        (" \n", "the script is empty"),
        ("left,, up", "part 2 of the script is empty"),
        ("left,", "part 2 of the script is empty"),
        ("left, lft", r"part 2 of the script: unknown gesture 'lft'; did you mean left\?"),
        ("lft 2", r"unknown gesture 'lft'; did you mean left\?"),
        ("left, puase 2", "unknown gesture 'puase'; did you mean pause"),
        ("swipe left", "unknown gesture 'swipe left'"),
        ("3", "unknown gesture '3'"),
        ("left 2s", "part 1 of the script, 'left 2s': '2s' is not a time of 0.05 to 3600 seconds"),
        ("left 0", "'0' is not a time"),
        ("left -1", "'-1' is not a time"),
        ("left nan", "'nan' is not a time"),
        ("left inf", "'inf' is not a time"),
        ("pause 3601", "'3601' is not a time"),
        ("left 2 3", "unknown gesture 'left 2'"),
        ("x\x1b[2J", r"'x\\x1b\[2J'"),
        ("left," * 10_000 + "up", "a script of 10,001 parts is too long"),
    ],
)
def test_errors_name_the_part_in_one_line(text: str, words: str) -> None:
    with pytest.raises(GestureError, match=words) as caught:
        parse_script(text)
    assert len(str(caught.value).splitlines()) == 1 and str(caught.value).isprintable()


def test_only_the_gestures_given_are_known() -> None:
    with pytest.raises(GestureError, match="unknown gesture 'left'"):
        parse_script("left", {"up": STROKES["up"]})
