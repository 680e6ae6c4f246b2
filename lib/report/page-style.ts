/** The style sheet of the page: light or dark as the reader prefers, light on paper. */
import { cssVariables } from './themes.js';

export const pageStyle = `
:root { color-scheme: light dark; ${cssVariables('light')} --page: #ffffff; --panel: #f4f6f8; --muted: #545d68; --link: #0b57a4; }
@media (prefers-color-scheme: dark) {
  :root { ${cssVariables('dark')} --page: #15181c; --panel: #1e2329; --muted: #a3acb7; --link: #8ec5ff; }
}
@media print {
  :root { color-scheme: light; ${cssVariables('light')} --page: #ffffff; --panel: #ffffff; --muted: #545d68; --link: #0b57a4; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
header, main, footer { max-width: 66rem; margin: 0 auto; padding: 0 1rem; }
h1 { margin: 1.5rem 0 0; line-height: 1.2; }
h2 { margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--grid); }
h3 { margin: 1.5rem 0 .5rem; }
a { color: var(--link); }
p { max-width: 46rem; }
.muted { color: var(--muted); margin: .25rem 0; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: 1rem; background: var(--page); padding: .5rem; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
.scroll { overflow-x: auto; overflow-wrap: normal; }
table { border-collapse: collapse; margin: .5rem 0; }
caption { text-align: left; color: var(--muted); padding-bottom: .25rem; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid var(--grid); vertical-align: top; }
thead th, th.score { white-space: nowrap; }
th.score { font-weight: 400; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
td.text { overflow-wrap: anywhere; }
tr.own > .score, tr.own > [data-metric] { background: var(--panel); font-weight: 600; }
figure { margin: .5rem 0; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
#plot-coverage .mark-rect path { shape-rendering: crispEdges; }
.vega-bindings { margin: .25rem 0; }
select { font: inherit; }
.samples { display: flex; flex-wrap: wrap; gap: .75rem; padding: 0; margin: 0; list-style: none; }
.samples li { width: 8.5rem; background: var(--panel); padding: .5rem; font-size: .8rem; line-height: 1.35; overflow-wrap: anywhere; break-inside: avoid; }
.samples img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; background: #808080; margin-bottom: .25rem; }
footer { margin: 3rem auto 2rem; }
@media print {
  @page { margin: 15mm 12mm; }
  body { font-size: 10pt; }
  nav, .skip, .vega-bindings, details:not([open]) { display: none; }
  header, main, footer { padding: 0; }
  figure, tr, p, h2, h3 { break-inside: avoid; }
  p, h2, h3, caption { break-after: avoid; }
  .samples { gap: .5rem; }
  .samples li { width: 6.8rem; padding: .25rem; font-size: .75rem; }
  .scroll { overflow: visible; }
  .scroll svg { max-width: 100%; height: auto; }
}
`;
