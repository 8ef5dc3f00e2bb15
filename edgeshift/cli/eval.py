"""``edgeshift eval``: measure accuracy on labelled clips."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from unicodedata import normalize

import typer

from edgeshift._system.output_file import reserve
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, decide, only_for
from edgeshift.cli.facts import UNTRAINED, Facts, note_facts
from edgeshift.cli.options import (
    Agent,
    AsJson,
    BoardPython,
    ClipFps,
    DeviceAccelerator,
    Litert,
    Qnn,
    ReportFile,
    Resume,
    calibration_options,
    option,
)
from edgeshift.cli.output import (
    print_facts,
    print_json,
    print_line,
    print_next,
    print_note,
    print_table,
    require_file_name,
    require_report_file,
    write_report,
)
from edgeshift.cli.phone_visit import browser_accelerator, is_browser, not_in_browser, printer
from edgeshift.cli.report_text import show_changes
from edgeshift.cli.train_sound import sound_options
from edgeshift.errors import DeviceLostError, EdgeshiftError
from edgeshift.targets import accelerator_options

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy.candidate import Candidate
    from edgeshift.benchmarks.accuracy.journal import Journal
    from edgeshift.benchmarks.accuracy.measure import Measured, Streamer
    from edgeshift.benchmarks.accuracy.report import ArtifactResult, Report
    from edgeshift.video.dataset import DataSet

#: Largest number of labels for which the confusion matrix is printed.
MAX_LABELS = 20


def _jobs_effect(options: Options) -> str | None:
    return "with --agent native, which is one process: leave it out" if options["agent"] == "native" else None


def run(
    files: Annotated[list[Path], typer.Argument(metavar="FILE")],
    data: Annotated[Path, option("Data", effect=ALWAYS, metavar="DIR|CSV")],
    fps: ClipFps = None,
    label_map: Annotated[str | None, option("Data", effect=ALWAYS, metavar="A=B,...")] = None,
    split: Annotated[str | None, option("Data", effect=ALWAYS, metavar="NAME")] = None,
    subset: Annotated[str | None, option("Data", effect=ALWAYS, metavar="A,B,...")] = None,
    without: Annotated[Literal["sound", "video"] | None, option("Data", effect=DECIDED)] = None,
    name: Annotated[
        str, option("Device", "--device", effect=ALWAYS, metavar="DEVICE", autocompletion=VALUES["devices"])
    ] = "local",
    agent: Annotated[Agent, option("Device", effect=not_in_browser)] = "python",
    litert: Litert = None,
    qnn: Qnn = None,
    python: BoardPython = None,
    accelerator: DeviceAccelerator = None,
    jobs: Annotated[int, option("Device", effect=(only_for("name", "local"), _jobs_effect), min=1, max=64)] = 1,
    out: ReportFile = None,
    picture: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE.png")] = None,
    resume: Resume = False,
    as_json: AsJson = False,
) -> None:
    """Measure accuracy on labelled clips, which are fed frame by frame as on a device.

    Each clip starts a new stream. Its frames are fed at the frame spacing of the training. An artifact that was
    converted with --mode clip answers at every hop; without a frame spacing, it takes each clip as a whole. Clips with
    a label that the model does not have are excluded from accuracy; the output shows how often no gesture is predicted
    in them.

    Predictions for a clip:
      consensus   the gesture with the highest mean of logits over the clip, as in training
      last        the gesture that is predicted for the last frame, or by the last answer
      window      the gesture that reaches the highest mean probability over the window of the event rule
      spotted     the first gesture that the event rule announces; a clip without one is wrong

    The running mean is the consensus of the first frames, or answers, of a clip. It shows how soon the prediction is
    right.

    A network with a sound segment gets the sound of each clip too: a .wav file of the same name beside it, or the sound
    inside the video. The label of a clip names both, as left+clap, or a CSV file has the column sound.

    Args:
        files: Artifacts, or checkpoints (.safetensors) for PyTorch. Further files are compared with the first one.
        data: Clips in a folder per label, or a CSV file with the columns file,label and optionally split. A clip is a
            video or a folder of images.
        label_map: Pairs A=B: a clip with label A in the data counts as label B of the model.
        split: Use only the clips of this split of the CSV file.
        subset: Also report the accuracy over only the clips with these labels.
        without: Leave out the sound or the video of the clips, to measure the other one alone.
        name: Device to run on: local, ssh://user@host, adb, or browser for a phone that opens a page.
        agent: Program that runs the artifact on the device. native needs no Python there; it runs .tflite artifacts on
            Linux (x86-64, aarch64) and, experimentally, on Android.
        jobs: Number of processes on this machine.
        picture: Draw the confusion matrix of the first artifact into this file.

    Examples:
      edgeshift eval gestures.tflite --data clips/
      edgeshift eval gestures.tflite --data clips/ --device ssh://pi@raspberrypi.local
      edgeshift eval float_boundary.tflite --data clips/ --device browser --out phone.json
      edgeshift eval heard.tflite --data clips/clips.csv --without video
      edgeshift eval fp16.tflite --data clips/ --accelerator gpu --out gpu.json
      edgeshift eval fp32.tflite int8.tflite --data split.csv --split val --label-map del=x --out accuracy.json
    """
    from edgeshift._system.json_lines import require_resume, resume_without_effect
    from edgeshift.benchmarks.accuracy.candidate import open_candidate
    from edgeshift.benchmarks.accuracy.journal import Journal
    from edgeshift.benchmarks.accuracy.remote import open_on_device, stream_on_device
    from edgeshift.benchmarks.accuracy.report import make_report
    from edgeshift.benchmarks.devices.find import device_lock
    from edgeshift.benchmarks.reports.figure import require_matplotlib
    from edgeshift.cli.board import open_device, remember_choice
    from edgeshift.cli.eval_browser import open_in_browser
    from edgeshift.video.dataset import read_dataset, read_label_map

    require_report_file(out)
    require_file_name(picture, ".png")
    chosen = [accelerator_options(file, accelerator) for file in files]
    if picture is not None:
        require_matplotlib("--picture")
    names = read_label_map(label_map) if label_map is not None else {}
    clips = read_dataset(data, names, split, fps=fps)
    decide(fps=clips.fps_without_effect())
    if out is not None:
        decide(resume=resume_without_effect(Journal.beside(out)))
    if clips.note is not None:
        print_note(clips.note)
    browser = is_browser(name)
    backend = browser_accelerator(name, len(files)) if browser else ""
    bars, device = ProgressBars(), None
    elsewhere: Streamer | None = None
    if not browser and (name != "local" or python is not None or agent == "native"):
        device = open_device(name, python, native=agent == "native", litert=litert, qnn=qnn)
    with ExitStack() as stack:
        stack.enter_context(reserve(out))
        stack.enter_context(reserve(picture))
        if device is not None:  # several runs may share this machine, but a device has too little memory for two
            stack.enter_context(device_lock(device))
        if out is not None:
            require_resume(Journal.beside(out), out, resume=resume)
        if browser:
            page = stack.enter_context(open_in_browser(files[0], backend, len(clips.clips), printer(as_json=as_json)))
            candidates, elsewhere = [page.candidate()], page.stream
        else:
            with bars.stage("load"):
                candidates = [
                    open_candidate(file, without, options) if device is None else open_on_device(device, file, options)
                    for file, options in zip(files, chosen, strict=True)
                ]
        clips = _with_sounds(candidates, clips, elsewhere=name != "local" or device is not None)
        if device is not None:
            remember_choice(device, python)
            elsewhere = partial(stream_on_device, device)
        labels = None if subset is None else tuple(normalize("NFC", label.strip()) for label in subset.split(","))
        if any(candidate.model.spec.frame_spacing is not None for candidate in candidates):
            clips.require_fps()
        for candidate in candidates:
            _check_labels(candidate, clips, names, labels)
        journal = Journal(Journal.beside(out), resume=resume) if out is not None else None
        measured = [_measure(candidate, clips, jobs, elsewhere, journal, bars) for candidate in candidates]
        report = make_report(measured, clips, split, labels)
        if out is not None:
            write_report(out, report, indent=1)
        if picture is not None:
            _draw(picture, report)
    if as_json:
        print_json(report)
        return
    for result, candidate in zip(report.subjects, candidates, strict=True):
        _print(result, report, candidate.model.spec.labels)
    show_changes(report)
    for path in filter(None, (out, picture)):
        print_line(f"written: {path}")
    checkpoint = files[0].suffix.lower() == ".safetensors"
    convert = ("convert", "--target", "tflite", "--weights", files[0], *calibration_options(data, fps))
    convert += tuple(sound_options(data, None)) if candidates[0].hears else ()
    print_next("edgeshift", *(convert if checkpoint else ("demo", files[0], "--headless")))


def _with_sounds(candidates: list[Candidate], clips: DataSet, *, elsewhere: bool) -> DataSet:
    """Return the clips with the labels of the networks: for networks with a sound segment, a gesture and a sound.

    Raises:
        EdgeshiftError: only some of the networks have one, or they are not measured on this machine.
    """
    from edgeshift.benchmarks.accuracy.clip_sound import label_of_pair

    deaf = next((candidate.path.name for candidate in candidates if not candidate.hears), None)
    hearing = next((candidate.path.name for candidate in candidates if candidate.hears), None)
    decide(without=None if deaf is None else f"on {deaf}, which has no sound segment: leave it out")
    if hearing is None:
        return clips
    if deaf is not None:
        raise EdgeshiftError(f"{hearing} has a sound segment and {deaf} has none: measure them in two runs")
    if elsewhere:
        raise EdgeshiftError(
            f"{hearing} has a sound segment, whose accuracy is measured by Python on this machine only: leave out "
            "--device, --agent and --python"
        )
    return replace(clips, clips=tuple(replace(clip, label=label_of_pair(clip)) for clip in clips.clips))


def _measure(
    candidate: Candidate,
    data: DataSet,
    jobs: int,
    elsewhere: Streamer | None,
    journal: Journal | None,
    bars: ProgressBars,
) -> Measured:
    """Measure one artifact. If the device is lost, the error says what was measured and how to continue."""
    from edgeshift.benchmarks.accuracy.measure import measure

    measured = 0
    with bars.stage(candidate.path.name, len(data.clips)) as advance:

        def count() -> None:
            nonlocal measured
            measured += 1
            advance()

        try:
            return measure(candidate, data.clips, jobs=jobs, elsewhere=elsewhere, journal=journal, advance=count)
        except DeviceLostError as error:
            hint = ": continue with the same --out and --resume" if journal else ": with --out, they would be kept"
            hint = hint if journal is None or journal.holds_results else ""
            progress = f"{measured} of {len(data.clips)} clips of {candidate.path.name} were measured"
            raise DeviceLostError(f"{error}; {progress}{hint}") from error


def _check_labels(candidate: Candidate, data: DataSet, names: dict[str, str], subset: tuple[str, ...] | None) -> None:
    """Raise EdgeshiftError for options with labels that the model does not have, and note which clips are excluded."""
    from edgeshift.benchmarks.accuracy.report import gestures, require_labels, why_no_gesture
    from edgeshift.events.spotter import describe_rule, unit_of

    labels, file = candidate.model.spec.labels, candidate.path.name
    require_labels(tuple(names.values()), labels)
    known = gestures(labels, candidate.rule)
    require_labels(subset or (), known)
    excluded = {label: clips for label, clips in data.labels.items() if label not in known}
    if len(excluded) == len(data.labels):
        raise EdgeshiftError(f"{file}: no clip shows a gesture of the model: {why_no_gesture(excluded, labels, known)}")
    if excluded:
        counts = ", ".join(f"{label} ({clips})" for label, clips in excluded.items())
        print_note(f"{file}: excluded from accuracy, because the model has no such gesture: {counts}")
    if candidate.model.spec.rule is None:
        rule = describe_rule(candidate.rule, labels, unit_of(candidate.model.spec.hop))
        print_note(f"{file} has no event rule, so this one is assumed: {rule}")


def _print(result: ArtifactResult, report: Report, labels: tuple[str, ...]) -> None:
    from edgeshift.events.spotter import describe_rule

    counted = sum(row.clips for row in result.rows)
    split = f", split {report.split}" if report.split else ""
    spacing = "frames spread evenly" if result.frame_spacing is None else f"a frame every {result.frame_spacing:g} s"
    facts: Facts = [
        ("runtime", result.runtime),
        ("ran on", result.placement.text),
        ("model", f"{result.model} {result.precision}" + ("" if result.trained else f", {UNTRAINED}")),
        *note_facts(result.notes),
        *([("without", f"the {result.without} of the clips")] if result.without else []),
        ("clips", f"{counted} from {report.data}{split}, {spacing}"),
        ("event rule", describe_rule(result.rule, labels, result.unit) + (" (assumed)" if result.assumed else "")),
        *result.accuracy.items(),
    ]
    unit = result.unit + "s"
    if result.subset is not None:
        facts += [(f"  {name}, {', '.join(report.subset or ())}", value) for name, value in result.subset.items()]
    for after, value in result.running.items():
        facts.append(("running mean " + ("at the end" if after == "end" else f"after {after} {unit}"), value))
    if result.first is not None:
        facts.append((unit, f"{result.first:g} until the true label leads (median of the clips in which it leads)"))
    print_facts(result.file, facts)
    rows = [row for row in result.rows if row.clips]
    if rows:
        kinds = list(rows[0].right)
        cells = [(row.label, row.clips, *(row.right[kind] for kind in kinds)) for row in rows]
        print_table("Correct clips by label", ("label", "clips", *kinds), cells)
        names = [row.label for row in result.rows]
        if len(names) <= MAX_LABELS:  # more do not fit on a terminal; the report has them
            matrix = [(name, *(count or "" for count in row)) for name, row in zip(names, result.matrix, strict=True)]
            print_table("Confusion matrix (consensus)", ("true label", *names), matrix)
    if result.idle:
        cells = [
            (row.label, row.clips, "-" if row.frames is None else f"{row.frames:.1%}", row.silent)
            for row in result.idle
        ]
        columns = ("label", "clips", f"{unit} with no gesture", "clips without an event")
        print_table("Clips excluded from accuracy", columns, cells)
    if result.unreadable:
        rows_unread = [(clip.file, clip.reason) for clip in result.unreadable]
        print_table(f"Clips that could not be read: {len(result.unreadable)}", ("clip", "reason"), rows_unread)


def _draw(path: Path, report: Report) -> None:
    from edgeshift.benchmarks.reports.confusion import write_confusion

    result = report.subjects[0]
    accuracy = result.accuracy["consensus"].value
    title = f"{result.file} on {report.data}: " + ("no clips" if accuracy is None else f"{accuracy:.1%}")
    write_confusion(path, result.matrix, [row.label for row in result.rows], title)
