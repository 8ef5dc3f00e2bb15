/** The code that exists in Python as well. The tests compare both; the page does not contain this module. */
export { readArtifact } from "./artifact";
export { Fitter } from "./fit";
export { oneLine } from "./one-line";
export { Pacer } from "./pacer";
export { percentile } from "./percentiles";
export { checkFrames } from "./selfcheck";
export { Spotter } from "./spotter";
