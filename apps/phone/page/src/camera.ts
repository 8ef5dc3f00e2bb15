/** Opens the phone's camera, reports each new frame, and reads its pixels. */
import type { FrameSpec } from "./spec";

/** Aspect ratio (width / height) to which an upright picture is cut. */
const WIDE = 4 / 3;

export class Camera {
  private stream: MediaStream | null = null;
  private readonly canvas = document.createElement("canvas");
  private readonly context = this.canvas.getContext("2d", { willReadFrequently: true })!;
  private callback = 0;
  /** Counts starts and stops. A camera that opens only after it was stopped is released. */
  private generation = 0;
  facing: "user" | "environment" = "user";
  mirrored = false;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly fit: FrameSpec["fit"],
  ) {}

  /** Whether the camera is open but sends no picture, for example because another app uses it. */
  get muted(): boolean {
    return this.track?.muted ?? false;
  }

  /**
   * Open the camera and show it. Returns false if it was stopped in the meantime.
   *
   * `onFrame` is called with the time of each frame in seconds, `onMuteChange` when `muted` changes, and `onEnded`
   * when the camera ends by itself.
   */
  async start(onFrame: (time: number) => void, onMuteChange: () => void, onEnded: () => void): Promise<boolean> {
    const generation = ++this.generation;
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("this browser gives this page no camera: open the page over HTTPS, or over HTTP on localhost");
    }
    const video = { facingMode: this.facing, width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video });
    if (generation !== this.generation) {
      for (const track of stream.getTracks()) track.stop();
      return false;
    }
    this.stream = this.video.srcObject = stream;
    await this.video.play();
    if (generation !== this.generation) return false;
    Object.assign(this.track!, { onended: onEnded, onmute: onMuteChange, onunmute: onMuteChange });
    // The front camera is mirrored, for the user and for the network: "left" is where the user's left hand is.
    this.mirror(this.track?.getSettings().facingMode === "user");
    const region = this.region();
    this.video.classList.toggle("cut", region.height < this.video.videoHeight);
    this.video.style.aspectRatio = `${region.width} / ${region.height}`;
    const frameCallback = (now: number): void => {
      if (generation !== this.generation) return;
      this.requestFrame(frameCallback);
      onFrame(now / 1e3);
    };
    this.requestFrame(frameCallback);
    return true;
  }

  /** Play the video again after a pause, because browsers may have stopped it. */
  resume(): void {
    void this.video.play().catch(() => undefined);
  }

  stop(): void {
    this.generation += 1;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
    if ("cancelVideoFrameCallback" in this.video) this.video.cancelVideoFrameCallback(this.callback);
  }

  mirror(mirrored: boolean): void {
    this.mirrored = mirrored;
    this.video.classList.toggle("mirrored", mirrored);
  }

  /** Read the RGBA pixels of the newest frame, in the camera's own resolution. */
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

  /**
   * Return the part of the picture that the network gets, in pixels. A network that squashes frames was trained on wide
   * pictures, so an upright picture is cut to its middle, with the aspect ratio of a phone that is held sideways.
   */
  private region() {
    const { videoWidth: width, videoHeight } = this.video;
    if (this.fit === "crop" || videoHeight <= width) return { x: 0, y: 0, width, height: videoHeight };
    const height = Math.round(width / WIDE);
    return { x: 0, y: (videoHeight - height) >> 1, width, height };
  }

  private requestFrame(callback: (now: number) => void): void {
    if ("requestVideoFrameCallback" in this.video) this.callback = this.video.requestVideoFrameCallback(callback);
    else requestAnimationFrame(callback);
  }
}
