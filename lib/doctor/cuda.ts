import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { libraries } from '../libtorch/folder.js';
import type { LibTorch } from '../libtorch/search.js';
import { ok, warning } from './check.js';
import type { Check, CudaFacts, SelfTest } from './diagnosis.js';

const driverFile = '/proc/driver/nvidia/version';
const smiTimeoutMs = 20_000;

interface Device {
  title: string;
  driver: string | undefined;
}

export function cudaFacts(libtorch: LibTorch | null): CudaFacts {
  const devices = listDevices();
  // Under WSL there is no such file.
  const driver = fs.existsSync(driverFile) ? driverVersion(fs.readFileSync(driverFile, 'utf8')) : devices[0]?.driver;
  return {
    driver: driver ?? null,
    devices: devices.map(({ title }) => title),
    inLibtorch: libtorch !== null && fs.existsSync(path.join(libtorch.dir, 'lib', libraries.cuda)),
  };
}

/** No NVIDIA device is nothing to complain of; one that cannot be used is. */
export function cudaChecks({ driver, devices, inLibtorch }: CudaFacts, { libtorch, cudaProblem }: SelfTest): Check[] {
  if (driver === null) return [ok('CUDA', 'driver', 'no NVIDIA driver: the CPU is used')];
  const checks = [
    ok('CUDA', 'driver', driver),
    ...devices.map((device, i) => ok('CUDA', `device ${i}`, device)),
    ok('CUDA', 'in LibTorch', inLibtorch ? 'yes' : 'no'),
  ];
  if (libtorch === null) return checks;
  const usable =
    cudaProblem === null
      ? ok('CUDA', 'usable', 'yes')
      : warning('CUDA', 'usable', cudaProblem, 'run `npx nacue libtorch install --cuda`, or leave it: the CPU is used');
  return [...checks, usable];
}

/** Reads the kernel module's description of itself. */
export function driverVersion(text: string): string {
  return text.match(/^NVRM version:.*?(\d+\.\d+(?:\.\d+)?)/m)?.[1] ?? 'of unknown version';
}

/** Empty where there is no nvidia-smi, or no device that works. */
function listDevices(): Device[] {
  const query = ['--query-gpu=driver_version,name,memory.total,compute_cap', '--format=csv,noheader'];
  const run = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: smiTimeoutMs, killSignal: 'SIGKILL' });
  if (run.status !== 0) return [];
  const lines = run.stdout.trim().split('\n').filter(Boolean);
  return lines.map((line) => {
    const [driver, ...description] = line.split(', ');
    return { driver, title: description.join(', ') };
  });
}
