/** Characters of a line, as the server counts them (`posted.py`), and those that it takes in none (`PRINTABLE`). */
const MOST = 512;
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g;

/** One line that the server takes, of whatever a browser says. */
export function oneLine(text: string): string {
  const clean = text.replace(UNPRINTABLE, " ").replace(/\p{Surrogate}/gu, "?").trim();
  const characters = Array.from(clean); // not halves of them
  return characters.length > MOST ? `${characters.slice(0, MOST - 1).join("")}…` : clean;
}
