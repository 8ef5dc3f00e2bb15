"""One phone, from its first request to its last: what it sent, said line by line, and the reports in that."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from edgeshift.cli.phone_report import browser_report, length_of
from edgeshift.errors import CheckFailedError, DeviceError, missing

if TYPE_CHECKING:
    from edgeshift.apps.phone import PageAddress, ServerOptions
    from edgeshift.apps.phone.messages import (
        GestureDetected,
        PageOpened,
        PhoneEvent,
        RepeatMeasured,
        SelfCheckResult,
    )
    from edgeshift.benchmarks.latency.result import Mode, Report, Settings

MODES = ("normal", "quick", "rapid", "paced", "sustained")
#: Why a measurement is not whole, if its phone said nothing.
GONE = "the phone did not come back"


def measure_in_browser(
    file: Path, settings: Settings, accelerator: str, reach: ServerOptions, say: Callable[[str], None]
) -> Report:
    """Time an artifact in the browser of whoever scans the code: what `edgeshift bench --device browser` can call.

    Args:
        file: the artifact. settings: its mode, repeats, threads and frames count. accelerator: "cpu" or "webgpu".
        reach: how the phone gets here. say: is given each line for people.

    Raises:
        DeviceError: nobody came, or the phone broke off before the end.
        CheckFailedError: the artifact computes something else there.
    """
    visit = Visit(file, lambda mode: settings, settings.mode, accelerator, say)
    found = list(visit.reports(reach))
    visit.require_success()
    # What broke off before comes after what was finished, and has a reason.
    return next(report for report in reversed(found) if report.subjects[0].lost is None)


class Visit:
    """See above.

    Args:
        file: the artifact. settings: those of a mode. mode: the one to time at once; None: the phone's choice.
        accelerator: "cpu" or "webgpu". say: is given each line for people.
    """

    def __init__(
        self,
        file: Path,
        settings: Callable[[Mode], Settings],
        mode: Mode | None,
        accelerator: str,
        say: Callable[[str], None],
    ) -> None:
        from edgeshift.apps.phone import read_phone_artifact

        self.mode, self.say = mode, say
        self._settings, self._accelerator = settings, accelerator
        self._artifact = read_phone_artifact(file)
        self._hello: PageOpened | None = None
        #: Of each page that was opened: what is measured belongs to the phone that measured it.
        self._hellos: dict[str, PageOpened] = {}
        self._checks: list[SelfCheckResult] = []
        self._events: list[GestureDetected] = []
        self._repeats: dict[tuple[str, int], list[RepeatMeasured]] = {}
        self._lost: dict[tuple[str, int], str] = {}
        self._troubles: list[str] = []
        self._complete = 0

    def reports(self, reach: ServerOptions) -> Iterator[Report]:
        """Serve the phone, say what it finds, and give a report of each measurement, at its end.

        Those that broke off come last, as nobody knows before that they will not go on.

        Raises:
            DeviceError, RuntimeMissingError: it cannot be served. DeviceError: the page sends what makes no sense.
        """
        from edgeshift.apps.phone import PageJob, TimingFrames, serve
        from edgeshift.apps.phone.messages import RepeatMeasured
        from edgeshift.benchmarks.latency.frames import read_frames

        names = (self.mode,) if self.mode else cast("tuple[Mode, ...]", MODES)
        settings = {str(name): self._settings(name) for name in names}
        some = next(iter(settings.values()))
        frames = TimingFrames(some.frames, read_frames(some.frames, some.width, some.height))
        job = PageJob(
            file=self._artifact.path.name,
            modes={name: length_of(one) for name, one in settings.items()},
            mode=self.mode,
            accelerator=cast("Any", self._accelerator),
            threads=some.threads,
        )
        with closing(serve(self._artifact, job, frames, reach, lambda site: self._invite(site, reach))) as found:
            for posted in found:
                if isinstance(posted, RepeatMeasured) and posted.mode not in settings:
                    raise DeviceError(f"the page sent a measurement of mode {posted.mode!r}, which it was not offered")
                whole = self._hear(posted)
                if whole and len(whole) == settings[whole[0].mode].repeats:
                    self._complete += 1
                    yield self._report(settings, whole, None)
        for key, repeats in self._repeats.items():
            if len(repeats) < settings[repeats[0].mode].repeats:
                yield self._report(settings, repeats, self._lost.get(key, GONE))

    def require_success(self) -> None:
        """Raise for what did not happen: nobody came, a check failed, what was asked for is not complete."""
        name = self._artifact.path.name
        if self._hello is None:
            raise DeviceError("nobody opened the page: is the phone in this network, and does the firewall let it in?")
        failed = next((check for check in self._checks if not check.ok), None)
        if failed is not None:
            raise CheckFailedError(
                f"{name}: its self-check fails in the browser ({failed.runtime}): error {failed.error:.3g}, "
                f"allowed {failed.tolerance:.3g}"
            )
        if self.mode is not None and not self._complete:
            why = (self._troubles or [GONE])[-1]
            raise DeviceError(f"{name}: mode {self.mode} was not timed to its end: {why}; run it again")

    def document(self, reports: list[Report]) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "browser": None if self._hello is None else msgspec.to_builtins(self._hello),
            "checks": [{**msgspec.to_builtins(check), "ok": check.ok} for check in self._checks],
            "events": msgspec.to_builtins(self._events),
            "troubles": self._troubles,
            "reports": msgspec.to_builtins(reports),
        }

    def _invite(self, site: PageAddress, reach: ServerOptions) -> None:
        if reach.localhost:
            self.say(f"Open {site.url}")
            self.say(f"  on a phone: first adb reverse tcp:{site.port} tcp:{site.port}, then the same address there")
        else:
            self._draw(site.url)
            self.say(f"Scan it, or open {site.url}")
            self.say("The phone will warn of the certificate: it was made for this run, and nobody vouches for it.")
            self.say(f"Its SHA-256 fingerprint: {site.fingerprint}")
        self.say(f"This ends when the phone is done, after {reach.idle:g} s without it, or with Ctrl-C.")

    def _draw(self, url: str) -> None:
        """The code, to a terminal, if there is one: also where lines go into a pipe, or the document into a file."""
        if sys.stderr.isatty():
            print(_code(url), file=sys.stderr, flush=True)
        elif sys.stdout.isatty():
            self.say(_code(url))

    def _hear(self, posted: PhoneEvent) -> list[RepeatMeasured] | None:
        """Say it and keep it. Gives the repeats of a measurement when one more came."""
        from edgeshift.apps.phone import messages
        from edgeshift.benchmarks.latency.table import minute_text

        if isinstance(posted, messages.RepeatMeasured):
            repeats = self._repeats.setdefault((posted.session, posted.run), [])
            repeats.append(posted)
            clock = f"a clock of {posted.clock:g} us" + (f", 1 of {posted.every} kept" if posted.every > 1 else "")
            self.say(f"{posted.mode}: repeat {len(repeats)}, {posted.steps} steps; {posted.runtime}; {clock}")
            return repeats
        if isinstance(posted, messages.PageOpened):
            self._hello = self._hellos[posted.session] = posted
            self.say(f"A phone: {posted.model or posted.platform or 'unnamed'}, {posted.cores} cores")
        elif isinstance(posted, messages.SelfCheckResult):
            self._checks.append(posted)
            verdict = "passed" if posted.ok else "FAILED"
            self.say(
                f"self-check {verdict}: error {posted.error:.2g}, {posted.tolerance:.2g} allowed; {posted.runtime}"
            )
        elif isinstance(posted, messages.GestureDetected):
            self._events.append(posted)
            self.say(f"{posted.timestamp:8.2f} s  >>> {posted.label}")
        elif isinstance(posted, messages.CameraStopped):
            times = {name: getattr(posted, name) for name in ("grab", "pre", "infer", "post", "end_to_end")}
            words = ", ".join(f"{name} {time / 1e3:.2f} ms" for name, time in times.items() if time is not None)
            self.say(f"camera: {posted.steps} steps in {posted.seconds:.0f} s" + (f"; p50: {words}" if words else ""))
        elif isinstance(posted, messages.MinuteMeasured):
            self.say(minute_text(posted.point.minute, posted.point.p50, posted.point.p90))
        elif isinstance(posted, messages.ErrorReported):
            self._troubles.append(posted.message)
            for key in self._repeats:
                if key[0] == posted.session:
                    self._lost.setdefault(key, posted.message)  # a later one is of something else
            self.say(f"the phone says: {posted.message}")
        elif isinstance(posted, messages.ServerStopped) and posted.reason == "idle":
            self.say("stopped, as nobody was there any more")
        return None

    def _report(self, settings: dict[str, Settings], repeats: list[RepeatMeasured], lost: str | None) -> Report:
        first = repeats[0]  # the server listens to nobody who has not said hello
        return browser_report(self._artifact, self._hellos[first.session], settings[first.mode], repeats, lost)


def _code(url: str) -> str:
    """The address as a code to scan, drawn with half blocks."""
    import io

    try:
        import segno
    except ImportError as error:
        raise missing("segno", "phone", "drawing a code to scan") from error
    drawn = io.StringIO()
    segno.make_qr(url, error="l").terminal(out=drawn, border=3, compact=True)
    # White on black, whatever the terminal's colours: scanners want the dark parts dark.
    return "\n".join(f"\x1b[97;40m{line}\x1b[0m" for line in drawn.getvalue().splitlines())
