/** What is compared with pytorch-ood or with the exact mode, as Markdown for the terminal and for docs/benchmarks.md. */
import { askedCell, megabytes, milliseconds, table, timeCell } from './cells.mjs';

const bounds = { aurocDifference: 0.003, spearman: 0.995, eightOverFourLayers: 1.1 };

/** Times and ratios of the rows. */
export function speedTable(rows, rates) {
  const modes = Object.keys(rows[0].ratios);
  const hasOnnx = 'onnxruntime' in rows[0].times;
  const titles = ['work', 'pytorch-ood', ...modes, ...modes.map((mode) => `ratio, ${mode}`), 'forward alone'];
  if (hasOnnx) titles.push('ONNX Runtime, forward alone');
  return table(
    [...titles, 'least, float32', 'least, bfloat16'],
    rows.map(({ title, times, ratios, asked, operations }) => [
      title,
      timeCell(times.peer),
      ...modes.map((mode) => timeCell(times[mode])),
      ...modes.map((mode) => ratioCell(ratios[mode], asked[mode])),
      timeCell(times.forward),
      ...(hasOnnx ? [timeCell(times.onnxruntime)] : []),
      ...Object.values(leastMs(operations, rates)).map(milliseconds),
    ]),
  );
}

/** In milliseconds, by type: a row's operations over what this machine does of them per second in large matrix products. */
function leastMs({ forward, backward }, rates) {
  const inMs = ([type, rate]) => [type, (1e3 * (forward + backward)) / rate];
  return Object.fromEntries(Object.entries(rates).map(inMs));
}

/** What the columns of `least` are made of. */
export function rooflineLine(rows, rates) {
  const [{ title, operations }] = rows;
  const [float32, bfloat16] = [rates.float32, rates.bfloat16].map(giga);
  return (
    `Matrix products run at ${float32} GFLOP/s in float32 and ${bfloat16} in bfloat16; "least" is a row's operations at that rate. ` +
    `${title}: ${giga(operations.forward)} GFLOP forward, ${giga(operations.backward)} backward to the earliest layer.`
  );
}

/** What each mode has chosen; empty where none says. */
export function planLines(rows) {
  return rows.flatMap(({ name, plans }) =>
    Object.entries(plans)
      .filter(([, plan]) => plan !== undefined)
      .map(([mode, plan]) => `${name}, ${mode}: ${JSON.stringify(plan)}`),
  );
}

/** How far the scores of each mode are from pytorch-ood's. */
export function agreementTable(rows) {
  return table(
    ['work', 'mode', 'samples', 'scores', 'Spearman', 'largest difference'],
    rows.flatMap(({ title, agreement }) =>
      Object.entries(agreement).map(([mode, { samples, equal, spearman, maxDifference }]) => [
        title,
        mode,
        samples,
        equal ? 'equal bit for bit' : 'close',
        spearman.toFixed(5),
        maxDifference.toPrecision(2),
      ]),
    ),
  );
}

/** AUROC by set of the demo; the first mode is the exact one. */
export function demoTable(demo) {
  const [exact, ...others] = Object.keys(demo);
  const difference = (mode, set) => Math.abs(demo[mode][set] - demo[exact][set]);
  return table(
    ['demo, AUROC', exact, ...others.flatMap((mode) => [mode, `difference, at most ${bounds.aurocDifference}`])],
    Object.keys(demo[exact]).map((set) => [
      set,
      demo[exact][set].toFixed(4),
      ...others.flatMap((mode) => [
        demo[mode][set].toFixed(4),
        askedCell(difference(mode, set).toFixed(4), difference(mode, set) <= bounds.aurocDifference),
      ]),
    ]),
  );
}

/** Scores of each mode beside those of the exact one, by net; those of `float64` are no mode's. */
export function netsTable(nets) {
  return table(
    ['net', 'mode', 'samples', `Spearman, at least ${bounds.spearman}`, 'of float64', 'largest difference'],
    nets.flatMap(({ name, deviations: { float64, ...modes } }) =>
      Object.entries(modes)
        .slice(1)
        .map(([mode, { samples, spearman, maxDifference }]) => [
          name,
          mode,
          samples,
          askedCell(spearman.toFixed(5), spearman >= bounds.spearman),
          float64.spearman.toFixed(5),
          maxDifference.toPrecision(2),
        ]),
    ),
  );
}

export function costTable({ name, points }) {
  const modes = Object.keys(points[0].ratios);
  return table(
    [name, 'pytorch-ood', ...modes, ...modes.map((mode) => `ratio, ${mode}`), 'forward alone'],
    points.map(({ value, times, ratios }) => [
      value,
      timeCell(times.peer),
      ...modes.map((mode) => timeCell(times[mode])),
      ...modes.map((mode) => ratioCell(ratios[mode])),
      timeCell(times.forward),
    ]),
  );
}

/** What more layers cost: 8 of them over 4, from the costs by layers. */
export function layerCostLine(costs) {
  const { points } = costs.find(({ name }) => name === 'layers');
  const timesOf = (count) => points.find(({ value }) => value === count).times;
  const asked = bounds.eightOverFourLayers;
  const ratios = Object.keys(points[0].ratios).map((mode) => {
    const ratio = timesOf(8)[mode].medianMs / timesOf(4)[mode].medianMs;
    return `${mode} ${askedCell(ratio.toFixed(2), ratio <= asked)}`;
  });
  return `8 layers over 4, at most ${asked.toFixed(2)}: ${ratios.join(', ')}.`;
}

export function memoryTable(rows) {
  return table(
    ['work', 'who', 'loaded', 'more at the peak', 'of pytorch-ood', 'asked for'],
    rows.flatMap(({ title, peaks, shares, asked }) =>
      Object.entries(peaks).map(([name, { loaded, extra }]) => [
        title,
        name === 'peer' ? 'pytorch-ood' : name,
        megabytes(loaded),
        megabytes(extra),
        shares[name]?.toFixed(2) ?? '',
        name === 'peer' ? '' : askedMemory(asked, extra, shares[name]),
      ]),
    ),
  );
}

function askedMemory({ share, bytes }, extra, ownShare) {
  return bytes === undefined
    ? askedCell(`at most ${share}`, ownShare <= share)
    : askedCell(`at most ${megabytes(bytes)}`, extra <= bytes);
}

/** Where the time of a predict goes. */
export function profileTable(title, stages) {
  return table(
    [title, 'ms', 'share'],
    stages.map(({ stage, ms, share }) => [stage, ms.toFixed(2), `${(100 * share).toFixed(1)} %`]),
  );
}

function ratioCell(ratio, asked) {
  if (asked === undefined) return ratio.toFixed(2);
  return `${ratio.toFixed(2)} (${askedCell(`asked: ${asked}`, ratio >= asked)})`;
}

function giga(value) {
  return value >= 1e11 ? Math.round(value / 1e9) : (value / 1e9).toPrecision(3);
}
