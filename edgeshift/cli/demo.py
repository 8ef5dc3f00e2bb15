"""``edgeshift demo``: run artifacts on a camera with a window, or on a clip as fast as the model can."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, decide, excludes, needs
from edgeshift.cli.facts import UNTRAINED
from edgeshift.cli.options import Accelerator, Artifacts, AsJson, Runtime, Threads, option
from edgeshift.cli.output import print_json, print_line, print_note, require_file_name
from edgeshift.errors import EdgeshiftError, SoundError

if TYPE_CHECKING:
    from edgeshift.apps.camera.engine.session import Session
    from edgeshift.apps.camera.event_printer import Form
    from edgeshift.apps.camera.microphones.base import Sound
    from edgeshift.apps.camera.sources.base import Source


def run(
    files: Artifacts,
    source: Annotated[str, option("Source", effect=ALWAYS)] = "drawn",
    capture: Annotated[str, option("Source", effect=DECIDED, metavar="WxH@FPS")] = "640x480@30",
    fps: Annotated[float | None, option("Source", effect=DECIDED, min=0.01, max=1000, metavar="HZ")] = None,
    rotate: Annotated[Literal["0", "90", "180", "270"], option("Source", effect=ALWAYS)] = "0",
    mirror: Annotated[bool, option("Source", effect=ALWAYS)] = False,
    realtime: Annotated[bool, option("Source", effect=(needs("headless"), DECIDED))] = False,
    repeat: Annotated[bool, option("Source", effect=DECIDED)] = False,
    seconds: Annotated[float | None, option("Source", effect=ALWAYS, min=0.001)] = None,
    microphone: Annotated[str | None, option("Source", effect=DECIDED, metavar="NAME|FILE.wav")] = None,
    runtime: Runtime = None,
    accelerator: Accelerator = None,
    threads: Threads = 1,
    smoothing: Annotated[str | None, option("Events", effect=ALWAYS)] = None,
    mask: Annotated[str, option("Events", effect=ALWAYS, metavar="A,B")] = "",
    on: Annotated[list[str] | None, option("Events", effect=ALWAYS, metavar="LABEL=COMMAND")] = None,
    every: Annotated[float, option("Events", effect=needs("on"), min=0)] = 1.0,
    headless: Annotated[bool, option("Window", effect=ALWAYS)] = False,
    window: Annotated[Literal["auto", "opencv", "tk"], option("Window", effect=excludes("headless"))] = "auto",
    size: Annotated[str | None, option("Window", effect=_view_effect, metavar="WxH")] = None,
    fullscreen: Annotated[bool, option("Window", effect=excludes("headless"))] = False,
    mirror_view: Annotated[bool, option("Window", effect=_view_effect)] = False,
    record: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="FILE.mp4")] = None,
    picture: Annotated[
        Path | None, option("Output", effect=(needs("headless"), excludes("realtime"), DECIDED), metavar="FILE.png")
    ] = None,
    as_json: AsJson = False,
    json_lines: Annotated[bool, option("Output", effect=excludes("as_json"))] = False,
) -> None:
    """Run artifacts on a camera or a clip, and show label, score, the labels of the last ten seconds, and step times.

    Frames are selected by their timestamps, so that they are fed at the frame spacing of the training. If the artifact
    does not know its frame spacing, every frame is fed. A line ">>> label" is a detection. With several artifacts, the
    key m of the window switches between them.

    With --headless, a clip is run as fast as the model can, and every due frame is fed. All other runs are live: a
    model that is slower than the source misses frames.

    Args:
        source: What to read frames from: a camera number or /dev path, an rtsp:// or other address, a GStreamer
            pipeline, jetson-csi, libcamera, a video, a folder of images, or drawn for drawn gestures.
        capture: Frame size and rate to request from a camera.
        fps: Frames per second of a source without times: a folder of images or a raw H.264 or H.265 stream.
        rotate: Rotate frames clockwise, degrees.
        mirror: Swap left and right before the model sees a frame.
        realtime: With --headless: play a clip at its own speed, as a camera would.
        repeat: Restart a clip when it ends.
        seconds: Stop after this many seconds. Default: at the end of the source.
        microphone: Listen, for an artifact whose network has a sound segment: default, the number of a microphone or a
            part of its name, arecord:NAME for a name of ALSA, or a .wav file in place of a microphone.
        smoothing: How labels are smoothed: rule, mean, jester or none. Default: rule, the event rule in the artifact.
        mask: Labels that are never shown, separated by commas.
        on: Command to run, without a shell, at each detection of a label. May be given several times.
        every: Shortest time between two runs of the command of a label, in seconds.
        headless: Open no window. Print the labels of a clip, or JSON lines of a live source.
        window: Library that opens the window.
        size: Size of the picture in the window. Default: the size of the frames.
        fullscreen: Fill the screen.
        mirror_view: Swap left and right in the window, but not for the model.
        record: Write a video of the window, also with --headless. With --microphone, the sound is written beside it
            as a .wav file.
        picture: Write a picture of a clip's frames with their labels.
        json_lines: Print each event as a line of JSON when it happens.

    Examples:
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source 0
      edgeshift demo tsm_mobilenet_v2_int8.tflite --source clip.mp4 --headless
      edgeshift demo tsm_mobilenet_v2_fp16.tflite --source 0 --accelerator gpu
      edgeshift demo F --source 0 --microphone default
      edgeshift demo F --source clip.mp4 --headless --microphone clip.wav
      edgeshift demo F --source 0 --headless --on "left=playerctl previous" --on "right=playerctl next"
    """
    from edgeshift.apps.camera.actions import Actions, parse_action
    from edgeshift.apps.camera.app import App, AppSettings
    from edgeshift.apps.camera.display.answers import AnswerSheet
    from edgeshift.apps.camera.display.layout import parse_size
    from edgeshift.apps.camera.display.window import INSTEAD, open_window, why_no_screen
    from edgeshift.apps.camera.engine.session import open_session
    from edgeshift.apps.camera.event_printer import EventPrinter
    from edgeshift.apps.camera.sources.base import CaptureRequest, Orientation, find_source
    from edgeshift.apps.camera.sources.clips import ClipSource, DrawnSource
    from edgeshift.cli import demo_text
    from edgeshift.events.default_rule import rule_of
    from edgeshift.video.clip_times import require_fps

    camera = find_source(source, CaptureRequest.parse(capture), fps=fps)
    live = not headless or camera.live or realtime
    _decide(camera, source, live=live)
    if headless and len(files) > 1:
        raise EdgeshiftError("artifacts are switched with a key of the window: with --headless, give one artifact")
    if not headless and (reason := why_no_screen()):
        raise EdgeshiftError(f"no window can be opened: {reason}; {INSTEAD}")
    require_file_name(picture, ".png", ".jpg")
    require_file_name(record, ".mp4", ".avi")
    masked = [label.strip() for label in mask.split(",") if label.strip()]
    with ProgressBars().stage("load"):
        session = open_session(
            files, runtime=runtime, threads=threads, smoothing=smoothing, mask=masked, accelerator=accelerator
        )
    _decide_microphone(session, camera, microphone, live=live)
    if microphone is not None:
        session.sound = _open_sound(session, microphone, record, clip=not camera.live)
    spec = session.artifact.model.spec
    spacing = spec.frame_spacing
    if isinstance(camera, ClipSource) and spacing is not None:
        require_fps([camera.path], fps)
    if source == "drawn":
        camera = DrawnSource(spacing, watched=live)
    form: Form = "silent" if as_json else "lines" if json_lines or (live and headless) else "words"
    printer = EventPrinter(form, camera.name)
    commands = [parse_action(text, session.labels) for text in on or []]
    settings = AppSettings(
        every_frame=not live,
        size=parse_size(size) if size else None,
        record=record,
        seconds=seconds,
        orientation=Orientation(mirror, int(rotate)),
        mirror_view=mirror_view,
        repeat=repeat,
    )
    actions = Actions(commands, every, printer.emit) if commands else None
    answers = AnswerSheet() if picture else None
    app = App(session, camera, printer, actions=actions, answers=answers, settings=settings)
    if not headless:
        app.window = open_window(window, fullscreen=fullscreen)
    if form == "words":
        for line in (*([] if spec.weights.trained else [UNTRAINED]), *spec.notes):
            print_line(line)
    paths = [str(artifact.path) for artifact in session.artifacts]
    listening = {} if session.sound is None else {"microphone": session.sound.name, "through": session.sound.through}
    trained = spec.weights.trained
    printer.emit("start", source=camera.name, artifacts=paths, trained=trained, notes=spec.notes, **listening)
    summary = app.run()
    if (reason := demo_text.missing_answer(session, camera.name)) is not None:
        print_note(reason)
    if picture is not None and answers is not None:
        demo_text.write_answers(picture, answers, summary)
    if form == "silent":
        print_json(demo_text.document(summary))
    elif form == "lines":
        printer.emit("summary", **demo_text.document(summary))
        printer.flush()
    else:
        rule = rule_of(spec).origin or "the weights file"
        used = rule if smoothing in (None, "rule") else None
        demo_text.print_summary(summary, picture, used, hears=any(each.hears for each in session.artifacts))


def _decide_microphone(session: Session, camera: Source, microphone: str | None, *, live: bool) -> None:
    """Refuse --microphone if no artifact can hear, or if a real microphone would not fit the pace of the frames."""
    from edgeshift.apps.camera.microphones.find import is_file

    reason = None
    if not any(artifact.hears for artifact in session.artifacts):
        names = " and ".join(str(artifact.path) for artifact in session.artifacts)
        reason = f"on {names}, whose network has no sound segment: leave it out"
    elif microphone is not None and not live and not is_file(microphone):
        reason = f"on {camera.name}, which is run as fast as possible: add --realtime, or give a .wav file"
    decide(microphone=reason)


def _open_sound(session: Session, microphone: str, record: Path | None, *, clip: bool) -> Sound:
    from edgeshift.apps.camera.microphones.find import is_file, open_sound
    from edgeshift.sound.analysis import analysis

    beside = None if record is None else record.with_suffix(".wav")
    if beside is not None and is_file(microphone) and beside.resolve() == Path(microphone).resolve():
        raise EdgeshiftError(f"--record {record} would overwrite {microphone} with its sound: give another name")
    sound = open_sound(microphone, clip=clip)
    for artifact in session.artifacts:
        settings = artifact.model.spec.model.sound
        if artifact.hears and settings is not None:
            try:
                analysis(settings, sound.rate)  # an error if the rate does not fit
            except SoundError as error:
                raise SoundError(f"{sound.name}: {error}") from error
    return sound


def _view_effect(options: Options) -> str | None:
    """The rule of options about the picture, which is drawn for a window or a recorded video."""
    drawn = not options["headless"] or options["record"] is not None
    return None if drawn else "with --headless, unless --record writes a video: leave it out"


def _decide(camera: Source, text: str, *, live: bool) -> None:
    """Refuse options that have no effect on this source."""
    from edgeshift.apps.camera.sources.base import takes_request
    from edgeshift.apps.camera.sources.clips import ClipSource
    from edgeshift.video.clip_times import fps_without_effect

    fps = None
    if not isinstance(camera, ClipSource):
        fps = f"on {camera.name}, only on a folder of images or a raw stream: leave it out"
    elif camera.path.exists() and fps_without_effect([camera.path], camera.fps):
        fps = f"on {camera.name}, whose frames have times: leave it out"
    on_camera = f"on {camera.name}, which is live" if camera.live else None
    decide(
        capture=None if takes_request(text) else f"on {camera.name}, only on a camera: leave it out",
        fps=fps,
        realtime=on_camera and f"{on_camera} already: leave it out",
        repeat=(on_camera and f"{on_camera} and does not end: leave it out")
        or (None if live else "with --headless, unless the clip is played with --realtime: leave it out"),
        picture=on_camera and f"{on_camera}: it needs a clip; press s in the window to save a picture",
    )
