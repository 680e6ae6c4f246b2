/** Brings a row's model and batches into the processes. */
import { filesOf, folder } from './arena.mjs';
import { imageFile } from './images.mjs';

const fitBatches = 4;

/** The batches of a fit, the first of which is the one that is timed, and others for the comparison of scores. */
export function inputsOf({ batch, side }, checkedSamples) {
  const made = (count, seed) => Array.from({ length: count }, (_, i) => imageFile(folder, batch, side, seed + i));
  return { fit: made(fitBatches, 1), checked: made(Math.ceil(checkedSamples / batch), 1001) };
}

/**
 * Loads a row into all processes, the detectors with steepnesses under which scores differ.
 * @returns what each mode has chosen
 */
export async function loadRow({ peer, ours, onnx }, row, { fit, checked }) {
  const inputs = [...fit, ...checked];
  const { alpha } = await steepness(ours[0].child, row, inputs);
  await loadInto(peer, row, inputs, { alpha });
  if (onnx) await loadInto(onnx, row, inputs);
  const plans = {};
  for (const { mode, child } of ours) plans[mode.name] = (await loadInto(child, row, inputs, { alpha })).plan;
  return plans;
}

/** Loads a row into one process; `options` are the detector's beside the row's own. */
export async function loadInto(child, { model, layers, mBins }, inputs, options = {}) {
  await child.ask('read', { inputs });
  return child.ask('load', { model, files: filesOf(model), options: { layers, mBins, ...options } });
}

async function steepness(child, row, inputs) {
  await loadInto(child, row, inputs);
  return child.ask('steepness', { file: inputs[0].file });
}
