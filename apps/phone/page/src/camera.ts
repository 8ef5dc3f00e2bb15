/** The phone's camera: frames as they come, and their pixels. */
import type { Fit } from "./spec";

/** Width to height of the part that is used of a picture that stands upright. */
const WIDE = 4 / 3;

/** The part of a picture that the network gets to see. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/**
 * A network that squashes a whole picture was trained on wide ones: of an upright picture it gets the middle, as wide
 * as a camera held sideways would give it. All of every other.
 */
export function regionOf(width: number, height: number, fit: Fit["fit"]): Region {
  if (fit === "crop" || height <= width) return { x: 0, y: 0, width, height };
  const part = Math.round(width / WIDE);
  return { x: 0, y: (height - part) >> 1, width, height: part };
}

export class Camera {
  private stream: MediaStream | null = null;
  private readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d", { willReadFrequently: true })!;
  private handle = 0;
  /** Counts starts and stops: a camera that comes after it was stopped is let go. */
  private turn = 0;
  facing: "user" | "environment" = "user";
  mirrored = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly fit: Fit["fit"],
  ) {}

  /** It is there and gives no picture, as when another program has taken it for a while. */
  get silent(): boolean {
    return this.track?.muted ?? false;
  }

  /**
   * Ask for the camera and show it. False: it was stopped meanwhile.
   *
   * `see` is called for each of its frames, with the time in seconds; `changed` when it falls silent or speaks again;
   * `lost` when it ends by itself.
   */
  async start(see: (timestamp: number) => void, changed: () => void, lost: () => void): Promise<boolean> {
    const turn = ++this.turn;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("this browser gives no camera to this page: open it by https, or by http on localhost");
    }
    const video = { facingMode: this.facing, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
    if (turn !== this.turn) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.stream = this.video.srcObject = stream;
    await this.video.play();
    if (turn !== this.turn) return false;
    Object.assign(this.track!, { onended: lost, onmute: changed, onunmute: changed });
    // As in a mirror: "left" is where one's own left hand is. What the network sees is turned, too.
    this.mirror(this.track?.getSettings().facingMode === "user");
    const region = this.region();
    this.video.classList.toggle("cut", region.height < this.video.videoHeight);
    this.video.style.aspectRatio = `${region.width} / ${region.height}`;
    const look = (now: number): void => {
      if (turn !== this.turn) return;
      this.next(look);
      see(now / 1e3);
    };
    this.next(look);
    return true;
  }

  /** Go on after a pause, in which browsers stop videos. */
  again(): void {
    void this.video.play().catch(() => undefined);
  }

  stop(): void {
    this.turn += 1;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    if ("cancelVideoFrameCallback" in this.video) this.video.cancelVideoFrameCallback(this.handle);
  }

  mirror(mirrored: boolean): void {
    this.mirrored = mirrored;
    this.video.classList.toggle("mirrored", mirrored);
  }

  /** The pixels of the newest frame, RGBA, as large as the camera gives them. */
  grab(): ImageData {
    const { x, y, width, height } = this.region();
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    this.context.setTransform(this.mirrored ? -1 : 1, 0, 0, 1, this.mirrored ? width : 0, 0);
    this.context.drawImage(this.video, x, y, width, height, 0, 0, width, height);
    return this.context.getImageData(0, 0, width, height);
  }

  private get track(): MediaStreamTrack | undefined {
    return this.stream?.getVideoTracks()[0];
  }

  private region(): Region {
    return regionOf(this.video.videoWidth, this.video.videoHeight, this.fit);
  }

  private next(look: (now: number) => void): void {
    if ("requestVideoFrameCallback" in this.video) this.handle = this.video.requestVideoFrameCallback(look);
    else requestAnimationFrame(look);
  }
}
