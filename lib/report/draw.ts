/** render.ts, read at the first use: the package loads without it. */
import { choice } from '../option-checks.js';
import { checkRecord } from './check-record.js';
import type { EvaluationRecord } from './evaluation-record.js';
import { escapeHtml } from './html.js';
import { writePage } from './page.js';
import { type PlotName, plotNames } from './plot-names.js';
import { plotSpec } from './plots.js';
import { fileTheme, pageTheme, type Theme, vegaConfig } from './themes.js';
import { compileSpec, drawSvg, type Spec, vegaScript } from './vega.js';

export async function drawReport(record: EvaluationRecord): Promise<string> {
  const checked = checkRecord(record);
  const vega = vegaScript();
  const specs = {} as Record<PlotName, Spec>;
  for (const name of plotNames) specs[name] = await compilePlot(checked, name, pageTheme);
  return writePage({ record: checked, specs, vega });
}

export async function drawPlot(record: EvaluationRecord, name: PlotName): Promise<string> {
  const checked = checkRecord(record);
  const spec = await compilePlot(checked, choice('name', name, plotNames, plotNames[0]), fileTheme);
  const svg = await drawSvg(spec);
  return svg.replace('<svg', `<svg role="img" aria-label="${escapeHtml(String(spec.description))}"`);
}

function compilePlot(record: EvaluationRecord, name: PlotName, theme: Theme): Promise<Spec> {
  return compileSpec(plotSpec(name, record, theme), vegaConfig(theme));
}
