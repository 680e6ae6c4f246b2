/** A release of two small wheels that pip takes for torch and its companion, and the table that pins them. */
import { createHash } from 'node:crypto';
import type { ReleaseTable, Wheel } from '../../dist/libtorch/releases.js';
import { plainFile, type ZipEntry, zip } from './zip.js';

export interface FakeRelease {
  table: ReleaseTable;
  /** By file name. */
  files: Map<string, Buffer>;
  torch: string;
  companion: string;
}

const executable = plainFile | 0o755;

/** `bulk` bytes that no compression shrinks make the torch wheel large. */
export function fakeRelease(bulk = 0): FakeRelease {
  const torch = wheel('torch', '2.11.0', 'cp312-cp312-manylinux_2_28_x86_64', [
    { name: 'torch/version.py', content: "__version__ = '2.11.0+cu130'\n" },
    { name: 'torch/__init__.py', content: '' },
    { name: 'torch/lib/libtorch_cpu.so', content: noise(bulk), mode: executable },
    { name: 'torch/lib/libc10.so', content: 'c10', mode: executable },
    { name: 'torch/lib/libtorch_cuda.so', content: 'cuda' },
    { name: 'torch/lib/libtorch_python.so', content: 'python' },
    { name: 'torch/bin/torch_shm_manager', content: '' },
    { name: 'torch/include/ATen/ATen.h', content: '' },
    { name: 'torch/testing/test.py', content: '' },
  ]);
  const runtime = wheel('nvidia-cuda-runtime', '13.0.96', 'py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64', [
    { name: 'nvidia/__init__.py', content: '' },
    { name: 'nvidia/cu13/lib/libcudart.so.13', content: 'cudart', mode: executable },
  ]);
  const blas = wheel('nvidia-cublas', '13.1.0.3', 'py3-none-manylinux_2_27_x86_64', [
    { name: 'nvidia/cu13/lib/libcublas.so.13', content: 'cublas', mode: executable },
  ]);
  const wheels = [torch, runtime, blas];
  const release = { cpu: [torch.file, runtime.file], cuda: [blas.file] };
  return {
    table: {
      releases: { [`${process.platform}-${process.arch}`]: { '2.11.0': release } },
      wheels: wheels.map(({ bytes: _, ...pinned }) => pinned),
    },
    files: new Map(wheels.map(({ file, bytes }) => [file, bytes])),
    torch: torch.file,
    companion: runtime.file,
  };
}

/** The same release, with one wheel's entry in the table changed. */
export function withWheel(release: FakeRelease, file: string, change: Partial<Wheel>): FakeRelease {
  const wheels = release.table.wheels.map((wheel) => (wheel.file === file ? { ...wheel, ...change } : wheel));
  return { ...release, table: { ...release.table, wheels } };
}

function wheel(project: string, version: string, tags: string, entries: ZipEntry[]): Wheel & { bytes: Buffer } {
  const name = project.replaceAll('-', '_');
  const info = `${name}-${version}.dist-info`;
  const bytes = zip([
    ...entries,
    { name: `${info}/METADATA`, content: `Metadata-Version: 2.1\nName: ${project}\nVersion: ${version}\n` },
    { name: `${info}/WHEEL`, content: 'Wheel-Version: 1.0\nRoot-Is-Purelib: false\n' },
    { name: `${info}/RECORD`, content: '' },
  ]);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const unpacked = { cpu: bytes.length, cuda: bytes.length };
  return { project, version, file: `${name}-${version}-${tags}.whl`, sha256, size: bytes.length, unpacked, bytes };
}

function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
