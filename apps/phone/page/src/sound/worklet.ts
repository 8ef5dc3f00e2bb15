/** Runs in the browser's audio thread: sends the microphone's samples to the page in pieces, and keeps none of them. */

/** What the audio thread has. TypeScript's types lack it. */
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

/** Samples of a piece: 21 ms at 48,000 samples per second. */
const LENGTH = 1024;

class Listener extends AudioWorkletProcessor {
  private piece = new Float32Array(LENGTH);
  private filled = 0;

  /** Take the next samples of the only input. Its output stays silent. Returns true, so that it is called again. */
  process([input]: Float32Array[][]): boolean {
    for (const sample of input?.[0] ?? []) {
      this.piece[this.filled++] = sample;
      if (this.filled < LENGTH) continue;
      this.port.postMessage(this.piece, [this.piece.buffer]);
      this.piece = new Float32Array(LENGTH);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("listener", Listener);
