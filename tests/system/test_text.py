"""Text from untrusted sources is checked, or its control characters are replaced, before it is printed."""

from __future__ import annotations

import re

import pytest

from edgeshift._system.text import PRINTABLE_PATTERN, is_printable, printable

HARMFUL = ["\x1b[2J", "\n", "\x9b", "\u202e", "\u2066", "\0"]


@pytest.mark.parametrize("text", ["", "swipe left", "左へ", "нет", "👋"])
def test_text_in_any_script_is_printable(text):
    assert is_printable(text) and printable(text) == text and re.match(PRINTABLE_PATTERN, text)


@pytest.mark.parametrize("text", HARMFUL)
def test_control_characters_are_found_and_replaced(text):
    assert not is_printable(text) and not re.match(PRINTABLE_PATTERN, text)
    assert printable(f"a{text[0]}b") == "a?b" and printable(f"a{text[0]}b", "") == "ab"


def test_the_length_can_be_limited():
    assert is_printable("ab", longest=2) and not is_printable("abc", longest=2) and not is_printable("", longest=2)
