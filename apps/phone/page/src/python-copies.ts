/** The code that also exists in Python. Tests compare both versions; the page does not contain this module. */
export { readArtifact } from "./artifact";
export { Engine, startRuntime } from "./engine";
export { Fitter } from "./fit";
export { oneLine } from "./one-line";
export { Pacer } from "./pacer";
export { percentile } from "./percentiles";
export { Ring } from "./ring";
export { checkFrames, compareRuns } from "./selfcheck";
export { Spotter } from "./spotter";
export { Stream } from "./stream";
export { picture, replayTranscript } from "./transcript";
