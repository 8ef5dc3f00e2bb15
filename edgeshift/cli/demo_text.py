"""What ``edgeshift demo`` prints and draws when it has ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeshift.cli.output import print_facts, print_next

if TYPE_CHECKING:
    from edgeshift.apps.camera.engine.session import Session
    from edgeshift.apps.camera.replay import Replay
    from edgeshift.apps.camera.summary import Summary


def print_summary(summary: Summary) -> None:
    """Of a live run."""
    facts: list[tuple[str, object]] = [
        ("camera", f"{_rate(summary.camera_hertz)}, {summary.dropped} frames dropped, lost {summary.lost} times"),
        ("events", len(summary.events)),
    ]
    for ran in summary.artifacts:
        facts.append((Path(ran.file).name, f"{ran.steps} steps, {_rate(ran.hertz)}, {ran.runtime}"))
        facts += [(f"  {phase}", _words(values)) for phase, values in ran.milliseconds.items()]
    if summary.beside_infer is not None:
        facts.append(("beside infer", f"{summary.beside_infer:.1%} of it, from the frame to the answer"))
    if summary.draw_ms is not None:
        facts.append(("draw", f"p50 {summary.draw_ms:.3f} ms a picture, beside the model's thread"))
    facts += [("recorded", path) for path in summary.recorded]
    print_facts(f"{summary.steps} steps in {summary.seconds:.1f} s on {summary.source}", facts)
    print_next("edgeshift", "verify", summary.artifacts[0].file)


def document(session: Session, result: Replay) -> dict[str, Any]:
    """Of a clip."""
    model = session.runner.model
    return {
        "runtime": model.runtime,
        "trained": model.spec.weights.trained,
        "steps": result.steps,
        "skipped": result.skipped,
        "labels": [dataclasses.asdict(span) for span in result.spans],
        "events": msgspec.to_builtins(result.events),
        "milliseconds": result.milliseconds(),
    }


def print_replay(session: Session, result: Replay, source: str, picture: Path | None) -> None:
    """Of a clip."""
    print_facts(
        f"{result.steps} steps on {source}" + (f", {result.skipped} frames not due" if result.skipped else ""),
        [
            ("runtime", session.runner.model.runtime),
            *((phase, _words(values)) for phase, values in result.milliseconds().items()),
            *([("picture", picture)] if picture else []),
        ],
    )
    print_next("edgeshift", "verify", session.runner.path)


def write_answers(path: Path, result: Replay, session: Session, source: str) -> None:
    """The picture of a clip's frames with their labels."""
    from edgeshift.apps.camera.display.answers import draw_answers
    from edgeshift.video.picture import write_picture

    untrained = "" if session.runner.model.spec.weights.trained else "  (untrained)"
    title = f"{session.runner.path.name} on {Path(source).name}{untrained}"
    write_picture(path, draw_answers(result.answers, title))


def _rate(hertz: float | None) -> str:
    return "-" if hertz is None else f"{hertz:.1f}/s"


def _words(values: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'-' if ms is None else f'{ms:.3f} ms'}" for name, ms in values.items())
