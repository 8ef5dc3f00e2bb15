"""The options of ``edgeshift train`` for networks with a sound segment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeshift.cli.effect import Options, decide
from edgeshift.cli.settings import parse_names

if TYPE_CHECKING:
    from edgeshift.sound.settings import Norms


def only_with_sound(options: Options) -> str | None:
    """The rule of an option about sounds. With --resume, the command decides by the run that is continued."""
    if options.is_set("sound") or options.is_set("resume"):
        return None
    return "without --sound: add it, or leave this option out"


def recipe_fields(
    fields: dict[str, Any],
    *,
    sound: bool,
    continued: bool,
    drawn: bool,
    weight: float | None,
    norms: Norms | None,
    gestures: str | None,
    sounds: str | None,
) -> dict[str, Any]:
    """Return the fields of the recipe. For a network with a sound segment, those that are not given get defaults.

    Args:
        fields: fields that are given, or that the run or the starting weights record.
        sound: whether the network gets a sound segment.
        continued: whether the fields are those of an earlier run, which decides then.
        drawn: whether gestures and sounds are drawn; otherwise their names come from the data.
        weight, norms: of the sound segment; None: not given.
        gestures, sounds: names with commas between them; None: not given.
    """
    fields = dict(fields)
    earlier = fields.pop("sound", None)
    hears = sound or (continued and earlier is not None)
    reason = None if hears else "on a run without sound: leave it out"
    decide(sound_weight=reason, sound_norms=reason, gestures=reason, sounds=reason, sound_data=reason)
    if not hears:
        return fields
    from edgeshift.training.sound_recipe import sound_fields

    if not drawn:
        fields |= {"gestures": (), "sounds": ()}
    return sound_fields(
        fields,
        earlier,
        weight=weight,
        norms=norms,
        gestures=parse_names("--gestures", gestures),
        sounds=parse_names("--sounds", sounds),
    )


def sound_options(data: Path | None, sound_data: Path | None) -> list[object]:
    """Return the options of ``convert`` that calibrate on the sounds of a training; none for drawn sounds."""
    if data is None:
        return []
    folder = sound_data or (data if data.is_dir() else data.parent)
    return ["--sounds", folder if any(folder.rglob("*.wav")) else "drawn"]
