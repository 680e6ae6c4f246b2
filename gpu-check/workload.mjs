/** What is measured on the device, smaller where that is the CPU, and who takes part. */
import path from 'node:path';
import { startOurs, startPeer, threads } from '../bench/arena.mjs';
import { modes } from '../bench/workload.mjs';
import { root } from '../scripts/steps/project.mjs';

const stages = ['layer1', 'layer2', 'layer3', 'layer4'];

/** ResNet-50 at 224, the model of all figures. @returns a row as bench/workload.mjs has them */
export function resnet50(context, batch, changes = {}) {
  const size = context.cpu ? { side: 64, batch: Math.min(batch, 4) } : { side: 224, batch };
  return { model: 'resnet50', layers: stages, mBins: 50, call: 'predict', ...size, ...changes };
}

/** The modes of the benchmark on the device, where no bits are promised. */
export function modesOn({ device }) {
  return modes.map((mode) => ({ ...mode, isExact: false, options: { ...mode.options, device } }));
}

/** pytorch-ood on the device. */
export function startReference({ python, wheel, device }) {
  const program = path.join(root, 'gpu-check', 'reference.py');
  return startPeer(process.env, python, [program, wheel, device, String(threads)]);
}

/** An arena of bench/arena.mjs. */
export function startArena(context, wanted = modesOn(context)) {
  const ours = wanted.map((mode) => ({ mode, child: startOurs(process.env, mode) }));
  const peer = startReference(context);
  return {
    peer,
    ours,
    onnx: null,
    end: () => Promise.all([peer, ...ours.map(({ child }) => child)].map((child) => child.end())),
  };
}
