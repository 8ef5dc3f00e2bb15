"""Serve one phone from its first request to its last: print its messages, and make reports of its measurements."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from edgeshift._system.safe_stream import allow_colours
from edgeshift.cli.options import Mode
from edgeshift.cli.phone_report import browser_report, timing_plan
from edgeshift.errors import CheckFailedError, DeviceError, EdgeshiftError, missing

if TYPE_CHECKING:
    from edgeshift.apps.phone import PageAddress, ServerOptions
    from edgeshift.apps.phone.messages import GestureDetected, PageOpened, PhoneEvent, RepeatMeasured, SelfCheckResult
    from edgeshift.benchmarks.latency.result import Report, Settings
    from edgeshift.cli.effect import Options

#: The device that a phone's browser is.
BROWSER = "browser"
#: The reason for missing results, if the phone did not send a reason.
GONE = "the phone did not come back"
NO_PHONE = "no phone opened the page: check that it is in this network, and check the firewall"


def is_browser(device: str) -> bool:
    """Return True for the name of the device that a phone's browser is, such as "browser" or "browser:webgpu"."""
    return device.partition(":")[0] == BROWSER


def not_in_browser(options: Options) -> str | None:
    """Return why an option has no effect with a browser; None: the device is not a browser."""
    return f"with --device {options['name']}: leave it out" if is_browser(options["name"]) else None


def printer(*, as_json: bool) -> Callable[[str], None]:
    """Return the function that prints messages: on standard error if standard output is for a JSON document."""
    return lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def measure_in_browser(
    file: Path, settings: Settings, accelerator: str, server: ServerOptions, write: Callable[[str], None]
) -> Report:
    """Measure an artifact in the browser of the phone that scans the code.

    Args:
        file: the artifact.
        settings: mode, repeats, threads and frames of the measurement.
        accelerator: "cpu" or "webgpu".
        server: how the phone reaches this machine.
        write: prints a message.

    Raises:
        DeviceError: no phone opened the page, or it left before the measurement was complete.
        CheckFailedError: the artifact fails its self-check in the browser.
    """
    visit = Visit(file, lambda mode: settings, settings.mode, accelerator, write)
    reports = list(visit.reports(server))
    visit.require_success()
    # The page may have been opened twice. The report without a reason for missing repeats is the complete one.
    return next(report for report in reversed(reports) if report.subjects[0].lost is None)


class Visit:
    """The messages of one phone, from its first request to its last. For other arguments see ``measure_in_browser``.

    Args:
        settings: returns the settings of a mode.
        mode: the mode to measure at once; None: the phone's user chooses.
    """

    def __init__(
        self,
        file: Path,
        settings: Callable[[Mode], Settings],
        mode: Mode | None,
        accelerator: str,
        write: Callable[[str], None],
    ) -> None:
        from edgeshift.apps.phone import read_phone_artifact

        self.mode, self.write = mode, write
        self._settings, self._accelerator = settings, accelerator
        self._artifact = read_phone_artifact(file)
        #: {session: page}. A session is one opening of the page; measurements belong to the phone that opened it.
        self._pages: dict[str, PageOpened] = {}
        self._checks: list[SelfCheckResult] = []
        self._detections: list[GestureDetected] = []
        #: {(session, run): its repeats, or why they ended early}.
        self._repeats: dict[tuple[str, int], list[RepeatMeasured]] = {}
        self._lost: dict[tuple[str, int], str] = {}
        self._errors: list[str] = []
        self._complete = 0

    def reports(self, server: ServerOptions) -> Iterator[Report]:
        """Serve the phone, write what it sends, and yield a report of each measurement when it is complete.

        Reports of incomplete measurements come last, because until then the phone could continue them.

        Raises:
            DeviceError: the page cannot be served, or sends something that was not asked for.
            RuntimeMissingError: a package that serving needs is not installed.
        """
        from edgeshift.apps.phone import PageJob, TimingFrames, serve
        from edgeshift.apps.phone.messages import RepeatMeasured
        from edgeshift.benchmarks.latency.frames import read_frames

        modes: tuple[Mode, ...] = (self.mode,) if self.mode else get_args(Mode)
        settings: dict[str, Settings] = {mode: self._settings(mode) for mode in modes}
        first = settings[modes[0]]
        frames = TimingFrames(first.frames, read_frames(first.frames, first.width, first.height))
        job = PageJob(
            file=self._artifact.path.name,
            modes={mode: timing_plan(mode_settings) for mode, mode_settings in settings.items()},
            mode=self.mode,
            accelerator=cast("Any", self._accelerator),
            threads=first.threads,
        )
        with closing(
            serve(self._artifact, job, frames, server, lambda page: invite(page, server, self.write))
        ) as events:
            for event in events:
                if not isinstance(event, RepeatMeasured):
                    self._receive(event)
                    continue
                if event.mode not in settings:
                    raise DeviceError(f"the page sent a measurement of mode {event.mode!r}, which it was not offered")
                repeats = self._receive_repeat(event)
                if len(repeats) == settings[event.mode].repeats:
                    self._complete += 1
                    yield self._report(settings, repeats, None)
        for key, repeats in self._repeats.items():
            if len(repeats) < settings[repeats[0].mode].repeats:
                yield self._report(settings, repeats, self._lost.get(key, GONE))

    def require_success(self) -> None:
        """Check that the phone came, passed the self-check, and completed the requested measurement.

        Raises:
            CheckFailedError: the self-check failed in the browser.
            DeviceError: no phone opened the page, or the requested measurement is not complete.
        """
        name = self._artifact.path.name
        if not self._pages:
            raise DeviceError(NO_PHONE)
        failed = next((check for check in self._checks if not check.ok), None)
        if failed is not None:
            raise CheckFailedError(f"{name}: its self-check fails in the browser ({failed.runtime}): {failed.errors}")
        if self.mode is not None and not self._complete:
            reason = (self._errors or [GONE])[-1]
            raise DeviceError(f"{name}: the measurement of mode {self.mode} is not complete: {reason}; run it again")

    def document(self, reports: list[Report]) -> dict[str, Any]:
        """Return the document of --json: the browser, all messages, and the reports."""
        import msgspec

        return {
            "browser": next(reversed(self._pages.values()), None),
            "checks": [{**msgspec.to_builtins(check), "ok": check.ok} for check in self._checks],
            "events": self._detections,
            "troubles": self._errors,
            "reports": reports,
        }

    def _receive_repeat(self, repeat: RepeatMeasured) -> list[RepeatMeasured]:
        """Print and keep a repeat. Returns all repeats of its measurement so far."""
        repeats = self._repeats.setdefault((repeat.session, repeat.run), [])
        repeats.append(repeat)
        unit = "steps" if self._artifact.spec.hop is None else "answers"
        clock = f"clock resolution {repeat.clock:g} us" + (f", 1 of {repeat.every} kept" if repeat.every > 1 else "")
        self.write(f"{repeat.mode}: repeat {len(repeats)}, {repeat.steps} {unit}; {repeat.runtime}; {clock}")
        return repeats

    def _receive(self, event: PhoneEvent) -> None:
        """Print and keep any other event."""
        from edgeshift.apps.phone import messages
        from edgeshift.benchmarks.latency.table import minute_text

        if isinstance(event, messages.PageOpened):
            self._pages.pop(event.session, None)
            self._pages[event.session] = event
            self.write(f"Phone: {event.model or event.platform or 'unnamed'}, {event.cores} cores")
        elif isinstance(event, messages.SelfCheckResult):
            self._checks.append(event)
            verdict = "passed" if event.ok else "FAILED"
            self.write(f"self-check {verdict}: {event.errors}; {event.runtime}")
        elif isinstance(event, messages.GestureDetected):
            self._detections.append(event)
            self.write(f"{event.timestamp:8.2f} s  >>> {event.label}")
        elif isinstance(event, messages.CameraStopped):
            times = {name: getattr(event, name) for name in ("grab", "pre", "infer", "post", "end_to_end")}
            medians = ", ".join(f"{name} {time / 1e3:.2f} ms" for name, time in times.items() if time is not None)
            p50 = f"; p50: {medians}" if medians else ""
            self.write(f"camera: {event.steps} frames in {event.seconds:.0f} s{p50}")
        elif isinstance(event, messages.MinuteMeasured):
            self.write(minute_text(event.point.minute, event.point.p50, event.point.p90))
        elif isinstance(event, messages.ErrorReported):
            self._errors.append(event.message)
            for session, run in self._repeats:
                if session == event.session:
                    self._lost.setdefault((session, run), event.message)  # only the first error ended the measurement
            self.write(f"error on the phone: {event.message}")
        elif isinstance(event, messages.ServerStopped) and event.reason == "idle":
            self.write("stopped, because no message came from the phone")

    def _report(self, settings: dict[str, Settings], repeats: list[RepeatMeasured], lost: str | None) -> Report:
        page = self._pages[repeats[0].session]  # the server accepts repeats only after PageOpened
        return browser_report(self._artifact, page, settings[repeats[0].mode], repeats, lost)


def browser_accelerator(name: str, files: int) -> str:
    """Return the processor that a device like ``browser:webgpu`` names. ``files`` is the number of artifacts.

    Raises:
        EdgeshiftError: the name is malformed, or there is more than one artifact.
    """
    accelerator = name.partition(":")[2] or "cpu"
    if accelerator not in ("cpu", "webgpu") or files != 1:
        raise EdgeshiftError(f"--device {name}: give one artifact, and the device as browser or browser:webgpu")
    return accelerator


def invite(page: PageAddress, server: ServerOptions, write: Callable[[str], None]) -> None:
    """Print how a phone opens the page. ``write`` prints a message."""
    if server.localhost:
        write(f"Open {page.url}")
        write(f"  on a phone: first adb reverse tcp:{page.port} tcp:{page.port}, then the same address there")
    else:
        # Either stream may be redirected, so the code is drawn on the one that is a terminal.
        if sys.stderr.isatty():
            with allow_colours(sys.stderr):
                print(draw_code(page.url), file=sys.stderr, flush=True)
        elif sys.stdout.isatty():
            with allow_colours(sys.stdout):
                write(draw_code(page.url))
        write(f"Scan the code, or open {page.url}")
        write("The phone will warn about the certificate, because it was made for this run only.")
        write(f"The certificate's SHA-256 fingerprint: {page.fingerprint}")
    write(f"Ends with 'Stop the server' on the page, Ctrl-C, or after {server.idle:g} s without a message.")


def draw_code(url: str) -> str:
    """Return the address as a QR code for a terminal. Raises RuntimeMissingError if segno is not installed."""
    import io

    try:
        import segno
    except ImportError as error:
        raise missing("segno", "phone", "drawing a code to scan") from error
    code = io.StringIO()
    segno.make_qr(url, error="l").terminal(out=code, border=3, compact=True)
    # White on black with any colours of the terminal, because scanners expect the dark parts to be dark.
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in code.getvalue().splitlines())
