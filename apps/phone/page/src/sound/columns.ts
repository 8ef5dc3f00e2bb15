/** The columns of a sound that arrives in pieces, as `ColumnStream` in `edgeshift/sound/spectrogram.py`. */
import type { Analysis } from "./analysis";

export class ColumnStream {
  /** Number of samples since the beginning. */
  heard = 0;
  /** The samples of windows that are not complete. */
  private kept = new Float32Array(0);
  private next: number[] = [];

  constructor(private readonly analysis: Analysis) {
    this.reset();
  }

  /** Forget all samples. The next sample is sample 0. */
  reset(): void {
    this.heard = 0;
    this.kept = new Float32Array(0);
    this.next = this.analysis.channels.map(({ first }) => first);
  }

  /** Take the next samples, and return the columns that are complete now, for each channel. */
  feed(samples: Float32Array): Float32Array[][] {
    const { channels } = this.analysis;
    const begin = this.heard - this.kept.length; // sample number of the first kept sample
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    this.heard += samples.length;
    const found = channels.map((channel, index) => {
      const columns: Float32Array[] = [];
      const end = channel.complete(this.heard);
      for (let k = this.next[index]!; k < end; k++) {
        columns.push(this.analysis.column(all, channel, k * channel.hop - channel.lead - begin));
      }
      this.next[index] = end;
      return columns;
    });
    const starts = channels.map(({ hop, lead }, index) => this.next[index]! * hop - lead);
    this.kept = all.slice(Math.max(Math.min(...starts) - begin, 0));
    return found;
  }
}
