/** Makes pages and pictures of what an evaluation has recorded. */
import { choice } from '../option-checks.js';
import { checkRecord } from './check-record.js';
import type { EvaluationRecord } from './evaluation-record.js';
import { escapeHtml } from './html.js';
import { writePage } from './page.js';
import { type PlotName, plotNames } from './plot-names.js';
import { plotSpec } from './plots.js';
import { fileTheme, pageTheme, type Theme, vegaConfig } from './themes.js';
import { compileSpec, drawSvg, type Spec, vegaScript } from './vega.js';

/**
 * The report of an evaluation: one HTML file with plots, tables and pictures that loads nothing.
 *
 * Needs the optional packages `vega` and `vega-lite`.
 *
 * @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`; NacueError `ERR_NACUE_DATA` for what is no record, `ERR_NACUE_OPTIONAL_DEPENDENCY`
 *
 * @example
 * fs.writeFileSync('report.html', await renderReport(JSON.parse(fs.readFileSync('eval.json', 'utf8'))));
 */
export async function renderReport(record: EvaluationRecord): Promise<string> {
  const checked = checkRecord(record);
  const vega = vegaScript();
  const specs = {} as Record<PlotName, Spec>;
  for (const name of plotNames) specs[name] = await compilePlot(checked, name, pageTheme);
  return writePage({ record: checked, specs, vega });
}

/**
 * One plot of the report as SVG, for a light ground.
 *
 * @param name `'histogram'`, `'roc'`, `'precision-recall'`, `'layers'` or `'coverage'`
 * @throws as {@link renderReport}; RangeError `ERR_NACUE_OUT_OF_RANGE` for another name
 */
export async function renderPlot(record: EvaluationRecord, name: PlotName): Promise<string> {
  const checked = checkRecord(record);
  const spec = await compilePlot(checked, choice('name', name, plotNames, plotNames[0]), fileTheme);
  const svg = await drawSvg(spec);
  return svg.replace('<svg', `<svg role="img" aria-label="${escapeHtml(String(spec.description))}"`);
}

function compilePlot(record: EvaluationRecord, name: PlotName, theme: Theme): Promise<Spec> {
  return compileSpec(plotSpec(name, record, theme), vegaConfig(theme));
}
