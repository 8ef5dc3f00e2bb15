"""Serve one artifact to one phone, and give what it posts, until it is done or nobody comes."""

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
from edgeshift.apps.phone.job import Frames, Job, PhoneArtifact
from edgeshift.apps.phone.posted import Done, Ended, Posted
from edgeshift.apps.phone.server import Server
from edgeshift.errors import DeviceError

#: An address that is nobody's (RFC 5737): asked for the way there, a machine names the one that it would go from.
NOWHERE = ("192.0.2.1", 9)
LOOPBACK = "127.0.0.1"
#: Seconds between looks at whether anybody is still there.
LOOK = 0.25


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How a phone gets here.

    Attributes:
        localhost: plain HTTP for this machine only, and for a phone on a cable (`adb reverse`).
        host: this machine's IP address in the local network; None: the one it would go out from.
        port: 0 for any that is free. idle: seconds without a request after which the server stops.
    """

    localhost: bool = False
    host: str | None = None
    port: int = 0
    idle: float = 300.0


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the page is: its address with the token in it, the port, and the certificate's fingerprint, over HTTPS."""

    url: str
    port: int
    fingerprint: str | None


def serve(
    artifact: PhoneArtifact,
    job: Job,
    frames: Frames,
    reach: Reach | None = None,
    ready: Callable[[Site], None] = lambda site: None,
    built: Path | None = None,
) -> Generator[Posted, None, None]:
    """Serve the page until a phone says that it is done, or none has asked for anything for ``reach.idle`` seconds.

    Closing the iterator stops the server as well.

    Args:
        artifact: of ``read_phone_artifact``. job: what the page is told. frames: to time with.
        reach: how the phone gets here; None: over the network. ready: called once the server listens.
        built: where the page was built; None: where `make phone` puts it.

    Yields:
        what the phone posts, in order, and at last ``Ended``.

    Raises:
        EdgeshiftError: the page was not built. RuntimeMissingError: cryptography is not installed.
        DeviceError: no such address or port here.
    """
    reach = reach or Reach()
    files = all_files(artifact, job, frames, built)
    host = LOOPBACK if reach.localhost else reach.host or local_address()
    context, fingerprint = (None, None) if reach.localhost else make_context(_checked(host))
    token = secrets.token_urlsafe(16)
    try:
        server = Server((host, reach.port), token, files, context)
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"cannot serve at {host}, port {reach.port}: {error}; give others with --host and --port"
        ) from error
    port = int(server.server_address[1])
    # "localhost", as that is what browsers trust without HTTPS.
    url = f"http://localhost:{port}/{token}/" if reach.localhost else f"https://{host}:{port}/{token}/"
    thread = threading.Thread(target=server.serve_forever, name="phone", daemon=True)
    thread.start()
    try:
        ready(Site(url=url, port=port, fingerprint=fingerprint))
        server.used()
        yield from _posted(server, reach.idle)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def local_address() -> str:
    """This machine's address in the local network. Nothing is sent to find it.

    Raises:
        DeviceError: it has none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(NOWHERE)
            found = str(probe.getsockname()[0])
        except OSError as error:
            raise DeviceError(
                "this machine is in no network: join the phone's, or use a cable and --localhost"
            ) from error
    return found


def _posted(server: Server, idle: float) -> Iterator[Posted]:
    while True:
        try:
            posted = server.posted.get(timeout=min(LOOK, idle))
        except queue.Empty:
            if monotonic() - server.last_used > idle:
                yield Ended("idle")
                return
            continue
        yield posted
        if isinstance(posted, Done):
            yield Ended("done")
            return


def _checked(host: str) -> str:
    try:
        if ipaddress.ip_address(host).version == 4:
            return host
    except ValueError:
        pass
    raise DeviceError(f"--host {host}: give this machine's IPv4 address in the phone's network, as 192.168.1.20")
