/** Chooses the kind of stream that an artifact needs. */
import type { Engine } from "./engine";
import { SoundClipStream } from "./sound-clip-stream";
import { SoundStream } from "./sound-stream";
import type { Spec } from "./spec";
import { Stream } from "./stream";

/** A stream that takes sounds. */
export type ListeningStream = SoundStream | SoundClipStream;

export function openStream(engine: Engine, spec: Spec): Stream | ListeningStream {
  if (!spec.sound) return new Stream(engine, spec);
  return spec.hop === null ? new SoundStream(engine, spec) : new SoundClipStream(engine, spec);
}

/** Return the stream as one that takes sounds. Throws an error if the network has no sound segment. */
export function listening(stream: Stream | ListeningStream): ListeningStream {
  if (stream instanceof SoundStream || stream instanceof SoundClipStream) return stream;
  throw new Error("the network has no sound segment");
}
