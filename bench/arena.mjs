/** The processes that are compared: all live for the whole run, and only one of them works at a time. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { outputOf, run } from '../scripts/steps/command.mjs';
import {
  buildForParityEnvironment,
  parityPython,
  provideParityEnvironment,
} from '../scripts/steps/parity_environment.mjs';
import { root, say } from '../scripts/steps/project.mjs';
import { fingerprint, isFresh, writeStamp } from '../scripts/steps/stamp.mjs';
import { Child } from './child.mjs';

/** What every process computes with. */
export const threads = 2;
export const folder = path.join(root, 'build', 'bench');
const program = (name) => path.join(root, 'bench', name);

/** The environment of every process: the LibTorch of pytorch-ood's Python. */
export async function prepare() {
  provideParityEnvironment();
  const env = { ...process.env, NACUE_LIBTORCH: await buildForParityEnvironment() };
  exportModels(env, []);
  return env;
}

/**
 * Starts all that are compared; `onnx` is null where its packages are not there. An arena may have `peerVariants` too, contestants
 * `{ name, values }` that are the peer with other values in its requests.
 */
export function startArena(env, modes) {
  const onnx = hasOnnx(env) ? startOnnx(env) : null;
  const ours = modes.map((mode) => ({ mode, child: startOurs(env, mode) }));
  const peer = startPeer(env);
  const all = [peer, ...ours.map(({ child }) => child), ...(onnx ? [onnx] : [])];
  return { peer, ours, onnx, end: () => Promise.all(all.map((child) => child.end())) };
}

/** @param {string} script the program, for one that is not asked for what `ours.mjs` answers */
export function startOurs(env, { name, options }, script = 'ours.mjs') {
  const args = [program(script), JSON.stringify(options), String(threads)];
  return new Child(`nacue, ${name}`, process.execPath, args, env);
}

/** A process that answers what measurements.mjs does. */
export function startMeasurement(env, name) {
  return new Child(name, process.execPath, [program('measurements.mjs')], env);
}

/** @param {string[]} args a program that answers what peer.py does, and its arguments */
export function startPeer(env, python = parityPython, args = [program('peer.py'), String(threads)]) {
  return new Child('pytorch-ood', python, args, env);
}

/** Answers what peer.py does, of the nets of deviation.mjs. */
export function startFloat64Peer(env) {
  const args = [program('float64_peer.py'), String(threads)];
  return startPeer({ ...env, PYTHONDONTWRITEBYTECODE: '1' }, parityPython, args);
}

function startOnnx(env) {
  return new Child('ONNX Runtime', process.execPath, [program('onnxruntime.mjs'), String(threads)], env);
}

/** The files of a model, for whoever loads it. */
export function filesOf(model) {
  const file = (ending) => path.join(folder, `${model}.${ending}`);
  return { torchscript: file('pt'), weights: file('weights.pt'), onnx: file('onnx') };
}

/** ONNX Runtime takes 290 MB and is no dependency; this yardstick is measured where it and Python's onnx are installed. */
function hasOnnx(env) {
  try {
    createRequire(import.meta.url).resolve('onnxruntime-node');
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    say('onnxruntime', 'left out: `npm install --no-save onnxruntime-node` adds it');
    return false;
  }
  if (outputOf(parityPython, ['-c', 'import onnx']) === null) {
    say('onnxruntime', `left out: \`${path.relative(root, parityPython)} -m pip install onnx\` adds it`);
    return false;
  }
  exportModels(env, ['--onnx']);
  return true;
}

function exportModels(env, options) {
  exportOnce(env, 'export_models.py', [folder, ...options], ['test/parity/requirements.txt']);
}

/** The nets of deviation.mjs. @returns the folder that holds them and their `index.json` */
export function exportDeviationNets(env) {
  const into = path.join(folder, 'deviation');
  const sources = ['case', 'cases', 'networks', 'run'].map((name) => `test/parity/reference/${name}.py`);
  exportOnce(env, 'export_deviation_nets.py', [into], [...sources, 'test/parity/requirements.txt']);
  return into;
}

/** Runs a Python program that writes models, unless it, its arguments and `inputs` are those of the last time. */
function exportOnce(env, script, args, inputs) {
  const stamp = path.join(folder, `.${script}${args.slice(1).join('')}`);
  const current = fingerprint([`bench/${script}`, ...inputs], args);
  if (isFresh(stamp, current)) return;
  say('models', `running ${script} ${args.slice(1).join(' ')}`);
  run(parityPython, [program(script), ...args], { env: { ...env, PYTHONDONTWRITEBYTECODE: '1' } });
  writeStamp(stamp, current);
}
