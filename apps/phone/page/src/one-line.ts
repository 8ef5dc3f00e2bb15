/** Most characters of a text that the server accepts, and the characters that it refuses (`messages.py`). */
const LIMIT = 512;
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g;

/** Turn any text of the browser into one line that the server accepts. */
export function oneLine(text: string): string {
  const clean = text.replace(UNPRINTABLE, " ").replace(/\p{Surrogate}/gu, "?").trim();
  const characters = Array.from(clean); // one entry per character; `length` would count some characters twice
  return characters.length > LIMIT ? `${characters.slice(0, LIMIT - 1).join("")}…` : clean;
}
