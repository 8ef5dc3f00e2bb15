"""Serves one artifact to one phone and yields what the phone sends."""

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
from edgeshift.apps.phone.files import all_files
from edgeshift.apps.phone.job import PageJob, PhoneArtifact, TimingFrames
from edgeshift.apps.phone.messages import Finished, PhoneEvent, ServerStopped
from edgeshift.apps.phone.server import PhoneServer
from edgeshift.errors import DeviceError

#: An address that belongs to nobody (RFC 5737). The route to it shows which address this machine uses.
UNUSED_ADDRESS = ("192.0.2.1", 9)
LOOPBACK = "127.0.0.1"
#: Seconds between two checks whether a page is still open.
POLL = 0.25


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone reaches the server.

    Attributes:
        localhost: use plain HTTP, for this machine only or for a phone on a USB cable (`adb reverse`).
        host: this machine's IP address in the local network; None: the address that it sends from.
        port: 0 takes a free port.
        idle: seconds without a request after which the server stops.
    """

    localhost: bool = False
    host: str | None = None
    port: int = 0
    idle: float = 300.0


class PageAddress(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is.

    Attributes:
        url: address with the token.
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
) -> Generator[PhoneEvent, None, None]:
    """Serve the page until it is finished, or until no request has come for ``options.idle`` seconds.

    Closing the generator stops the server as well.

    Args:
        artifact: the result of ``read_phone_artifact``.
        job: the settings of the page.
        frames: the frames that are timed.
        options: how the phone reaches the server; None: over the local network.
        ready: called once, when the server listens.
        built: folder of the built page; None: where `make phone` builds it.

    Yields:
        the messages of the page in order, and ``ServerStopped`` as the last one.

    Raises:
        EdgeshiftError: the page was not built.
        RuntimeMissingError: the package "cryptography" is not installed.
        DeviceError: this machine does not have the address, or the port is taken.
    """
    options = options or ServerOptions()
    files = all_files(artifact, job, frames, built)
    host = LOOPBACK if options.localhost else options.host or local_address()
    context, fingerprint = (None, None) if options.localhost else make_context(_checked_address(host))
    token = secrets.token_urlsafe(16)
    try:
        server = PhoneServer((host, options.port), token, files, context)
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"cannot serve at {host}, port {options.port}: {error}; choose others with --host and --port"
        ) from error
    port = int(server.server_address[1])
    # The name "localhost", because browsers trust it without HTTPS.
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
    """Return this machine's address in the local network. Nothing is sent to find it.

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
