/** What `nacue doctor` finds, as plain data. */
import type { Binary } from '../addon/binaries.js';
import type { LibTorch, LibTorchSearch } from '../libtorch/search.js';

export type Status = 'ok' | 'warning' | 'problem';

export const topics = ['system', 'LibTorch', 'binaries', 'CUDA', 'CPU and memory', 'environment', 'self-test'] as const;

/** One row of the report. With a problem nothing can be scored, with a warning not everything or slowly. */
export interface Check {
  topic: (typeof topics)[number];
  name: string;
  status: Status;
  value: string;
  /** What to do about it; null when the status is `ok`. */
  fix: string | null;
}

export interface Diagnosis {
  /** There is no problem among the checks. */
  canScore: boolean;
  /** One sentence, or what failed and the ways to fix it. */
  verdict: string;
  nacue: { version: string; dir: string | null };
  system: SystemFacts;
  libtorch: LibTorchSearch;
  binaries: BinaryFacts;
  cuda: CudaFacts;
  cpu: CpuFacts;
  memory: MemoryFacts;
  /** The variables that are set and matter to nacue; passwords in addresses are masked. */
  environment: Record<string, string>;
  selfTest: SelfTest;
  checks: Check[];
}

export interface SystemFacts {
  node: string;
  /** The oldest Node.js that this nacue runs on. */
  oldestNode: string;
  platform: string;
  arch: string;
  cLibrary: 'glibc' | 'musl' | null;
  /** Of glibc. */
  cLibraryVersion: string | null;
}

export interface BinaryFacts {
  available: Binary[];
  /** The one for the LibTorch that was found. */
  chosen: Binary | null;
  /** Why there are none, when a place that was named has none. */
  failure: string | null;
}

export interface CudaFacts {
  driver: string | null;
  /** As nvidia-smi names them. */
  devices: readonly string[];
  /** Whether the LibTorch that was found has a CUDA part. */
  inLibtorch: boolean;
}

export interface CpuFacts {
  model: string;
  /** What this process may use; a container's limit counts. */
  cores: number;
  /** Of those that make a difference to LibTorch, the ones this CPU has. */
  features: readonly string[];
  /** The kernels that LibTorch takes for it. */
  kernels: 'AVX-512' | 'AVX2' | 'plain';
}

export interface MemoryFacts {
  totalBytes: number;
  availableBytes: number;
}

export interface Failure {
  /** Of nacue or Node.js; null when the process did not live to tell. */
  code: string | null;
  message: string;
  detail: string | null;
}

/** A real model, fitted and scored in a process of its own. */
export interface SelfTest {
  passed: boolean;
  /** What that process really opened. */
  libtorch: LibTorch | null;
  binary: Binary | null;
  /** Why CUDA cannot be used; null when it can be, or LibTorch was not opened. */
  cudaProblem: string | null;
  openMs: number | null;
  createMs: number | null;
  /** Fit and score together. */
  scoreMs: number | null;
  failure: Failure | null;
}

/** Before anything has been tried. */
export const untested: SelfTest = {
  passed: false,
  libtorch: null,
  binary: null,
  cudaProblem: null,
  openMs: null,
  createMs: null,
  scoreMs: null,
  failure: null,
};
