/** Counts and scores of the parity mode beside those of pytorch-ood on the same device. */
import { compareScores } from '../bench/agreement.mjs';
import { inputsOf, loadRow } from '../bench/loading.mjs';
import { modesOn, resnet50, startArena } from './workload.mjs';

const most = { entries: 1e-4, score: 1e-3 };
const blocks = ['layer1.0', 'layer1', 'layer2.0', 'layer2', 'layer3.0', 'layer3', 'layer4.0', 'layer4'];

export function checks(context) {
  const rows = [
    { ...resnet50(context, 16), title: 'ResNet-50, 4 layers' },
    { ...resnet50(context, 7, { model: 'resnet18', layers: blocks, mBins: 200 }), title: 'ResNet-18, 8 layers, M 200' },
  ];
  return rows.map((row) => ({ name: `${row.title}, batch ${row.batch}`, run: () => compareRow(context, row) }));
}

async function compareRow(context, row) {
  const arena = startArena(context, modesOn(context).slice(0, 1));
  const [{ mode, child }] = arena.ours;
  try {
    const inputs = inputsOf(row, context.cpu ? row.batch : 64);
    await loadRow(arena, row, inputs);
    const files = inputs.fit.map(({ file }) => file);
    for (const process of [arena.peer, child]) await process.ask('fit', { files });
    const reference = countsIn(await arena.peer.ask('counts'));
    const entries = differingEntries(reference, countsIn(await child.ask('counts', { layers: row.layers })));
    const agreement = await compareScores(
      arena,
      inputs.checked.map(({ file }) => file),
    );
    return verdict(entries, agreement[mode.name], reference.length);
  } finally {
    await arena.end();
  }
}

function verdict(entries, { samples, maxDifference, equal }, total) {
  return {
    measured: `${entries} of ${total} counts differ; ${samples} scores by at most ${maxDifference.toPrecision(2)}${equal ? ', bit for bit' : ''}`,
    asked: `at most ${most.entries} of the counts, scores within ${most.score}`,
    isMet: entries <= most.entries * total && maxDifference <= most.score,
    values: { entries, total, samples, maxDifference, equal },
  };
}

/** The counts of all layers, one after the other. */
function countsIn({ counts }) {
  const { buffer, byteOffset, byteLength } = Buffer.concat(counts.map((layer) => Buffer.from(layer, 'base64')));
  return new BigInt64Array(buffer.slice(byteOffset, byteOffset + byteLength));
}

function differingEntries(reference, counts) {
  if (reference.length !== counts.length)
    throw new Error(`pytorch-ood has ${reference.length} counts, nacue ${counts.length}`);
  return reference.reduce((sum, count, i) => sum + Number(count !== counts[i]), 0);
}
