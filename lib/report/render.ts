/** Makes pages and pictures of what an evaluation has recorded; draw.ts does, and is not read before. */
import type { EvaluationRecord } from './evaluation-record.js';
import type { PlotName } from './plot-names.js';

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
  const { drawReport } = await import('./draw.js');
  return drawReport(record);
}

/**
 * One plot of the report as SVG, for a light ground.
 *
 * @param name `'histogram'`, `'roc'`, `'precision-recall'`, `'layers'` or `'coverage'`
 * @throws as {@link renderReport}; RangeError `ERR_NACUE_OUT_OF_RANGE` for another name
 */
export async function renderPlot(record: EvaluationRecord, name: PlotName): Promise<string> {
  const { drawPlot } = await import('./draw.js');
  return drawPlot(record, name);
}
