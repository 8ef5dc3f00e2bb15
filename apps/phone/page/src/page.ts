/** The elements of the page, by their ids, and what is written into them. Text only, never markup. */
import { oneLine } from "./line";

export function element<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}

/** One line on how things are. */
export function status(text: string, bad = false): void {
  const line = element("status");
  line.textContent = text;
  line.classList.toggle("bad", bad);
}

/** What went wrong, for whoever holds the phone, in one line that the server takes as well. */
export function words(error: unknown): string {
  if (!(error instanceof Error)) return oneLine(String(error));
  if (error.name === "NotAllowedError") return "the camera was refused: allow it for this page, and start again";
  if (error.name === "NotFoundError") return "there is no camera here";
  return oneLine(error.message);
}

export type Fact = [name: string, value: string, kind?: "good" | "bad" | "big"];

/** Names and values into a description list. */
export function facts(id: string, rows: Fact[]): void {
  element(id).replaceChildren(
    ...rows.flatMap(([name, value, kind]) => {
      const value_ = node("dd", value);
      if (kind) value_.classList.add(kind);
      return [node("dt", name), value_];
    }),
  );
}

/** A table: the first row is its head. */
export function table(id: string, rows: string[][]): void {
  const made = document.createElement("table");
  made.append(
    ...rows.map((row, index) => {
      const line = document.createElement("tr");
      line.append(...row.map((cell) => node(index === 0 ? "th" : "td", cell)));
      return line;
    }),
  );
  element(id).replaceChildren(...(rows.length > 1 ? [made] : []));
}

export function node(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

/** Microseconds as milliseconds; "-" where there are too few samples to say. */
export function milliseconds(microseconds: number | null): string {
  return microseconds === null ? "-" : `${(microseconds / 1e3).toFixed(microseconds < 1e4 ? 2 : 1)} ms`;
}
