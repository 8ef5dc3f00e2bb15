"""What ``edgeshift demo`` prints and writes at its end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeshift.cli.output import print_facts, print_next

if TYPE_CHECKING:
    from edgeshift.apps.camera.display.answers import AnswerSheet
    from edgeshift.apps.camera.engine.session import Session
    from edgeshift.apps.camera.summary import ArtifactSummary, Summary


def document(summary: Summary) -> dict[str, Any]:
    """Return the summary for JSON output. A clip that was run as fast as possible has other fields than a live run."""
    fields: dict[str, Any] = msgspec.to_builtins(summary)
    labels = fields.pop("labels")
    if labels is None:
        return fields
    artifact = fields["artifacts"][0]
    sound = {} if summary.sound is None else {"sound": fields["sound"]}
    return {
        "runtime": artifact["runtime"],
        "ran_on": artifact["ran_on"],
        "trained": artifact["trained"],
        "notes": artifact["notes"],
        "steps": summary.steps,
        "skipped": summary.not_due,
        "labels": labels,
        "events": fields["events"],
        "milliseconds": artifact["milliseconds"],
        **sound,
    }


def print_summary(summary: Summary, picture: Path | None, rule: str | None, *, hears: bool) -> None:
    """Print the summary of a run.

    Args:
        summary: the run.
        picture: path of the picture of a clip's frames; None: none was written.
        rule: origin of the event rule; None: another smoothing was used.
        hears: whether an artifact of the run has a sound segment.
    """
    origin: list[tuple[str, object]] = [] if rule is None else [("event rule", rule)]
    if hears and summary.sound is None:
        origin.append(("sound", "none was given, so the network answered to frames alone; --microphone listens"))
    if summary.labels is None:
        _print_live(summary, origin)
    else:
        artifact = summary.artifacts[0]
        not_due = f", {summary.not_due} frames not due" if summary.not_due else ""
        facts = [
            ("runtime", artifact.runtime),
            ("ran on", artifact.ran_on.text),
            *_phases(artifact.milliseconds),
            *origin,
        ]
        print_facts(
            f"{_steps(artifact)} on {summary.source}{not_due}",
            [*facts, *_sound(summary), *([("picture", picture)] if picture else [])],
        )
    print_next("edgeshift", "verify", summary.artifacts[0].file)


def missing_answer(session: Session, source: str) -> str | None:
    """Return one line that says why the run of a clip artifact gave no answer; None: there is an answer."""
    spec, steps = session.artifact.model.spec, session.steps
    if spec.hop is None or steps.count:
        return None
    spacing = "" if spec.frame_spacing is None else f", one every {spec.frame_spacing:g} s"
    return (
        f"no answer: {source} gave {steps.collected} due frame{'' if steps.collected == 1 else 's'}{spacing}, and this "
        f"clip artifact needs {spec.frames}: use a longer clip, or run for longer"
    )


def write_answers(path: Path, answers: AnswerSheet, summary: Summary) -> None:
    """Write the picture of a clip's frames with their labels."""
    from edgeshift.video.picture import write_picture

    artifact = summary.artifacts[0]
    notes = (*artifact.notes, *(() if artifact.trained else ("untrained",)))
    remarks = f"  ({'; '.join(notes)})" if notes else ""
    title = f"{Path(artifact.file).name} on {Path(summary.source).name}{remarks}"
    write_picture(path, answers.draw(title))


def _print_live(summary: Summary, origin: list[tuple[str, object]]) -> None:
    facts: list[tuple[str, object]] = [
        ("camera", f"{_rate(summary.camera_hertz)}, {summary.dropped} frames dropped, lost {summary.lost} times"),
        ("events", len(summary.events)),
        *origin,
        *_sound(summary),
    ]
    for artifact in summary.artifacts:
        name = Path(artifact.file).name
        facts.append((name, f"{_steps(artifact)}, {_rate(artifact.hertz)}, {artifact.runtime}"))
        facts.append(("  ran on", artifact.ran_on.text))
        facts += [(f"  {phase}", text) for phase, text in _phases(artifact.milliseconds)]
    if summary.beside_infer is not None:
        facts.append(("overhead", f"{summary.beside_infer:.1%} of the inference time, spent outside the runtime"))
    if summary.draw_ms is not None:
        facts.append(("draw", f"p50 {summary.draw_ms:.3f} ms per picture, outside the thread of the model"))
    facts += [("recorded", path) for path in summary.recorded]
    print_facts(f"{summary.steps} steps in {summary.seconds:.1f} s on {summary.source}", facts)


def _sound(summary: Summary) -> list[tuple[str, object]]:
    sound = summary.sound
    if sound is None:
        return []
    heard = dict(sound.heard)
    parts = [f"heard in {heard.pop('heard', 0.0):.0%} of the answers"]
    parts += [f"{why} {share:.0%}" for why, share in heard.items()]
    lost = f"; microphone lost {sound.lost} times" if sound.lost else ""
    through = "" if sound.through == "file" else f" through {sound.through}"
    return [("sound", f"{', '.join(parts)}; {sound.microphone}{through}{lost}")]


def _steps(artifact: ArtifactSummary) -> str:
    return f"{artifact.steps} {'steps' if artifact.hop is None else 'answers'}"


def _phases(milliseconds: dict[str, dict[str, float | None]]) -> list[tuple[str, object]]:
    return [
        (phase, ", ".join(f"{name} {'-' if ms is None else f'{ms:.3f} ms'}" for name, ms in values.items()))
        for phase, values in milliseconds.items()
    ]


def _rate(hertz: float | None) -> str:
    return "-" if hertz is None else f"{hertz:.1f}/s"
