import fs from 'node:fs';
import os from 'node:os';
import { megabytes } from '../byte-size.js';
import { ok, warning } from './check.js';
import type { Check, CpuFacts, MemoryFacts } from './diagnosis.js';

const cpuFile = '/proc/cpuinfo';
const notableFeatures = ['avx2', 'avx512f', 'avx512_bf16', 'amx_bf16'];
// What LibTorch asks of a CPU before it takes the kernels compiled for it.
const avx512Features = ['avx512f', 'avx512dq', 'avx512bw', 'avx512vl', 'fma'];
const avx2Features = ['avx2', 'fma'];
// LibTorch alone takes about a quarter of a GB.
const fewBytes = 5e8;

export function cpuFacts(): CpuFacts {
  const flags = cpuFlags();
  const hasAll = (features: readonly string[]) => features.every((feature) => flags.has(feature));
  return {
    model: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    features: notableFeatures.filter((feature) => flags.has(feature)),
    kernels: hasAll(avx512Features) ? 'AVX-512' : hasAll(avx2Features) ? 'AVX2' : 'plain',
  };
}

export function memoryFacts(): MemoryFacts {
  const limit = process.constrainedMemory();
  // Without a limit some kernels report an enormous one.
  const totalBytes = limit > 0 ? Math.min(limit, os.totalmem()) : os.totalmem();
  return { totalBytes, availableBytes: Math.min(process.availableMemory(), totalBytes) };
}

export function machineChecks(cpu: CpuFacts, { totalBytes, availableBytes }: MemoryFacts): Check[] {
  const topic = 'CPU and memory';
  return [
    ok(topic, 'CPU', cpu.model),
    ok(topic, 'cores', `${cpu.cores} for this process`),
    ok(topic, 'features', cpu.features.join(', ') || 'none of note'),
    kernelCheck(cpu),
    memoryCheck(availableBytes, totalBytes),
  ];
}

function memoryCheck(availableBytes: number, totalBytes: number): Check {
  const topic = 'CPU and memory';
  // What Node.js says where it cannot tell, as without /proc.
  if (availableBytes === 0) return ok(topic, 'memory', `${megabytes(totalBytes)}, an unknown part of it available`);
  const memory = `${megabytes(availableBytes)} of ${megabytes(totalBytes)} available`;
  return availableBytes < fewBytes
    ? warning(topic, 'memory', memory, 'give this process more memory: LibTorch alone takes a quarter of a GB')
    : ok(topic, 'memory', memory);
}

function kernelCheck({ kernels }: CpuFacts): Check {
  const topic = 'CPU and memory';
  if (kernels !== 'plain' || process.arch !== 'x64') return ok(topic, 'kernels', `LibTorch uses ${kernels} ones`);
  if (!fs.existsSync(cpuFile)) return ok(topic, 'kernels', `unknown: there is no ${cpuFile}`);
  return warning(
    topic,
    'kernels',
    'LibTorch uses plain ones, which are slow',
    'use a CPU, or a virtual one, with AVX2',
  );
}

function cpuFlags(): Set<string> {
  if (!fs.existsSync(cpuFile)) return new Set();
  const flags = fs.readFileSync(cpuFile, 'utf8').match(/^(?:flags|Features)\s*: (.*)$/m)?.[1] ?? '';
  return new Set(flags.split(' '));
}
