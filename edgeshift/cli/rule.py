"""``edgeshift rule``: choose the event rule of a model on labelled clips or videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgeshift._system.files import sha256
from edgeshift._system.output_file import reserve
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS, DECIDED, decide
from edgeshift.cli.options import AsJson, ClipFps, calibration_options, option
from edgeshift.cli.output import print_json, print_note, require_file_name
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgeshift.artifact.description import RuleSpec
    from edgeshift.artifact.spec import StreamSpec
    from edgeshift.benchmarks.accuracy.candidate import Candidate
    from edgeshift.benchmarks.accuracy.intervals import LabelledVideo
    from edgeshift.benchmarks.accuracy.recorded import RecordedStream
    from edgeshift.video.dataset import LabelledClip


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    data: Annotated[Path, option("Data", effect=ALWAYS, metavar="DIR|CSV")],
    label_map: Annotated[str | None, option("Data", effect=DECIDED, metavar="A=B,...")] = None,
    split: Annotated[str | None, option("Data", effect=DECIDED, metavar="NAME")] = None,
    fps: ClipFps = None,
    clips: Annotated[int, option("Data", effect=DECIDED, min=2, max=100_000)] = 400,
    none: Annotated[str | None, option("Rule", effect=ALWAYS, metavar="LABEL")] = None,
    min_precision: Annotated[float | None, option("Rule", effect=ALWAYS, min=0.01, max=1, metavar="SHARE")] = None,
    out: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="RULE.json")] = None,
    write: Annotated[bool, option("Output", effect=ALWAYS)] = False,
    picture: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE.png")] = None,
    as_json: AsJson = False,
) -> None:
    """Choose the event rule of a model on your labelled clips or videos.

    The rule decides when the predictions of single frames become an event. The model runs once over the data. Then
    several thousand rules are tried on its logits. Use data that the model was not trained on.

    A CSV file with the columns file,start,end,label (seconds) lists the gestures in videos. This is the better data,
    because it shows what happens between gestures. An event is correct between the middle of the gesture and two
    seconds after its end.

    Other data are clips with one gesture each. They are joined to streams in a random order. Clips with the label for
    no gesture, or with a label that the model does not have, count as pauses. An event is correct between the first
    frame of its clip and two seconds after the last one.

    Networks with a sound segment are refused, because the model gets frames only.

    By default, the smaller of precision and recall is made as large as possible.

    Args:
        file: The artifact, or a checkpoint (.safetensors).
        data: Clips in a folder per label, a CSV file with the columns file,label and optionally split, or one with the
            columns file,start,end,label.
        label_map: Pairs A=B: a clip with label A in the data counts as label B of the model.
        split: Use only the clips of this split.
        clips: Largest number of clips to use, chosen at random from a fixed seed.
        none: Label that means no gesture. Default: none, if the model has it.
        min_precision: Choose the largest recall at this precision, such as 0.95, instead.
        out: Write the rule to this file, for edgeshift convert --rule.
        write: Put the rule into FILE, which must be an artifact.
        picture: Draw precision against recall into this file.

    Examples:
      edgeshift rule gestures.tflite --data clips/ --out rule.json --picture rule.png
      edgeshift rule gestures.tflite --data webcam.csv --min-precision 0.95 --write
      edgeshift convert --target tflite --weights model.safetensors --rule rule.json
    """
    import msgspec

    from edgeshift.benchmarks.accuracy.candidate import open_candidate
    from edgeshift.benchmarks.accuracy.intervals import is_interval_file
    from edgeshift.benchmarks.accuracy.recorded import frame_spacing
    from edgeshift.benchmarks.accuracy.rule_report import RuleReport, front, hold_out, rule_result
    from edgeshift.benchmarks.reports.figure import require_matplotlib
    from edgeshift.benchmarks.reports.rule_plot import write_trade_off
    from edgeshift.cli.rule_text import print_report
    from edgeshift.events.default_rule import rule_in_frames
    from edgeshift.events.rule_file import write_rule
    from edgeshift.events.score import EventScore, match_events
    from edgeshift.events.tuning import Recording, best_rule, count_windows, try_rules

    require_file_name(out, ".json")
    require_file_name(picture, ".png")
    if picture is not None:
        require_matplotlib("--picture")
    if write and file.suffix.lower() == ".safetensors":
        raise EdgeshiftError(f"{file} is a checkpoint: use --out, and give the rule to edgeshift convert with --rule")
    intervals = is_interval_file(data)
    unused = f"on {data}, which lists gestures in videos: leave it out" if intervals else None
    decide(label_map=unused, split=unused, clips=unused)
    with reserve(out), reserve(picture):
        videos = _read(data, label_map, split, clips, fps)
        bars = ProgressBars()
        with bars.stage("load"):
            candidate = open_candidate(file)
        if candidate.hears:
            raise EdgeshiftError(
                f"{file} has a sound segment, and this command gives a network no sounds: if it was trained on drawn "
                "gestures and sounds, tune the rule of its checkpoint with python -m edgeshift.training.tune_rule; "
                "otherwise write the rule file yourself, and give it to edgeshift convert with --rule"
            )
        spec = candidate.model.spec
        spacing = frame_spacing(spec, file) * (spec.hop or 1)  # between two answers
        before = candidate.rule if none is None else msgspec.structs.replace(candidate.rule, none=none)
        gestures = _gestures(before, spec.labels, file)
        _require_gestures(videos, gestures, spec.labels, file)
        streams = _record(candidate, videos, gestures, bars, fps)
        sequences = [(stream.times, stream.logits, stream.events) for stream in streams]
        earliest = 0.5 if intervals else 0.0
        no_gesture = before.no_gesture_index(spec.labels)
        with bars.stage("try rules", count_windows(spacing, has_none=no_gesture is not None)) as advance:
            tried = try_rules(
                sequences, spacing, spec.labels, none=none, silent=before.silent, earliest=earliest, advance=advance
            )
        chosen = best_rule(tried, min_precision)
        if chosen.total.recall is None:
            raise EdgeshiftError(
                f"{data}: no gesture is far enough from the end of its video to be counted: give more data"
            )
        if not chosen.total.right:
            raise EdgeshiftError(
                f"{data}: no rule detects any of the {chosen.total.missed} gestures, because the model does not "
                "recognise them: look at its predictions with edgeshift eval or demo"
            )
        first = EventScore()
        for times, logits, events in sequences:
            detected = Recording(times, logits, spec.labels).detect(before)
            first += match_events(detected, events, len(times) * spacing, earliest=earliest)
        unreadable = tuple(problem for stream in streams for problem in stream.unreadable)
        origin = f"tuned on {len(videos) - len(unreadable)} {'videos' if intervals else 'clips'} of {data.name}"
        rule = msgspec.structs.replace(chosen.rule, origin=origin)
        report = RuleReport(
            file=file.name,
            sha256=candidate.sha256,
            data=data.name,
            method="videos" if intervals else "joined clips",
            videos=len(videos) - len(unreadable),
            streams=len(streams),
            seconds=round(chosen.total.seconds, 3),
            gestures=(counted := chosen.total.right + chosen.total.missed),
            uncounted=sum(len(stream.events) for stream in streams) - counted,
            chosen=rule_result(rule, chosen.total),
            held_out=hold_out(tried, min_precision),
            before=rule_result(before, first),
            trade_off=front(tried),
            unreadable=unreadable,
            hop=spec.hop,
        )
        if out is not None:
            write_rule(out, rule if spec.hop is None else rule_in_frames(rule, spec.hop))
        if write:
            _write_into(file, rule)
        if picture is not None:
            write_trade_off(picture, report)
    if as_json:
        print_json(report)
    else:
        convert = _convert_options(spec, file, calibration_options(data, fps))
        print_report(report, spec.labels, file, out, picture, written=write, convert=convert)


def _read(
    data: Path, label_map: str | None, split: str | None, limit: int, fps: float | None
) -> Sequence[LabelledClip] | Sequence[LabelledVideo]:
    """Return the videos with intervals, or at most ``limit`` clips."""
    from random import Random

    from edgeshift.benchmarks.accuracy.intervals import is_interval_file, read_intervals
    from edgeshift.video.clip_times import fps_without_effect, require_fps
    from edgeshift.video.dataset import read_dataset, read_label_map

    if is_interval_file(data):
        videos = read_intervals(data)
        decide(fps=fps_without_effect((video.path for video in videos), fps))
        require_fps((video.path for video in videos), fps)
        return videos
    dataset = read_dataset(data, read_label_map(label_map) if label_map is not None else {}, split, fps=fps)
    decide(fps=dataset.fps_without_effect())
    dataset.require_fps()
    if dataset.note is not None:
        print_note(dataset.note)
    if len(dataset.clips) <= limit:
        return dataset.clips
    print_note(f"{limit:,} of {len(dataset.clips):,} clips are used; --clips changes this")
    return sorted(Random(0).sample(dataset.clips, limit), key=lambda clip: clip.name)


def _convert_options(spec: StreamSpec, file: Path, calibration: list[object]) -> list[object]:
    """Return the options of ``convert`` that convert a model again, to int8, which is the default.

    Args:
        spec: description of the model.
        file: the artifact or checkpoint.
        calibration: the options that calibrate on the clips. Models of drawn gestures do not need them.
    """
    from edgeshift.weights import all_shipped

    shipped = {sha256(path.read_bytes()) for path in all_shipped().values()}
    drawn = not spec.weights.trained or spec.weights.sha256 in shipped
    weights: object = file if file.suffix.lower() == ".safetensors" else "CHECKPOINT"
    clip: list[object] = ["--mode", "clip", "--frames", spec.frames, "--hop", spec.hop] if spec.mode == "clip" else []
    return ["--target", "tflite", "--weights", weights, *clip, *([] if drawn else calibration)]


def _gestures(rule: RuleSpec, labels: tuple[str, ...], file: Path) -> tuple[str, ...]:
    """Return the labels that are announced."""
    from edgeshift.events.rule_file import require_rule_fits

    require_rule_fits(rule, labels, file)
    silent = rule.silent_indices(labels)
    return tuple(label for index, label in enumerate(labels) if index not in silent)


def _require_gestures(
    videos: Sequence[LabelledClip] | Sequence[LabelledVideo],
    gestures: tuple[str, ...],
    labels: tuple[str, ...],
    file: Path,
) -> None:
    """Raise EdgeshiftError if no gesture of the model is in the data. Note which unknown labels count as pauses."""
    from edgeshift.benchmarks.accuracy.report import why_no_gesture
    from edgeshift.video.dataset import LabelledClip

    found = [
        label
        for video in videos
        for label in ([video.label] if isinstance(video, LabelledClip) else [event.label for event in video.events])
    ]
    others = sorted(set(found) - set(gestures))
    if len(others) == len(set(found)):
        why = why_no_gesture(found, labels, gestures) if others else "there is no label"
        raise EdgeshiftError(f"{file.name}: the data has no gesture of the model: {why}")
    if missing := [label for label in others if label not in labels]:
        print_note(f"{file.name}: the model does not have these labels, which count as pauses: {', '.join(missing)}")


def _record(
    candidate: Candidate,
    videos: Sequence[LabelledClip] | Sequence[LabelledVideo],
    gestures: tuple[str, ...],
    bars: ProgressBars,
    fps: float | None,
) -> list[RecordedStream]:
    """Run the model over the data."""
    from edgeshift.benchmarks.accuracy.recorded import join_clips, record_clips, record_video, require_frames
    from edgeshift.video.dataset import LabelledClip

    stream = candidate.model.stream()
    labelled = [video for video in videos if isinstance(video, LabelledClip)]
    with bars.stage("run", len(videos)) as advance:
        recorded = [record_clips(stream, part, gestures, advance) for part in join_clips(labelled)] if labelled else []
        recorded += [
            record_video(stream, video, gestures, advance, fps)
            for video in videos
            if not isinstance(video, LabelledClip)
        ]
    return list(require_frames(recorded))


def _write_into(file: Path, rule: RuleSpec) -> None:
    """Replace the rule in an artifact. The artifact is replaced as a whole when the new one is complete."""
    import msgspec

    from edgeshift.artifact.file import read_artifact, write_artifact

    artifact = read_artifact(file)
    write_artifact(file, artifact.body, msgspec.structs.replace(artifact.spec, rule=rule))
