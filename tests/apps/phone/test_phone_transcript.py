"""The page's code replays golden transcripts in Chromium, with the runtime that phones use."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clip_doubles
import msgspec
import pytest
from chromium import new_page
from python_copies import TYPESCRIPT
from sound_artifact import hearing_artifact

from edgeshift.apps.phone.files import BUILT
from edgeshift.converters import ClipOptions
from edgeshift.runtimes import load
from edgeshift.stream.replay import write_transcript
from edgeshift.stream.transcript import Hear, Transcript, encode_transcript, picture
from edgeshift.stream.transcript_sounds import samples_of

BUILD = "litert_wasm_internal"
PAGE = "http://localhost:9/"
TYPES = {
    "": "text/html",
    "litert.js": "text/javascript",
    "page.mjs": "text/javascript",
    "litert.wasm": "application/wasm",
}
REPLAY = """async (build) => {
  const page = await import("./page.mjs");
  await page.startRuntime({ build, script: "litert.js", binary: "litert.wasm" }, "cpu");
  const bytes = new Uint8Array(await (await fetch("artifact")).arrayBuffer());
  const transcript = await (await fetch("transcript")).json();
  const { spec, graph } = await page.readArtifact(bytes);
  const engine = await page.Engine.create(graph, spec, { accelerator: "cpu", threads: 1 });
  const stream = page.openStream(engine, spec);
  return page.replayTranscript(transcript, spec, spec.rule, stream);
}"""


@pytest.fixture
def replay_in_browser(browser_with):
    """``replay_in_browser(artifact, transcript)`` returns what the page's code finds."""

    def replay(artifact: Path, transcript: Transcript) -> SimpleNamespace:
        runtime = {
            suffix: gzip.decompress((BUILT / "litert" / f"{BUILD}.{suffix}.gz").read_bytes())
            for suffix in ("js", "wasm")
        }
        files = {
            "": b"<!doctype html>",
            "page.mjs": TYPESCRIPT.read_bytes(),
            "litert.js": runtime["js"],
            "litert.wasm": runtime["wasm"],
            "artifact": artifact.read_bytes(),
            "transcript": encode_transcript(transcript),
        }

        def answer(route: Any) -> None:
            name = route.request.url.removeprefix(PAGE)
            if name in files:
                route.fulfill(body=files[name], content_type=TYPES.get(name, "application/octet-stream"))
            else:
                route.fulfill(status=404, body="")

        with new_page(browser_with()) as page:
            page.route("**/*", answer)
            page.goto(PAGE)
            page.add_script_tag(url="litert.js")
            return SimpleNamespace(**page.evaluate(REPLAY, BUILD))

    return replay


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_the_page_answers_as_the_transcript_says(replay_in_browser, shipped, precision):
    found = replay_in_browser(shipped(precision), write_transcript(load(shipped(precision))))
    assert found.differences == [] and found.fresh >= 20
    if precision == "int8":  # LiteRT's int8 results are equal in the browser too, although no promise says so
        assert found.equalLogits == found.equalStates == found.fresh


@pytest.mark.slow
def test_the_page_finds_another_answer(replay_in_browser, shipped):
    other = msgspec.structs.replace(write_transcript(load(shipped("int8"))), seed=8)
    found = replay_in_browser(shipped("int8"), other)
    assert "the logits differ by" in found.differences[0] and found.equalStates == 0


@pytest.fixture(scope="module", params=["int8", "fp32"])
def hearing(request, tmp_path_factory) -> Path:
    """An artifact with a sound segment."""
    path = tmp_path_factory.mktemp("hearing") / f"hearing_{request.param}.tflite"
    return hearing_artifact(path, request.param)


@pytest.mark.slow
def test_the_page_hears_what_the_transcript_says(replay_in_browser, hearing):
    transcript = write_transcript(load(hearing))
    found = replay_in_browser(hearing, transcript)
    assert found.differences == [] and found.fresh >= 20
    assert set(found.heard) == {"deaf", "waiting", "late", "silent", "clipped", "heard"}
    if transcript.exact:
        assert found.equalLogits == found.equalStates == found.fresh


@pytest.mark.slow
def test_the_page_answers_to_clips_with_sound_as_the_transcript_says(replay_in_browser, tmp_path):
    artifact = hearing_artifact(tmp_path / "clip.tflite", "fp32", clip=ClipOptions(4, hop=2))
    found = replay_in_browser(artifact, write_transcript(load(artifact)))
    assert found.differences == [] and found.equalStates == found.fresh >= 20
    assert set(found.heard) == {"deaf", "waiting", "late", "silent", "clipped", "heard"}


@pytest.mark.slow
def test_the_page_finds_another_sound(replay_in_browser, hearing):
    transcript = write_transcript(load(hearing))
    calls = [
        msgspec.structs.replace(call, first=call.first + 4000) if isinstance(call, Hear) else call
        for call in transcript.calls
    ]
    found = replay_in_browser(hearing, msgspec.structs.replace(transcript, calls=tuple(calls))).differences
    assert "the logits differ by" in found[0] and not any("heard" in difference for difference in found)
    calls = [
        msgspec.structs.replace(call, sound="drawn") if isinstance(call, Hear) else call for call in transcript.calls
    ]
    found = replay_in_browser(hearing, msgspec.structs.replace(transcript, calls=tuple(calls))).differences
    assert all(any(f"expected {heard}" in difference for difference in found) for heard in ("silent", "clipped"))


@pytest.mark.parametrize("kind", ["drawn", "silent", "clipped"])
def test_the_page_makes_the_same_samples(run_typescript, kind):
    cases = [(7, 0, 2500), (0xFFFF_FFF0, 12_345, 1700), (123, (1 << 31) + 5, 900)]
    code = "return cases.map(([seed, first, count]) => Array.from(page.samplesOf(seed, kind, first, count)))"
    made = run_typescript(code, cases=cases, kind=kind)
    assert made == [samples_of(seed, kind, first, count).tolist() for seed, first, count in cases]


def test_the_page_makes_the_same_pictures(run_typescript):
    cases = [(7, 0, 29, 17), (0xFFFF_FFF0, 5, 14, 64), (123, 4090, 7, 5)]
    code = """
        return cases.map(([seed, picture, height, width]) => {
          return Array.from(page.picture(seed, { picture, height, width }).pixels);
        });
    """
    made = run_typescript(code, cases=cases)
    assert made == [picture(*case).reshape(-1).tolist() for case in cases]


@pytest.mark.parametrize("count", [0, 2, 4, 7])
def test_a_restored_ring_gives_the_same_clips(run_typescript, count):
    code = """
        const [ring, other] = [new page.Ring(3, length, 1), new page.Ring(3, length, 1)];
        const push = (to, value) => { to.next.fill(value); const clip = to.push(); return clip && Array.from(clip); };
        for (let index = 0; index < 9; index++) push(other, 100 + index);
        for (let index = 0; index < count; index++) push(ring, index);
        const saved = ring.save();
        other.restore(saved);
        return [saved.frames.length / 3, [...Array(6).keys()].map((value) => [push(ring, value), push(other, value)])];
    """
    kept, clips = run_typescript(code, length=clip_doubles.T, count=count)
    assert kept == min(count, clip_doubles.T)
    assert any(first for first, _ in clips) and all(first == second for first, second in clips)


@pytest.mark.slow
def test_the_page_keeps_the_frames_of_a_clip_artifact_as_the_transcript_says(replay_in_browser, clip_artifact):
    transcript = write_transcript(load(clip_artifact))
    found = replay_in_browser(clip_artifact, transcript)
    assert found.differences == [] and found.equalStates == found.fresh >= 4
