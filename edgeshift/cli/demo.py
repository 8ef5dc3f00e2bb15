"""``edgeshift demo``: an artifact on a camera, with a window; or on a clip, as fast as it goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgeshift.cli.facts import UNTRAINED
from edgeshift.cli.output import Bars, print_json
from edgeshift.errors import EdgeshiftError

if TYPE_CHECKING:
    from edgeshift.apps.camera.engine.session import Session
    from edgeshift.apps.camera.journal import Form, Journal
    from edgeshift.apps.camera.sources.base import Orientation, Source
    from edgeshift.video.clips import TimedFrame


@click.command("demo")
@click.argument("files", type=click.Path(path_type=Path), metavar="F...", nargs=-1, required=True)
@click.option(
    "--source",
    default="drawn",
    metavar="S",
    help="Camera number or /dev path, rtsp:// or another address, GStreamer pipeline, jetson-csi, libcamera, a video, "
    'a folder of images, or "drawn" (default).',
)
@click.option("--headless", is_flag=True, help="No window: print the labels, or JSON lines of what is live.")
@click.option("--realtime", is_flag=True, help="With --headless: play a clip at its own speed, as if it were live.")
@click.option("--record", type=click.Path(path_type=Path), metavar="MP4", help="Write what the window shows.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="PNG", help="Write frames of a clip with labels.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End after so long.")
@click.option("--smoothing", metavar="S", help="rule, mean, jester or none. Default: the rule in the artifact.")
@click.option("--mask", default="", metavar="LABEL,...", help="Labels that are never shown.")
@click.option("--on", "on", multiple=True, metavar="LABEL=COMMAND", help="Run a command (no shell) at each event.")
@click.option("--every", type=click.FloatRange(0), default=1.0, show_default=True, help="Seconds between two runs.")
@click.option("--mirror", is_flag=True, help="Swap left and right, for the model too.")
@click.option("--mirror-view", is_flag=True, help="Swap left and right in the window only.")
@click.option("--rotate", type=click.Choice(["0", "90", "180", "270"]), default="0", help="Degrees clockwise.")
@click.option(
    "--capture", default="640x480@30", show_default=True, metavar="WxH@FPS", help="What a camera is asked for."
)
@click.option("--size", metavar="WxH", help="Of the window's picture. Default: by the camera.")
@click.option("--fullscreen", is_flag=True)
@click.option("--window", type=click.Choice(["auto", "opencv", "tk"]), default="auto", help="Whose window.")
@click.option("--repeat", is_flag=True, help="Begin a clip anew when it has ended.")
@click.option("--fps", type=click.FloatRange(0, 1000, min_open=True), help="Frames per second of a folder of images.")
@click.option("--runtime", metavar="R", help="tensorrt, or mil (Core ML's checker). Default: by the file's name.")
@click.option("--threads", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, at the end.")
@click.option("--json-lines", is_flag=True, help="Each event as a JSON line on stdout, when it happens.")
def run(files: tuple[Path, ...], **options: Any) -> None:
    """Run artifacts on a camera: the label, how sure it is, the last seconds, and what a step costs.

    Frames are fed at the spacing the weights were trained with, by their timestamps; every frame, if the artifact
    does not know it. A line ">>> label" is an event. Several artifacts: the key m switches between them.

    A clip with --headless is run as fast as it goes, every due frame of it. All else is live: slow models miss frames.

    \b
    Examples:
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source 0
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless
      edgeshift demo F --source 0 --headless --on "left=playerctl previous" --on "right=playerctl next"
    """
    from edgeshift.apps.camera.display.screen import why_no_screen
    from edgeshift.apps.camera.display.window import INSTEAD
    from edgeshift.apps.camera.sources.base import Orientation, Wish, find_source
    from edgeshift.apps.camera.start import open_session, parse_labels

    headless, source = options["headless"], options["source"]
    if options["as_json"] and options["json_lines"]:
        raise EdgeshiftError("--json is one document and --json-lines are many: choose one")
    wanted = find_source(source, Wish.parse(options["capture"]), fps=options["fps"])
    live = not headless or wanted.live or options["realtime"]
    if headless and len(files) > 1:
        raise EdgeshiftError(
            "several artifacts are switched with a key of the window: give one, or leave --headless out"
        )
    if not headless and (why := why_no_screen()):
        raise EdgeshiftError(f"no window can be opened: {why}; {INSTEAD}")
    if not live and source != "drawn" and not Path(source).exists():
        wanted.open()  # its error says what else there is
    _check_pictures(options["picture"], options["record"], live)
    with Bars().stage("load"):
        session = open_session(
            files,
            runtime=options["runtime"],
            threads=options["threads"],
            smoothing=options["smoothing"],
            mask=parse_labels(options["mask"]),
        )
    spacing = session.runner.model.spec.frame_spacing
    if options["fps"] is None and spacing is not None and Path(source).is_dir():
        raise EdgeshiftError(f"{source} is a folder of images, which have no times: add --fps")
    if source == "drawn":
        wanted = find_source(source, spacing=spacing)
    orientation = Orientation(options["mirror"], int(options["rotate"]))
    try:
        if live:
            _run_live(session, wanted, orientation, options)
        else:
            _run_clip(session, orientation, options)
    except BrokenPipeError:  # the reader has seen enough; click would call that a failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _check_pictures(picture: Path | None, record: Path | None, live: bool) -> None:
    if picture is not None and picture.suffix.lower() not in (".png", ".jpg"):
        raise EdgeshiftError(f"{picture}: a picture is a .png or a .jpg")
    if picture is not None and live:
        raise EdgeshiftError("--picture draws a clip that is run with --headless; live, the key s saves what is shown")
    if record is not None and record.suffix.lower() not in (".mp4", ".avi"):
        raise EdgeshiftError(f"{record}: a video is an .mp4 or an .avi")


def _run_live(session: Session, source: Source, orientation: Orientation, options: dict[str, Any]) -> None:
    from edgeshift.apps.camera.actions import Actions
    from edgeshift.apps.camera.app import App, Settings
    from edgeshift.apps.camera.display.window import open_window
    from edgeshift.apps.camera.journal import Journal
    from edgeshift.apps.camera.start import parse_actions, parse_size
    from edgeshift.cli import demo_text

    form = _form(options, lines=options["headless"])
    settings = Settings(
        size=parse_size(options["size"]) if options["size"] else None,
        record=options["record"],
        seconds=options["seconds"],
        orientation=orientation,
        mirror_view=options["mirror_view"],
        repeat=options["repeat"],
    )
    journal = Journal(form, source.name)
    actions = parse_actions(options["on"], session)
    watching = Actions(actions, options["every"], journal.tell) if actions else None
    app = App(session, source, journal, actions=watching, settings=settings)
    if not options["headless"]:
        app.window = open_window(options["window"], fullscreen=options["fullscreen"])
    _say_start(session, source.name, journal, form)
    summary = app.run()
    if form == "silent":
        print_json(msgspec.to_builtins(summary))
    elif form == "lines":
        journal.tell("summary", **msgspec.to_builtins(summary))
        journal.flush()
    else:
        demo_text.print_summary(summary)


def _run_clip(session: Session, orientation: Orientation, options: dict[str, Any]) -> None:
    from edgeshift._system.signals import ended_by_signals
    from edgeshift.apps.camera.actions import Actions
    from edgeshift.apps.camera.display.film import Film
    from edgeshift.apps.camera.journal import Journal
    from edgeshift.apps.camera.replay import Replay, open_clip, replay
    from edgeshift.apps.camera.start import parse_actions, parse_size
    from edgeshift.cli import demo_text
    from edgeshift.events.spotter import Detection

    form, source, spec = _form(options, lines=False), options["source"], session.runner.model.spec
    journal = Journal(form, source)
    actions = Actions(parse_actions(options["on"], session), options["every"], journal.tell)
    size = parse_size(options["size"]) if options["size"] else None
    film = Film(options["record"], session, size, options["mirror_view"]) if options["record"] else None
    _say_start(session, source, journal, form)
    result = Replay()
    clip = _cut(open_clip(source, options["fps"], spec.frame_spacing), orientation, options["seconds"])
    stopped: list[bool] = []
    with ExitStack() as ending, ended_by_signals(lambda: stopped.append(True)):
        if film:
            ending.callback(film.close)
        for found in replay(session, clip, result, film.take if film else lambda *_: None):
            if isinstance(found, Detection):
                journal.gesture(found)
                actions.on(found)
            elif form == "words":
                print(f"{found.start:8.2f} s  {found.label}")
            journal.flush()
            if stopped:  # what was seen so far is told all the same
                break
    actions.close()
    if film and film.path.exists():
        journal.tell("saved", path=str(film.path))
    if options["picture"] is not None:
        demo_text.write_answers(options["picture"], result, session, source)
    document = demo_text.document(session, result)
    if form == "lines":
        journal.tell("summary", **document)
    journal.flush()
    if form == "silent":
        print_json(document)
    elif form == "words":
        demo_text.print_replay(session, result, source, options["picture"])


def _form(options: dict[str, Any], *, lines: bool) -> Form:
    """How events are printed. lines: as JSON lines where nothing else is asked for."""
    if options["as_json"]:
        return "silent"
    return "lines" if options["json_lines"] or lines else "words"


def _say_start(session: Session, source: str, journal: Journal, form: Form) -> None:
    trained = session.runner.model.spec.weights.trained
    if form == "words" and not trained:
        print(UNTRAINED)
    journal.tell("start", source=source, artifacts=[str(one.path) for one in session.runners], trained=trained)


def _cut(clip: Iterator[TimedFrame], orientation: Orientation, seconds: float | None) -> Iterator[TimedFrame]:
    """The clip as it should be seen, as far as it should."""
    for timed in clip:
        if seconds is not None and timed.timestamp >= seconds:
            return
        yield timed._replace(frame=orientation(timed.frame))
