"""Pairs of drawn gestures and drawn sounds."""

from __future__ import annotations

import pytest

from edgeshift.sound import SoundSettings
from edgeshift.training import sound_pairs
from edgeshift.training.sound_pairs import DISTRACTORS, DrawnPairs

SETTINGS = SoundSettings(seconds=1.0, frames=2, bands=32)


@pytest.mark.parametrize("sounds", [("clap",), ("knock", "clap"), DISTRACTORS])
def test_a_quiet_room_has_no_sound_that_is_a_label(monkeypatch, sounds) -> None:
    drawn: list[str] = []
    draw = sound_pairs.draw_picture

    def record(seed: int, name: str, *options: object) -> object:
        drawn.append(name)
        return draw(seed, name, *options)

    monkeypatch.setattr(sound_pairs, "draw_picture", record)
    pairs = DrawnPairs(["left"], sounds, SETTINGS, 64, 0)
    heard = [pairs[index].heard for index in range(40)]
    names = {name for name, each in zip(drawn, heard, strict=True) if each and pairs.sounds[each.sound] == "quiet"}
    assert "quiet" in names and not names & set(sounds)
    assert (len(names) > 1) == (set(sounds) != set(DISTRACTORS))
