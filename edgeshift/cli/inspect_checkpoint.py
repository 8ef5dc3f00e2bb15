"""What ``edgeshift inspect`` prints about a checkpoint."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from edgeshift._system.text import printable
from edgeshift.cli import glossary
from edgeshift.cli.effect import decide
from edgeshift.cli.facts import Facts, sound_facts
from edgeshift.cli.output import print_facts, print_json, print_next, print_table, size_text

if TYPE_CHECKING:
    from edgeshift.checkpoints.summary import PlaceShift, Summary
    from edgeshift.models.config import NonLocalKind

#: Largest number of labels and of names of unused tensors that are printed.
MAX_LABELS, MAX_NAMES = 12, 6


def show_checkpoint(file: Path, *, non_local: NonLocalKind | None, explain: bool, as_json: bool) -> None:
    """Print what is known about a checkpoint, and how it can be converted."""
    from edgeshift.checkpoints import require_packages

    require_packages("reading a checkpoint")
    from edgeshift.checkpoints.summary import summarize

    summary = summarize(file, non_local=non_local)
    decide(non_local=(why := summary.unused.get("non_local")) and f"on this checkpoint: {why}; leave it out")
    if as_json:
        print_json(summary)
        return
    facts = _facts(summary)
    print_facts(str(file), facts)
    rows = [(shlex.join(("edgeshift", *way.command)), way.remark) for way in summary.ways]
    print_table("How to use it", ("command", "remark"), rows)
    if summary.missing:
        print_table("What the file does not record", ("option of convert", "what it tells"), [*summary.missing.items()])
    if explain:
        glossary.explain([name for name, _ in facts])
    print_next("edgeshift", *summary.ways[0].command)


def _facts(summary: Summary) -> Facts:
    from edgeshift.events.spotter import describe_rule
    from edgeshift.targets import TARGETS

    description, config = summary.description, summary.model
    frame, weights = description.frame, description.weights
    more = f", ... ({len(description.labels)})" if len(description.labels) > MAX_LABELS else ""
    width = f", width {config.width:g}" if config.backbone == "mobilenet_v2" else ""
    width += f", {config.clip_only}" if config.clip_only else ""
    width += f" ({config.non_local})" if config.non_local else ""
    labels = ", ".join(description.labels[:MAX_LABELS]) + more
    clip = "not known" if description.clip_frames is None else f"{description.clip_frames} frames"
    spacing = "not known" if description.frame_spacing is None else f"{description.frame_spacing:g} s"
    names = ", ".join(map(printable, summary.left_out[:MAX_NAMES]))
    hidden = f", ... ({len(summary.left_out)})" if len(summary.left_out) > MAX_NAMES else ""
    latest = {topic: text for topic, text in summary.training.items() if not topic.startswith("before: ")}
    earlier = len(summary.training) - len(latest)
    return [
        ("layout", summary.layout),
        ("model", f"{config.name}{width}, {config.classes} outputs, {summary.parameters:,} weights"),
        ("weights", weights.source),
        *([] if weights.license is None else [("license", weights.license)]),
        ("file", f"{size_text(summary.bytes)}, sha256 {summary.sha256}"),
        ("shift", _shift_text(summary)),
        *sound_facts(config.sound),
        ("frame", f"{frame.width}x{frame.height}, {frame.order}"),
        ("fit", frame.fit),
        ("frame spacing", spacing),
        ("clip", clip),
        ("labels", labels if summary.labels_known else f"not known ({config.classes} outputs)"),
        (
            "event rule",
            "none" if description.rule is None else describe_rule(description.rule, description.labels),
        ),
        *((f"training: {topic}", text) for topic, text in latest.items()),
        *([("", f"{earlier} more entries about earlier training; see --json")] if earlier else []),
        *([("not used", names + hidden)] if names else []),
        *(("note", note) for note in summary.notes if not note.startswith("weights in the file that are not used")),
        ("targets", ", ".join(f"{name} ({', '.join(target.precisions)})" for name, target in TARGETS.items())),
    ]


def _shift_text(summary: Summary) -> str:
    config = summary.model
    if not summary.shifts:
        return "none: each frame is classified on its own"
    kind = "bi-directional" if config.bidirectional else "past-only"
    places = len(summary.shifts)
    position = ", around whole blocks" if config.place == "block" else ""
    return f"{config.table}, {kind}, at {places} places{position}; at the first: {_slots_text(summary.shifts[0])}"


def _slots_text(shift: PlaceShift) -> str:
    names = {"-1": "the previous frame", "+1": "the next frame", "0": "another place in the frame", "never": "the fill"}
    slots = [f"{count} from {names.get(name, f'{name} frames')}" for name, count in shift.slots.items()]
    return f"of {shift.channels} channels, {', '.join(slots)}"
