/** Finds and fills the elements of the page. Only text is written into them, never markup. */
import { oneLine } from "./one-line";

export function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

export function newElement(tag: string, content: string | HTMLElement[], className = ""): HTMLElement {
  const created = document.createElement(tag);
  created.append(...(typeof content === "string" ? [content] : content));
  created.className = className;
  return created;
}

/** Show one line about what the page is doing. */
export function showStatus(text: string, bad = false): void {
  element("status").textContent = text;
  element("status").classList.toggle("bad", bad);
}

/** Describe an error in one line, for the user and for the server. `device`: what was being opened. */
export function errorText(error: unknown, device: "camera" | "microphone" = "camera"): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  if (error.name === "NotAllowedError") return `the ${device} is not allowed: allow it for this page, and start it again`;
  if (error.name === "NotFoundError") return `this device has no ${device}`;
  if (error.name === "NotReadableError") return `the ${device} cannot be opened: another app may be using it`;
  return oneLine(error.message);
}

/** A row of a list. The CSS class highlights the value. */
export type ListRow = [name: string, value: string, className?: "good" | "bad" | "big" | ""];

export function showList(id: string, rows: ListRow[]): void {
  element(id).replaceChildren(
    ...rows.flatMap(([name, value, className]) => [newElement("dt", name), newElement("dd", value, className)]),
  );
}

/** Show a table, or remove it if there are no rows. */
export function showTable(id: string, heading: string[], rows: string[][]): void {
  const row = (tag: string, cells: string[]) => newElement("tr", cells.map((cell) => newElement(tag, cell)));
  const table = newElement("table", [row("th", heading), ...rows.map((cells) => row("td", cells))]);
  element(id).replaceChildren(...(rows.length ? [table] : []));
}
