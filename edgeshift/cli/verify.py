"""``edgeshift verify``: run the self-check of an artifact, and compare it with the original if torch is installed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgeshift._system.progress import ProgressBars
from edgeshift.cli import glossary
from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, DECIDED, decide, needs
from edgeshift.cli.facts import UNTRAINED, Facts, float_layer_facts, inputs_of, note_facts, parity_facts
from edgeshift.cli.options import Artifact, AsJson, Explain, Litert, Qnn, Runtime, Threads, option
from edgeshift.cli.output import print_facts, print_json, print_next, print_note, print_table
from edgeshift.errors import ArtifactError, CheckFailedError, EdgeshiftError, one_line, unknown
from edgeshift.targets import TARGETS, find_runtime

#: What is said about the self-check of an artifact that an older version of edgeshift made.
OLDER_CHECK = "format version 1: this check accepts larger errors and compares no states; convert again for the new one"

#: The value of --accelerator for all that can be used here.
ALL_ACCELERATORS = "all"
#: What the table of --layers means.
LAYER_NOTES = """\
Errors are root mean squares in standard deviations of each channel of the original. "adds" is the error beyond that of
what the layer reads. A wide range with a large int8 step is the usual reason.
convert --float-layers keeps a layer in float."""

if TYPE_CHECKING:
    from edgeshift.artifact.spec import ParitySpec, StreamSpec
    from edgeshift.benchmarks.devices.native import NativeDevice
    from edgeshift.checkpoints import Checkpoint
    from edgeshift.converters.tflite.layers import LayerError
    from edgeshift.runtimes.accelerated import Checked, References
    from edgeshift.stream import Model
    from edgeshift.stream.selfcheck import SelfCheck
    from edgeshift.stream.transcript import Transcript


def run(
    file: Artifact,
    weights: Annotated[Path | None, option("Source", effect=ALWAYS, metavar="FILE")] = None,
    network: Annotated[str | None, option("Source", effect=ALWAYS, metavar="FILE.py:FUNCTION")] = None,
    layers: Annotated[bool, option("Check", effect=ALWAYS)] = False,
    accelerators: Annotated[
        str | None,
        option("Check", "--accelerator", effect=ALWAYS, metavar="NAMES", autocompletion=VALUES["accelerators"]),
    ] = None,
    against: Annotated[
        Path | None, option("Check", effect=(needs("accelerators", "device"), DECIDED), metavar="FILE.onnx")
    ] = None,
    device: Annotated[
        str | None,
        option("Device", "--device", effect=ALWAYS, metavar="DEVICE", autocompletion=VALUES["devices"]),
    ] = None,
    litert: Litert = None,
    qnn: Qnn = None,
    transcript: Annotated[Path | None, option("Check", effect=ALWAYS, metavar="T.json")] = None,
    runtime: Runtime = None,
    threads: Threads = 1,
    explain: Explain = False,
    as_json: AsJson = False,
) -> None:
    """Check an artifact on this machine.

    The self-check compares logits and states over a few frames with those recorded in the artifact. It needs only the
    runtime.
    If torch is installed, the artifact is also compared with its original over at least 32 frames. The original is
    found if it ships with edgeshift; otherwise name it with --weights.

    Args:
        weights: The checkpoint that the artifact was made from. Default: weights that ship with edgeshift, if the
            artifact was made from them.
        network: The file and function of the network of your own code that the artifact was made from. The file is run.
        layers: Also compare each layer of a .tflite artifact with the original over the same frames, or over the same
            windows for a clip, and list those that lose most.
        accelerators: Also run the artifact on these accelerators: cpu, gpu, npu, cortex-a72, cortex-a76, several with
            commas, or all for those that can be used here. Each runs the self-check and --transcript, and 32 frames
            whose logits and states are compared with the CPU's and with the original's. gpu is LiteRT's GPU
            accelerator. npu is Qualcomm's NPU or its simulator for a .qnn.onnx artifact, which the CPU cannot run: for
            that comparison, give --against. For other artifacts, npu is an estimate by Arm's compiler Vela, if it is
            installed. cortex-a72 and cortex-a76 are the processors of a Raspberry Pi 4 and 5, which qemu emulates
            (Debian: qemu-user-static) while the native agent (make agents) runs a .tflite artifact.
        against: The int8 .onnx artifact of the same network. The CPU cannot run a .qnn.onnx artifact, so it runs this
            one, and logits and states of both are compared over 32 frames.
        device: Also run a .tflite or .qnn.onnx artifact on this device, local, ssh://user@host or adb: self-check,
            --transcript, and 32 frames whose logits and states are compared as those on an accelerator. The native
            agent (make agents) runs it, which needs no Python there. If this machine cannot run a .qnn.onnx artifact,
            it is checked on the device alone.
        transcript: Also make the calls of this golden transcript, and compare the answers.

    Examples:
      edgeshift verify tsm_mobilenet_v2_int8.tflite
      edgeshift verify kinetics.tflite --weights checkpoint.pth
      edgeshift verify kinetics.tflite --weights checkpoint.pth --layers
      edgeshift verify tsm_mobilenet_v2_fp16.tflite --accelerator cpu,gpu
      edgeshift verify gestures.tflite --accelerator cortex-a72
      edgeshift verify gestures.qnn.onnx --accelerator npu --against gestures.onnx
      edgeshift verify gestures.tflite --device ssh://pi@raspberrypi.local
      edgeshift verify gestures.qnn.onnx --device adb --qnn libraries/ --against gestures.onnx
      edgeshift verify gestures.tflite --transcript gestures.transcript.json
      edgeshift verify tsm_mobilenet_v2_int8.trt.onnx --runtime tensorrt

    Exit status: 1 if a check fails.
    """
    from edgeshift.artifact.file import read_artifact
    from edgeshift.runtimes import load
    from edgeshift.runtimes.accelerated import References, require_same_network
    from edgeshift.stream.parity import failures
    from edgeshift.stream.selfcheck import runs_of_check, self_check
    from edgeshift.stream.transcript import read_transcript

    bars = ProgressBars()
    wanted = _accelerators(accelerators)
    compiled = find_runtime(file, runtime).only_npu
    decide(against=None if compiled and ("npu" in wanted or device) else _no_reference(file, compiled=compiled))
    board = None if device is None else _open_device(device, file, litert, qnn, bars)
    golden = None if transcript is None else read_transcript(transcript)
    references = References(
        against=_text(against), weights=_text(weights), network=network, transcript=_text(transcript)
    )
    with bars.stage("load"):
        if against is not None:
            require_same_network(read_artifact(file).spec, file, load(against, isolate=True).spec, against)
        try:
            whole = load(file, runtime=runtime, threads=threads, isolate=True)
        except ArtifactError:
            raise
        except EdgeshiftError as error:
            if board is None or not compiled:
                raise
            _verify_there(board, file, references, one_line(error), bars, as_json=as_json)
            return
        model = whole.each_camera()[0]
    with bars.stage("self-check", runs_of_check(model.spec)) as advance:
        check = self_check(model, advance)
    if layers and model.spec.target != "tflite":
        raise EdgeshiftError(f"{file}: --layers reads .tflite artifacts: convert with --target tflite")
    differences = None if golden is None else _replay(model, golden, bars)
    source, reason = _original(model.spec, weights, network, bars)
    parities = [] if source is None else [_compare(camera, source, bars) for camera in whole.each_camera()]
    parity = max(parities, key=lambda each: each.max_error, default=None)
    errors = _layer_errors(model.spec, file, source, reason, bars) if layers else None
    non_local = model.spec.model.non_local is not None
    problems = [
        f"camera {index}: {problem}" if whole.spec.batch > 1 else problem
        for index, each in enumerate(parities)
        for problem in failures(each, model.spec.precision, non_local=non_local)
    ]
    compared = not problems
    if parity is None:
        problems += [f"conversion: {problem}" for problem in model.spec.problems]
    if differences:
        more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
        problems.insert(0, f"transcript: {differences[0]}{more}")
    problems[:0] = [f"self-check: {problem}" for problem in check.problems]
    checked = _check_accelerators(model.spec, file, wanted, references, bars)
    on_device = [] if board is None else [_check_device(board, model.spec, file, references, bars)]
    failed = ("wrong", "falls back", "crashes", *(() if accelerators == ALL_ACCELERATORS else ("not run",)))
    problems += [f"{done.accelerator}: {done.detail}" for done in checked if done.verdict in failed]
    problems += [f"{done.accelerator}: {done.detail}" for done in on_device if done.verdict != "computes"]
    if as_json:
        print_json(
            {
                "ok": not problems,
                "problems": problems,
                "runtime": model.runtime,
                "ran_on": model.placement,
                "trained": model.spec.weights.trained,
                "float_layers": model.spec.float_layers,
                "notes": model.spec.notes,
                "self_check": asdict(check),
                "parity": parity,
                "parity_not_run": reason,
                **({} if differences is None else {"transcript": {"differences": differences}}),
                **({} if errors is None else {"layers": errors}),
                **({} if accelerators is None else {"accelerators": checked}),
                **({"device": on_device[0]} if on_device else {}),
            }
        )
    else:
        facts = _facts(model, check, parity, reason, passed=compared)
        if golden is not None:
            verdict = f"FAILED: {len(differences)} differences" if differences else "ok"
            calls = len(golden.calls) + len(golden.rule_calls)
            facts.insert(2, ("transcript", f"{calls} calls, written with {golden.runtime}: {verdict}"))
        facts += [fact for done in (*checked, *on_device) for fact in _accelerator_facts(done)]
        print_facts(str(file), facts)
        if errors is not None:
            _print_layers(errors, "window" if model.spec.mode == "clip" else "frame")
        if explain:
            glossary.explain(name.strip() for name, _ in facts)
    if problems:
        raise CheckFailedError(f"{file}: " + "; ".join(problems))
    if not as_json:
        print_next("edgeshift", "demo", file, "--headless")


def _verify_there(
    board: NativeDevice, file: Path, references: References, reason: str, bars: ProgressBars, *, as_json: bool
) -> None:
    """Check an artifact for an NPU on a device only. ``reason`` says why this machine cannot run it."""
    from edgeshift.artifact.file import read_artifact

    done = _check_device(board, read_artifact(file).spec, file, references, bars)
    problems = [] if done.verdict == "computes" else [f"{done.accelerator}: {done.detail}"]
    reason = reason.removeprefix(f"{file}: ")
    if as_json:
        print_json({"ok": not problems, "problems": problems, "not_run_here": reason, "device": done})
    else:
        print_facts(str(file), [("on this machine", f"not run: {reason}"), *_accelerator_facts(done)])
    if problems:
        raise CheckFailedError(f"{file}: " + "; ".join(problems))


def _accelerator_facts(done: Checked) -> Facts:
    """Return what is printed of the check on an accelerator."""
    facts: Facts = [(f"on {done.accelerator}", done.detail)]
    if (found := done.original) is not None:
        error, state = ("no number" if value is None else f"{value:.2g}" for value in (found.error, found.state_error))
        size = f"logits {error} of their range, states {state} deviations"
        facts.append(("  original", f"{found.reference}, {found.frames} frames, largest differences: {size}"))
    if (heard := done.sound) is not None:
        size = f"logits {heard.max_error:.2g} of their range, with frames {heard.fused_error:.2g}"
        facts.append(("  sounds", f"{heard.sounds} sounds, largest differences to the original: {size}"))
    if done.transcript is not None:
        allowed = ", because it computes in float" if done.verdict == "computes" else ""
        facts.append(("  transcript", f"{len(done.transcript)} differences{allowed}" if done.transcript else "ok"))
    if done.runtime is not None:
        facts.append(("  executed by", done.runtime))
    if done.ran_on is not None:
        facts.append(("  ran on", done.ran_on.text))
    return facts


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _accelerators(names: str | None) -> tuple[str, ...]:
    """Return the accelerators that --accelerator names."""
    from edgeshift.benchmarks.devices.emulated import NAMES

    if names is None:
        return ()
    chosen = NAMES if names == ALL_ACCELERATORS else tuple(names.split(","))
    for name in chosen:
        if name not in NAMES:
            raise EdgeshiftError(unknown("accelerator", name, (*NAMES, ALL_ACCELERATORS)))
    return tuple(dict.fromkeys(chosen))


def _no_reference(file: Path, *, compiled: bool) -> str:
    """Return why --against has no effect."""
    if compiled:
        return "without --accelerator npu or --device: add one, or leave this option out"
    return f"on {file}, which is not compiled for an NPU: leave it out"


def _open_device(name: str, file: Path, litert: Path | None, qnn: Path | None, bars: ProgressBars) -> NativeDevice:
    """Send the native agent to a device, and return the device."""
    from edgeshift.benchmarks.devices.find import device_lock
    from edgeshift.benchmarks.devices.native import NativeDevice
    from edgeshift.cli.board import open_device
    from edgeshift.cli.phone_visit import is_browser

    if is_browser(name):
        raise EdgeshiftError(f"--device {name}: the page runs its own checks, which `edgeshift phone {file}` shows")
    board = open_device(name, native=True, litert=litert, qnn=qnn)
    assert isinstance(board, NativeDevice)
    board.accept(file)
    with device_lock(board), bars.stage("device"):
        board.agent()
    return board


def _check_device(
    board: NativeDevice, spec: StreamSpec, file: Path, references: References, bars: ProgressBars
) -> Checked:
    from edgeshift.benchmarks.devices.agent_check import check_on_device
    from edgeshift.benchmarks.devices.find import device_lock
    from edgeshift.runtimes.accelerated import frames_of_check

    with device_lock(board), bars.stage(board.name, frames_of_check(spec)) as advance:
        return check_on_device(board, file, references, advance)


def _check_accelerators(
    spec: StreamSpec, file: Path, names: tuple[str, ...], references: References, bars: ProgressBars
) -> list[Checked]:
    from edgeshift.benchmarks.devices.emulated import check
    from edgeshift.runtimes.accelerated import frames_of_check

    found = []
    for name in names:
        with bars.stage(name, frames_of_check(spec)) as advance:
            found.append(check(file, name, references, advance))
    return found


def _replay(model: Model, transcript: Transcript, bars: ProgressBars) -> list[str]:
    from edgeshift.stream.replay import replay

    with bars.stage("transcript", len(transcript.calls)) as advance:
        return replay(model, transcript, advance)


def _facts(model: Model, check: SelfCheck, parity: ParitySpec | None, reason: str | None, *, passed: bool) -> Facts:
    verdict = "ok" if check.ok else "FAILED"
    errors = f"logits {check.error:.3g} of {check.tolerance:.3g} allowed"
    if check.state_error is not None:
        errors += f", states {check.state_error:.3g} of {check.state_tolerance:g}"
    facts: Facts = [
        *note_facts(model.spec.notes),
        ("runtime", model.runtime),
        ("ran on", model.placement.text),
        *float_layer_facts(model.spec),
        ("self-check", f"{check.frames} {inputs_of(model.spec)}, errors: {errors}: {verdict}"),
    ]
    if check.version == 1:
        facts.append(("", OLDER_CHECK))
    compared = parity_facts(parity, model.spec, passed=passed) if parity else [("parity", reason)]
    facts += [(name, value) for name, value in compared if name != "  executed by"]  # the first line has the runtime
    return facts if model.spec.weights.trained else [*facts, ("weights", UNTRAINED)]


def _original(
    spec: StreamSpec, weights: Path | None, network: str | None, bars: ProgressBars
) -> tuple[Checkpoint | None, str | None]:
    """Return the original of an artifact, or None and the reason why the artifact is not compared with it."""
    from edgeshift.runtimes.original import find_original

    if network is not None and spec.model.adopted:
        print_note(f"--network runs the code in {network.rpartition(':')[0]}")
    with bars.stage("original"):
        return find_original(spec, weights, network)


def _compare(model: Model, source: Checkpoint, bars: ProgressBars) -> ParitySpec:
    """Compare the artifact with its original."""
    from edgeshift._system.threads import one_thread
    from edgeshift.runtimes.pytorch import references
    from edgeshift.stream.parity import frames_needed, parity_frames
    from edgeshift.stream.sound_parity import compare_with_sounds, comparisons

    frames = parity_frames(source.description.frame, frames_needed(model.spec.frames))
    with bars.stage("parity", comparisons(model.spec, len(frames))) as advance, one_thread():
        wanted, original = references(
            source, model.spec.precision, TARGETS.get(model.spec.target), frames=model.spec.frames
        )
        return compare_with_sounds(model, wanted, frames, advance, original)


def _layer_errors(
    spec: StreamSpec, file: Path, source: Checkpoint | None, reason: str | None, bars: ProgressBars
) -> list[LayerError]:
    """Compare each layer of a TFLite artifact with its original."""
    if source is None:
        raise EdgeshiftError(f"{file}: --layers compares with the original, which was {reason}")
    from edgeshift.artifact.file import read_artifact
    from edgeshift.converters.tflite.layers import compare_layers
    from edgeshift.converters.tflite.target import export_float
    from edgeshift.stream.parity import frames_needed, parity_frames

    frames = parity_frames(source.description.frame, frames_needed(spec.frames))
    with bars.stage("export"):
        original, step = export_float(source, spec.frames)
    with bars.stage("layers", len(frames) - spec.frames + 1) as advance:
        return compare_layers(original, read_artifact(file).body, step, frames, advance)


def _print_layers(errors: list[LayerError], unit: str) -> None:
    """Print the layers that lose most. ``unit`` names what the graph runs over: frames, or windows of a clip."""
    from edgeshift.converters.tflite.layers import worst_layers

    rows = [
        (
            error.layer,
            error.operator,
            f"{error.added:.3f}",
            f"{error.error:.3f}",
            f"{error.frames[0]:.3f}",
            f"{max(error.frames):.3f} ({error.worst_frame})",
            f"{error.low:.3g} to {error.high:.3g}",
            "float" if error.step is None else f"{error.step:.3g}",
            f"{error.clipped:.2%}",
        )
        for error in worst_layers(errors)
    ]
    columns = ("layer", "operator", "adds", "error", f"{unit} 1", f"worst {unit}", "range", "int8 step", "outside")
    print_table("Layers that lose most", columns, rows)
    print(LAYER_NOTES)
