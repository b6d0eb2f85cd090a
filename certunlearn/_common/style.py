"""The style sheet of a page: screen, light and dark, and print."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1c2126; --muted: #59626c; --line: #d9dee3; --wash: #f5f7f9;
  --holds: #005a9c; --holds-wash: #eef5fb; --not: #a63f00; --not-wash: #fdf3ec;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --ink: #e4e8ec; --muted: #a0a9b2; --line: #343b43; --wash: #1b2026;
    --holds: #74b9f5; --holds-wash: #16232f; --not: #ffa366; --not-wash: #2c2019;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink); font-size: 1.0625rem; line-height: 1.55;
  font-family: Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, serif;
  font-variant-numeric: lining-nums; overflow-wrap: break-word;
}
main { max-width: 58rem; margin: 0 auto; padding: 3.5rem 1.5rem 4rem; }
h1, h2, dt, thead, figure, .verdict, .warning {
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif;
}
h1 { margin: 0 0 0.75rem; font-size: 2.1rem; line-height: 1.15; letter-spacing: -0.015em; }
h2 { margin: 0 0 0.75rem; font-size: 1.15rem; line-height: 1.3; }
p { margin: 0 0 0.8rem; max-width: 40rem; }
ul { margin: 0; padding-left: 1.15rem; max-width: 40rem; }
li { margin-bottom: 0.45rem; }
section { margin-top: 2.75rem; }
.verdict { margin-bottom: 1.5rem; color: var(--holds); font-size: 1.25rem; line-height: 1.4;
  max-width: none;
}
.void { color: var(--not); font-weight: 600; }
.warning {
  padding: 0.8rem 1.1rem; border: 2px solid var(--not); color: var(--not); font-weight: 600;
  line-height: 1.45; max-width: none; margin-bottom: 1.5rem;
}
dl { margin: 0; border-bottom: 1px solid var(--line); }
dl div {
  display: grid; grid-template-columns: 14rem 1fr; column-gap: 1rem; padding: 0.4rem 0;
  border-top: 1px solid var(--line);
}
dt { color: var(--muted); font-size: 0.92rem; line-height: 1.75; }
dd { margin: 0; min-width: 0; }
.caveat { margin: 0 0 1.5rem; padding: 0.9rem 1.2rem 0.2rem; border-left: 5px solid var(--not);
  background: var(--not-wash);
}
.caveat h2 { margin-bottom: 0.3rem; color: var(--not); font-size: 1.05rem; }
.caveat p { max-width: none; margin-bottom: 0.7rem; }
.caveat p + p { font-weight: 600; }
.answers { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); }
.answers div { display: block; padding-right: 1rem; }
.answers .wide { grid-column: 1 / -1; }
.answers dt { line-height: 1.4; font-size: 0.85rem; }
.digest { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: 0.85rem;
}
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; margin-top: 2.75rem; }
.pair section { margin: 0; padding: 1.2rem 1.4rem; border-top: 4px solid; }
.pair section:only-child { grid-column: 1 / -1; }
.pair .holds { border-color: var(--holds); background: var(--holds-wash); }
.pair .not { border-color: var(--not); background: var(--not-wash); }
.holds h2 { color: var(--holds); }
.not h2 { color: var(--not); }
.pair :last-child { margin-bottom: 0; }
.drawn { display: grid; grid-template-columns: 24rem 1fr; column-gap: 2rem; }
.drawn h2 { grid-column: 1 / -1; }
figure { margin: 0; }
.drawing svg { max-width: 100%; background: #fff; border-radius: 6px; }
svg { display: block; width: 100%; max-width: 24rem; height: auto; }
svg text { fill: var(--muted); font-size: 12.5px; }
svg .grid { stroke: var(--line); stroke-width: 1; fill: none; }
svg .gain { fill: var(--holds); fill-opacity: 0.16; }
svg polyline.best { fill: none; stroke: var(--holds); stroke-width: 2.5; stroke-linejoin: round; }
svg path.guess { stroke: var(--muted); stroke-width: 1.5; stroke-dasharray: 5 4; }
svg text.best { fill: var(--holds); font-weight: 600; font-size: 13px; }
svg text.best tspan { font-weight: 400; }
table {
  width: 100%; margin-bottom: 1rem; border-collapse: collapse; font-size: 0.98rem;
  line-height: 1.35;
}
th, td { padding: 0.55rem 0 0.55rem 1rem; text-align: right; vertical-align: baseline; }
thead th { vertical-align: bottom; }
th:first-child { padding-left: 0; text-align: left; font-weight: 400; }
thead th { color: var(--muted); font-weight: 400; font-size: 0.85rem; }
tbody tr { border-top: 1px solid var(--line); }
td { font-variant-numeric: lining-nums tabular-nums; white-space: nowrap; }
td + td { color: var(--holds); font-weight: 700; }
table.words th, table.words td { text-align: left; vertical-align: baseline; padding-left: 0;
  padding-right: 1.25rem; white-space: normal; color: inherit; font-weight: 400;
}
table.words tbody th, table.words td:last-child { line-height: 1.45; }
table.words tbody th { width: 11rem; color: var(--muted); }
table.words td { width: 9rem; font-weight: 600; }
table.words td:last-child { width: auto; padding-right: 0; font-weight: 400; }
pre {
  margin: 0; padding: 0.9rem 1.1rem; background: var(--wash); white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: 0.75rem; line-height: 1.5;
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media screen and (max-width: 52rem) {
  main { padding-top: 2rem; }
  .pair, .drawn, dl div { grid-template-columns: minmax(0, 1fr); }
  .answers { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .drawn figure { margin-bottom: 1.25rem; }
}
@media print {
  @page { margin: 18mm; }
  html { font-size: 9pt; }
  body { line-height: 1.4; }
  main { max-width: none; padding: 0; }
  section, .pair { margin-top: 1.6rem; }
  .pair { grid-template-columns: 1fr 1fr; }
  .drawn { grid-template-columns: 7.5cm 1fr; }
  dl div { padding: 0.2rem 0; }
  .pair section, .caveat, .drawn, dl div, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
  .pair section, .caveat, pre, svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
