"""``edgeshift transcript``: record what an artifact answers, for tests of apps in other languages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from edgeshift._system.output_file import reserve
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.effect import ALWAYS
from edgeshift.cli.options import Artifact, AsJson, option
from edgeshift.cli.output import print_facts, print_json, print_next, require_report_file, size_text


def run(
    file: Artifact,
    out: Annotated[Path | None, option("Output", effect=ALWAYS, metavar="T.json")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the golden transcript of an artifact: calls with frames, times and resets, and the answers to them.

    An app in any language makes the same calls and must get the same answers. docs/reference/transcript.md describes
    the file, which contains no pictures. `edgeshift verify --transcript` makes the calls in Python.

    Args:
        out: File to write. Default: the artifact's name with the suffix .transcript.json.

    Examples:
      edgeshift transcript gestures.tflite
      edgeshift transcript gestures.tflite --out app/src/test/gestures.json
    """
    from edgeshift._system.files import atomic_write
    from edgeshift.runtimes import load
    from edgeshift.stream.replay import write_transcript
    from edgeshift.stream.transcript import Hear, Step, encode_transcript
    from edgeshift.stream.transcript_calls import calls_of

    require_report_file(out)
    path = out or file.with_name(f"{file.stem}.transcript.json")
    bars = ProgressBars()
    with reserve(path):
        with bars.stage("load"):
            model = load(file, isolate=True)
        with bars.stage("record", len(calls_of(model.spec))) as advance:
            transcript = write_transcript(model, advance)
        data = encode_transcript(transcript)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)
    steps = [call for call in transcript.calls if isinstance(call, Step)]
    events = sum(step.event is not None for step in steps)
    events += sum(call.event is not None for call in transcript.rule_calls)
    fresh = sum(step.answer == "fresh" for step in steps)
    sounds = sum(isinstance(call, Hear) for call in transcript.calls)
    heard = sum(step.answer == "fresh" and step.heard == "heard" for step in steps)
    if as_json:
        facts = {"calls": len(transcript.calls), "frames": len(steps), "answers": fresh, "events": events}
        facts |= {"sounds": sounds, "heard": heard}
        print_json({"path": path, "runtime": transcript.runtime, "exact": transcript.exact, **facts})
        return
    equal = "to the bit in the same runtime" if transcript.exact else f"within {transcript.bounds.logits:.3g}"
    print_facts(
        str(path),
        [
            ("runtime", transcript.runtime),
            ("calls", f"{len(transcript.calls)}, of them {len(steps)} frames with {fresh} new answers"),
            *([("sounds", f"{sounds} pieces of sound, heard in {heard} of the new answers")] if sounds else []),
            ("event rule", f"{len(transcript.rule_calls)} more calls; {events} events in all"),
            ("logits", f"must be equal {equal}"),
            ("size", size_text(len(data))),
        ],
    )
    print_next("edgeshift", "verify", file, "--transcript", path)
