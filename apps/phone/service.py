"""Serves one artifact to one phone, and yields the messages that the phone sends."""

from __future__ import annotations

import ipaddress
import queue
import secrets
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from time import monotonic

import msgspec

from edgeshift.apps.phone.certificate import make_context
from edgeshift.apps.phone.clips import ClipFeed
from edgeshift.apps.phone.files import all_files
from edgeshift.apps.phone.job import PageJob, PhoneArtifact, TimingFrames
from edgeshift.apps.phone.messages import Finished, PhoneEvent, ServerStopped
from edgeshift.apps.phone.server import PhoneServer
from edgeshift.errors import DeviceError

#: An address that is reserved for documentation (RFC 5737). Its route shows which own address this machine would use.
UNUSED_ADDRESS = ("192.0.2.1", 9)
LOOPBACK = "127.0.0.1"
#: Seconds between two checks whether a page is still open.
POLL = 0.25


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone reaches the server.

    Attributes:
        localhost: use plain HTTP, for a browser on this machine or for a phone on a USB cable (`adb reverse`).
        host: this machine's IPv4 address in the phone's network; None: the address from which it sends.
        port: port of the server; 0 takes a free one.
        idle: seconds without a request after which the server stops.
    """

    localhost: bool = False
    host: str | None = None
    port: int = 0
    idle: float = 300.0


class PageAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The address of the page.

    Attributes:
        url: URL of the page, with the token.
        port: port of the server.
        fingerprint: SHA-256 fingerprint of the certificate; None: plain HTTP.
    """

    url: str
    port: int
    fingerprint: str | None


def serve(
    artifact: PhoneArtifact,
    job: PageJob,
    frames: TimingFrames,
    options: ServerOptions | None = None,
    ready: Callable[[PageAddress], None] = lambda address: None,
    built: Path | None = None,
    clips: ClipFeed | None = None,
) -> Generator[PhoneEvent, None, None]:
    """Serve the page until it sends ``Finished``, or until no request has come for ``options.idle`` seconds.

    Closing the generator stops the server as well.

    Args:
        artifact: the result of ``read_phone_artifact``.
        job: the settings of the page.
        frames: the frames for timing.
        options: how the phone reaches the server; None: over the local network.
        ready: called with the page's address when the server has started.
        built: folder of the built page; None: the folder into which `make phone` builds it.
        clips: the clips of a job with ``clips``.

    Yields:
        The messages of the page in order, and ``ServerStopped`` as the last event.

    Raises:
        EdgeshiftError: the page was not built.
        RuntimeMissingError: the package "cryptography" is not installed.
        DeviceError: this machine is in no network, the address is not its IPv4 address, or the port is taken.
    """
    options = options or ServerOptions()
    files = all_files(artifact, job, frames, built)
    host = LOOPBACK if options.localhost else options.host or local_address()
    context, fingerprint = (None, None) if options.localhost else make_context(_checked_address(host))
    token = secrets.token_urlsafe(16)
    try:
        hears = artifact.spec.model.sound is not None
        server = PhoneServer((host, options.port), token, files, context, clips, job.clips or 0, hears=hears)
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"cannot serve at {host}, port {options.port}: {error}; choose others with --host and --port"
        ) from error
    port = int(server.server_address[1])
    # The URL has the name "localhost" instead of 127.0.0.1, because browsers trust the name without HTTPS.
    url = f"http://localhost:{port}/{token}/" if options.localhost else f"https://{host}:{port}/{token}/"
    thread = threading.Thread(target=server.serve_forever, name="phone", daemon=True)
    thread.start()
    try:
        ready(PageAddress(url=url, port=port, fingerprint=fingerprint))
        server.mark_used()
        yield from _events(server, options.idle)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def local_address() -> str:
    """Return this machine's address in the local network, without sending anything.

    Raises:
        DeviceError: this machine is not in a network.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(UNUSED_ADDRESS)
            address = str(probe.getsockname()[0])
        except OSError as error:
            raise DeviceError(
                "this machine is in no network: join the phone's network, or use a USB cable and --localhost"
            ) from error
    return address


def _events(server: PhoneServer, idle: float) -> Iterator[PhoneEvent]:
    while True:
        try:
            message = server.messages.get(timeout=min(POLL, idle))
        except queue.Empty:
            if monotonic() - server.last_used > idle:
                yield ServerStopped("idle")
                return
            continue
        yield message
        if isinstance(message, Finished):
            yield ServerStopped("finished")
            return


def _checked_address(host: str) -> str:
    try:
        if ipaddress.ip_address(host).version == 4:
            return host
    except ValueError:
        pass
    raise DeviceError(f"--host {host}: give this machine's IPv4 address in the phone's network, such as 192.168.1.20")
