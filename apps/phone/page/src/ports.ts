/** What is written twice, here and in Python: for the tests that hold the two against each other. Not in the page. */
export { readArtifact } from "./artifact";
export { checkFrames } from "./cells";
export { Fitter } from "./fit";
export { oneLine } from "./line";
export { Pacer } from "./pacer";
export { Spotter } from "./rule";
export { p, settled } from "./quantiles";
