"""The check of an artifact by the native agent: self-check and frames on a device, compared with this machine's CPU."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgeshift._system.files import sha256
from edgeshift._system.process import CommandResult, OnLine
from edgeshift.artifact.file import read_artifact
from edgeshift.artifact.spec import StreamSpec
from edgeshift.benchmarks.devices.messages import MARK, Message, read_messages
from edgeshift.benchmarks.devices.native import NativeDevice
from edgeshift.errors import DeviceError, EdgeshiftError, one_line
from edgeshift.runtimes import load
from edgeshift.runtimes.accelerated import (
    SECONDS,
    Checked,
    Ran,
    References,
    add_transcript,
    compare_all,
    original_of,
)
from edgeshift.stream.first_difference import Step, sample_pictures
from edgeshift.stream.parity import to_real
from edgeshift.stream.placement import Placement, placement_of
from edgeshift.stream.selfcheck import BOUNDS, ORIGINAL, runs_of_check
from edgeshift.targets import find_runtime, suffix_of

#: The agent's exit status after a message that says why it does not run.
REFUSED = 2
#: Runs a command of the agent: its arguments, and what is called with each line that it prints.
Run = Callable[[list[str], OnLine | None], CommandResult]


class Stepped(Message, frozen=True, kw_only=True, tag="step"):
    """The results of one frame, or window, as the native agent reports them.

    Attributes:
        logits: [classes]. None stands for NaN.
        states: {name: the state as the graph stores it}; bytes are base64 in the message.
        runtime: name and version of the runtime.
    """

    logits: tuple[float | None, ...]
    states: dict[str, bytes]
    runtime: str


class CrashError(Exception):
    """The agent crashed, or its answers are not valid."""


def check_with_agent(
    name: str,
    path: Path,
    agent: Callable[[Path], tuple[Run, Callable[[Path], str]]],
    references: References = References(),  # noqa: B008 - it cannot be changed
    ran_on: Placement | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Checked:
    """Run the self-check of an artifact and 32 frames with the native agent, and compare the frames.

    They are compared with this machine's CPU and with the original network.

    Args:
        name: name of the device in the result.
        path: an artifact that is known to be valid.
        agent: prepares the agent; called with an empty folder. Returns how a command of the agent is run, and how a
            file is sent to the device, which returns its path there.
        references: what the results are compared with. Without ``against``, one that is compiled for an NPU is compared
            with the original network only.
        ran_on: where the graph runs; None: the name of the runtime says it.
        advance: called for each run of the self-check, after its end, and after every frame.
    """
    spec = read_artifact(path).spec
    compiled = find_runtime(path).only_npu or spec.chip is not None
    compared = references.against if compiled else path  # what this CPU runs; None: nothing
    try:
        with tempfile.TemporaryDirectory(prefix="edgeshift-") as folder:
            run, push = agent(Path(folder))
            there = push(path)
            failures, runtime = _self_check(run, there)
            for _ in range(runs_of_check(spec)):
                advance()
            pictures = sample_pictures(spec)
            frames = Path(folder) / "frames.npy"
            np.save(frames, pictures)
            count = len(pictures) - spec.frames + 1
            taken = _read(run, ["states", there, push(frames)], spec, count, advance)
            golden = references.transcript
            differences = None if golden is None else _replay(run, there, push(Path(golden)))
        model = None if compared is None else load(Path(compared)).each_camera()[0]
        original = original_of(spec, references)
    except DeviceError as error:
        hung = isinstance(error.__cause__, subprocess.TimeoutExpired)
        return Checked(name, "crashes" if hung else "not run", one_line(error, 300).removeprefix(f"{name}: "))
    except CrashError as error:
        return Checked(name, "crashes", one_line(error, 300))
    except EdgeshiftError as error:
        return Checked(name, "not run", one_line(error, 300).removeprefix(f"{path}: "))
    placement = placement_of(ran_on, runtime)
    on_cpu = placement.accelerator == "cpu"
    ran = Ran(name, spec, pictures, taken, failures, runtime, placement, "cpu" if on_cpu else "npu")
    # Another CPU must give what the self-check demands of it.
    limit = (BOUNDS["cpu"] if on_cpu else ORIGINAL)[spec.precision]
    done = add_transcript(compare_all(ran, model, limit, original, references), differences)
    return replace(done, share=(spec.graph.delegated if spec.graph else None) if on_cpu else 1.0)


def check_on_device(
    device: NativeDevice,
    path: Path,
    references: References = References(),  # noqa: B008 - it cannot be changed
    advance: Callable[[], None] = lambda: None,
) -> Checked:
    """Check an artifact on a device; see ``check_with_agent``. The device must have accepted the artifact."""

    def prepare(_folder: Path) -> tuple[Run, Callable[[Path], str]]:
        command = device.agent()
        return (
            lambda words, on_line: device.run([*command, *words], SECONDS, on_line),
            lambda file: device.push(file, f"verify_{sha256(file.read_bytes())[:12]}{suffix_of(file)}"),
        )

    return check_with_agent(device.name, path, prepare, references, None, advance)


def _self_check(run: Run, path: str) -> tuple[tuple[str, ...], str]:
    """Run the self-check. Returns what failed, empty if nothing did, and the name of the runtime."""
    done = run(["check", path], None)
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    runtime = next((line.removeprefix("runtime ") for line in lines if line.startswith("runtime ")), None)
    if done.status not in (0, 1) or runtime is None or "self-check" not in done.out:
        raise _ended("the self-check", done)
    if not done.status:
        return (), runtime
    return (", ".join(line for line in lines if line.startswith(("logits", "states", "second run"))),), runtime


def _replay(run: Run, path: str, transcript: str) -> tuple[str, ...]:
    """Replay a golden transcript. Returns the first difference, or nothing."""
    done = run(["replay", path, transcript], None)
    line = next((line for line in done.out.splitlines() if line.startswith("transcript ")), None)
    if done.status not in (0, 1) or line is None:
        raise _ended("the transcript", done)
    return () if not done.status else (line.removeprefix("transcript ").strip(),)


def _read(run: Run, command: list[str], spec: StreamSpec, count: int, advance: Callable[[], None]) -> list[Step]:
    """Run the frames, and return the results of each.

    Args:
        run: runs a command of the agent.
        command: the command.
        spec: the description of the artifact.
        count: the number of frames, or windows.
        advance: called after each of them.

    Raises:
        CrashError: the agent crashed, or its answers are not those of this artifact.
        DeviceError: the agent refuses the artifact.
    """
    done = run(command, lambda line: advance() if line.startswith(MARK) else None)
    if done.status:
        raise _ended("the frames", done)
    found = [_step(spec, message) for message in read_messages(done.out, Stepped)]
    if len(found) != count:
        raise CrashError(f"the agent answered {len(found)} of {count} frames")
    return found


def _step(spec: StreamSpec, message: Stepped) -> Step:
    """Return the results of a frame as Python's own streams give them.

    Raises:
        CrashError: logits or states are not those of the artifact.
    """
    sizes = {name: len(data) for name, data in message.states.items()}
    expected = {state.name: np.dtype(state.dtype).itemsize * math.prod(state.shape) for state in spec.states}
    if sizes != expected or len(message.logits) != len(spec.labels):
        raise CrashError("the agent answered with other logits or states than those of the artifact")
    stored = {
        state.name: np.frombuffer(message.states[state.name], state.dtype).reshape(state.shape) for state in spec.states
    }
    return Step(np.array(message.logits, np.float32), to_real(spec, stored))


def _ended(what: str, done: CommandResult) -> CrashError | DeviceError:
    """Return the error for a command that failed. The agent ends with status 2 after a message of its own."""
    if done.status == REFUSED and done.problem.startswith(MARK):
        return DeviceError(done.problem.removeprefix(MARK))
    return CrashError(f"{what} ended with status {done.status}: {done.problem}")
