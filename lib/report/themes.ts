/** How plots look. The colours of marks are those of Okabe and Ito, which colour-blind readers can tell apart. */
import type { Spec } from './vega.js';

export interface Theme {
  text: string;
  grid: string;
  background: string;
  /** The paper behind a plot is `background`; ID samples, OOD samples, the threshold. */
  id: string;
  ood: string;
  threshold: string;
  /** In the order NAC-UE, max-softmax, energy, max-logit. */
  scores: readonly string[];
}

const blue = '#0072b2';
const skyBlue = '#56b4e9';
const vermilion = '#d55e00';
const orange = '#e69f00';
const green = '#009e73';
const purple = '#cc79a7';

const light: Theme = {
  text: '#1b1f24',
  grid: '#d5d9de',
  background: '#ffffff',
  id: blue,
  ood: vermilion,
  threshold: '#1b1f24',
  scores: [blue, vermilion, green, purple],
};

const dark: Theme = {
  text: '#e6e8eb',
  grid: '#3c434b',
  background: '#15181c',
  id: skyBlue,
  ood: orange,
  threshold: '#e6e8eb',
  scores: [skyBlue, orange, green, purple],
};

/** For a file of its own: light, on a white ground. */
export const fileTheme = light;

/** For a page: variables of its style sheet, which change with what the reader prefers. */
export const pageTheme: Theme = {
  text: 'var(--text)',
  grid: 'var(--grid)',
  background: 'transparent',
  id: 'var(--id)',
  ood: 'var(--ood)',
  threshold: 'var(--threshold)',
  scores: light.scores.map((_, i) => `var(--score-${i})`),
};

/** The variables that {@link pageTheme} names, as declarations of CSS. */
export function cssVariables(scheme: 'light' | 'dark'): string {
  const { text, grid, background, id, ood, threshold, scores } = scheme === 'light' ? light : dark;
  const named = { text, grid, background, id, ood, threshold };
  return [
    ...Object.entries(named).map(([name, color]) => `--${name}: ${color};`),
    ...scores.map((color, i) => `--score-${i}: ${color};`),
  ].join(' ');
}

/** The `config` of Vega-Lite. */
export function vegaConfig({ text, grid, background }: Theme): Spec {
  const labels = { labelColor: text, titleColor: text, labelFontSize: 11, titleFontSize: 12, titleFontWeight: 500 };
  return {
    background,
    font: 'system-ui, sans-serif',
    mark: { aria: false }, // thousands of marks would be read out; the tables say the same
    axis: { ...labels, gridColor: grid, domainColor: grid, tickColor: grid },
    legend: { ...labels, symbolStrokeWidth: 3, labelLimit: 240 },
    header: { ...labels, labelFontSize: 12, labelFontWeight: 600, labelLimit: 240 },
    title: { color: text, fontSize: 12, fontWeight: 600, limit: 300 },
    view: { stroke: grid },
  };
}
