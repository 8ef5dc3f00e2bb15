/**
 * Replays a golden transcript with the page's stream, as `edgeshift/stream/replay.py` does in Python. The format is
 * described in docs/reference/transcript.md. Only tests use this module; the page does not contain it.
 */
import { goldenByte } from "./golden-bytes";
import { listening } from "./open-stream";
import { Pacer } from "./pacer";
import { relativeError, sample } from "./selfcheck";
import type { Hearing } from "./sound/ear";
import type { Rule, Spec } from "./spec";
import { largest, Spotter, type Detection } from "./spotter";
import type { Picture, SavedStream, Stream } from "./stream";
import { samplesOf, type Kind } from "./transcript-sounds";

/** Largest difference of an event's score in the calls of the rule. */
const SCORE_ERROR = 1e-9;
/** Coloured cells along each side of a picture, and the distance between the numbers of two rows of cells. */
const [CELLS, ROW] = [14, 4096];
/** The versions of transcripts: without and with sounds. */
const VERSIONS = [1, 2];

interface Event {
  index: number;
  label: string;
  score: number;
  timestamp: number;
}

type Call =
  | {
      call: "step"; picture: number; height: number; width: number; time: number | null;
      answer: "fresh" | "repeated" | "none"; index?: number; logits?: string; states?: string; event?: Event;
      heard?: Hearing;
    }
  | { call: "hear"; sound: Kind; first: number; samples: number; rate: number; time: number }
  | { call: "deafen" }
  | { call: "reset" | "save" | "restore"; states: string };
type Step = Extract<Call, { call: "step" }>;

export interface Transcript {
  version: number;
  bounds: { logits: number; states: number };
  seed: number;
  calls: Call[];
  samples: Record<string, number[]>;
  rule_calls: { time: number; logits: string; event?: Event }[];
}

/** The result of a replay. */
export interface Replay {
  /** One line for each difference that is not within the bounds. */
  differences: string[];
  /** Root mean square error of all logits. */
  error: number;
  /** Number of fresh answers, of those whose logits are equal to the bit, and of those whose states are. */
  fresh: number;
  equalLogits: number;
  equalStates: number;
  /** Number of fresh answers with the expected label. */
  equalLabels: number;
  /** What the stream heard at the frames with an answer. */
  heard: Hearing[];
}

/** Replay a transcript. `rule` is the artifact's rule, or the default rule if it has none. */
export async function replayTranscript(transcript: Transcript, spec: Spec, rule: Rule, stream: Stream): Promise<Replay> {
  if (!VERSIONS.includes(transcript.version)) {
    throw new Error(`the transcript has version ${transcript.version}, and this page reads ${VERSIONS.join(" and ")}`);
  }
  const player = new Player(transcript, spec, rule, stream);
  let number = 0;
  for (const call of transcript.calls) await player.make(call, `call ${++number} (${call.call})`);
  await player.compareSamples();
  const spotter = new Spotter(rule, spec.labels);
  transcript.rule_calls.forEach(({ time, logits, event }, index) => {
    player.compareEvents(`rule call ${index + 1}`, event, spotter.feed(unpack(logits), time), SCORE_ERROR);
  });
  return player.finish();
}

class Player {
  private readonly result: Replay = {
    differences: [], error: 0, fresh: 0, equalLogits: 0, equalStates: 0, equalLabels: 0, heard: [],
  };
  private readonly spotter: Spotter;
  private pacer!: Pacer | null;
  private answered = false;
  /** What the newest answer contains, if the network has a sound segment. */
  private heard: Hearing | undefined;
  private saved: SavedStream | null = null;
  private squares: number[] = [];

  constructor(
    private readonly transcript: Transcript,
    private readonly spec: Spec,
    rule: Rule,
    private readonly stream: Stream,
  ) {
    this.spotter = new Spotter(rule, spec.labels);
    stream.reset();
    this.restart();
  }

  async make(call: Call, where: string): Promise<void> {
    if (call.call === "step") return this.step(call, where);
    if (call.call === "hear" || call.call === "deafen") {
      const stream = listening(this.stream);
      if (call.call === "deafen") return stream.deafen();
      const samples = samplesOf(this.transcript.seed, call.sound, call.first, call.samples);
      return stream.hear(samples, call.time, call.rate);
    }
    if (call.call === "save") this.saved = await this.stream.save();
    else {
      if (call.call === "reset") this.stream.reset();
      else this.stream.restore(this.saved!);
      this.restart();
    }
    await this.compareStates(call.states, where);
  }

  compareEvents(where: string, expected: Event | undefined, event: Detection | null, allowed: number): void {
    const same = expected === undefined || event === null
      ? expected === undefined && event === null
      : expected.label === event.label && expected.timestamp === event.timestamp
        && Math.abs(expected.score - event.score) <= allowed;
    if (!same) this.differ(`${where}: ${JSON.stringify(event)}, expected ${JSON.stringify(expected ?? null)}`);
  }

  /** Compare samples of the states after the last call. */
  async compareSamples(): Promise<void> {
    const states = await this.stream.states();
    for (const [name, expected] of Object.entries(this.transcript.samples)) {
      const values = sample(states[name]!);
      if (expected.length !== values.length) this.differ(`state ${name} has another size`);
      const error = relativeError(values, expected);
      if (!(error <= this.transcript.bounds.states)) this.differ(`state ${name} differs by ${error} standard deviations`);
    }
  }

  finish(): Replay {
    const { result, transcript } = this;
    result.error = Math.sqrt(this.squares.reduce((sum, square) => sum + square, 0) / this.squares.length);
    if (!(result.error <= transcript.bounds.logits)) result.differences.unshift(`the logits differ by ${result.error}`);
    return result;
  }

  private async step(call: Step, where: string): Promise<void> {
    const { result, spec } = this;
    const due = call.time === null || this.pacer === null || this.pacer.isDue(call.time);
    const prediction = due ? await this.stream.step(picture(this.transcript.seed, call), call.time) : null;
    this.answered ||= prediction !== null;
    const answer = prediction ? "fresh" : this.answered ? "repeated" : "none";
    if (answer !== call.answer) return this.differ(`${where}: the answer is ${answer}, expected ${call.answer}`);
    if (prediction && "heard" in prediction) this.heard = prediction.heard as Hearing;
    if (this.answered && this.heard !== call.heard) this.differ(`${where}: heard ${this.heard}, expected ${call.heard}`);
    if (this.answered && this.heard) result.heard.push(this.heard);
    if (!prediction) return;
    const expected = unpack(call.logits!);
    if (expected.length !== spec.labels.length) return this.differ(`${where}: ${expected.length} logits`);
    result.fresh += 1;
    result.equalLogits += Number(expected.every((value, index) => value === prediction.logits[index]));
    result.equalLabels += Number(largest(prediction.logits) === call.index);
    for (const [index, value] of expected.entries()) this.squares.push((value - prediction.logits[index]!) ** 2);
    const event = call.time === null ? null : this.spotter.feed(prediction.logits, call.time);
    this.compareEvents(where, call.event, event, Math.max(SCORE_ERROR, this.transcript.bounds.logits));
    result.equalStates += Number(await this.compareStates(call.states!, where));
  }

  /** Return whether the states have the expected hash. The frames of a clip artifact must have it. */
  private async compareStates(expected: string, where: string): Promise<boolean> {
    const equal = (await this.hash()) === expected;
    if (!equal && this.spec.hop !== null) this.differ(`${where}: other frames are kept`);
    return equal;
  }

  private async hash(): Promise<string> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    const { states, ring } = await this.stream.save();
    for (const { name } of this.spec.states) parts.push(new Uint8Array(states[name]!.slice().buffer));
    if (ring) {
      parts.push(Uint8Array.from(ring.frames));
      parts.push(new Uint8Array(new BigUint64Array([BigInt(ring.count)]).buffer));
    }
    const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
    return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  private restart(): void {
    this.pacer = this.spec.frame_spacing === null ? null : new Pacer(this.spec.frame_spacing);
    this.answered = false;
    this.heard = undefined;
    this.spotter.reset();
  }

  private differ(text: string): void {
    this.result.differences.push(text);
  }
}

/** Make a picture: coloured cells, whose bytes are those of "Golden bytes" in docs/reference/frames.md. */
export function picture(seed: number, { picture: number, height, width }: Omit<Step, "call" | "time" | "answer">): Picture {
  const pixels = new Uint8Array(height * width * 3);
  for (let y = 0, place = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const cell = ROW * Math.floor((CELLS * y) / height) + Math.floor((CELLS * x) / width) + number;
      for (let channel = 0; channel < 3; channel++, place++) pixels[place] = goldenByte(seed + 3 * cell + channel);
    }
  }
  return { pixels, width, height, channels: 3 };
}

function unpack(text: string): Float32Array {
  return new Float32Array(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer);
}
