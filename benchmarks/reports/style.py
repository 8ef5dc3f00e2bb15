"""The style of a page: light and dark, wide and narrow, on screen and on paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --ink: #1b1d22; --muted: #575b65; --grid: #dcdee3;
  --good: #1c6e3d; --bad: #b3261e;
  --series-0: #2563b4; --series-1: #b4540a; --series-2: #1e7d4f; --series-3: #9a3a86; --series-4: #0d7680;
  --series-5: #7a5c10;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141519; --card: #1b1d22; --ink: #eceded; --muted: #a9adb7; --grid: #3a3d45;
    --good: #6fd08f; --bad: #ff8a80;
    --series-0: #7db0f7; --series-1: #f0a35e; --series-2: #62cb96; --series-3: #dd8fcb; --series-4: #5cc6cf;
    --series-5: #d2b45f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.25rem 1rem 3rem; max-width: 72rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 0 .75rem; padding-top: 1rem; border-top: 2px solid var(--grid); }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
section { margin-top: 2rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.25rem; }
a { color: var(--series-0); }
.muted, caption, figcaption, footer { color: var(--muted); font-size: .9rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.side > * { min-width: 0; }
.side {
  display: grid; align-items: start; gap: 0 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr));
}
.scroll { overflow-x: auto; margin: .75rem 0; }
.scroll:focus-visible { outline: 2px solid var(--series-0); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
caption { text-align: left; padding: .25rem 0; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top; }
thead th { border-bottom: 1px solid var(--muted); vertical-align: bottom; font-weight: 600; }
tbody tr + tr > * { border-top: 1px solid var(--grid); }
tbody th { font-weight: 500; }
.number { text-align: right; }
.scroll td { white-space: nowrap; }
.scroll thead .number:not(:first-child) { min-width: 4.5rem; }
.scroll th { max-width: 18rem; overflow-wrap: break-word; }
.facts { width: 100%; margin: .5rem 0; }
.facts th { color: var(--muted); font-weight: 400; white-space: nowrap; width: 8rem; }
.facts td { padding-right: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; max-width: 36rem; }
figure.wide { max-width: 60rem; overflow-x: auto; }
figure.wide svg { min-width: 44rem; }
svg { display: block; width: 100%; height: auto; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
svg text { font-family: inherit; }
summary { cursor: pointer; color: var(--muted); margin: .5rem 0; }
footer { margin-top: 3rem; border-top: 1px solid var(--grid); padding-top: .75rem; }
@media (max-width: 40rem) { body { padding: .75rem .75rem 2rem; } .facts th { width: 6.5rem; } }
@media print { body { max-width: none; } section, figure { break-inside: avoid; } }
"""
