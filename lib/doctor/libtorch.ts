import { type Binary, findBinaries } from '../addon/binaries.js';
import { NacueError } from '../errors.js';
import type { LibTorch, LibTorchSearch } from '../libtorch/search.js';
import { buildCommand, installCommand } from '../package.js';
import { ok, problem } from './check.js';
import type { BinaryFacts, Check } from './diagnosis.js';

export function availableBinaries(): Pick<BinaryFacts, 'available' | 'failure'> {
  try {
    return { available: findBinaries(), failure: null };
  } catch (error) {
    if (error instanceof NacueError) return { available: [], failure: error.message };
    throw error;
  }
}

export function chooseBinary(available: readonly Binary[], libtorch: LibTorch | null): Binary | null {
  return available.find(({ minor }) => minor === libtorch?.minor) ?? null;
}

export function libtorchChecks({ found, candidates }: LibTorchSearch): Check[] {
  const places = candidates.map(({ place, libtorch, rejected }) =>
    ok('LibTorch', place, rejected ?? `LibTorch ${libtorch?.version}`),
  );
  if (found) return [...places, ok('LibTorch', 'chosen', `${found.version} in ${found.dir}, the first that fits`)];
  const isThere = candidates.some(({ libtorch }) => libtorch !== null);
  const fix = isThere ? `${installCommand()}, or ${buildCommand()} for the LibTorch that is there` : installCommand();
  return [...places, problem('LibTorch', 'chosen', 'none', fix)];
}

export function binaryChecks({ available, chosen, failure }: BinaryFacts): Check[] {
  if (failure !== null) {
    const firstLine = failure.split('\n')[0] ?? '';
    return [problem('binaries', 'NACUE_PREBUILD', firstLine, 'unset NACUE_PREBUILD, or correct it')];
  }
  const all = available.map(({ minor, addon }) => ok('binaries', `for LibTorch ${minor}`, addon));
  if (available.length === 0) return [problem('binaries', 'chosen', 'there are none for this system', buildCommand())];
  if (chosen === null) return all;
  return [...all, ok('binaries', 'chosen', `the one for LibTorch ${chosen.minor}`)];
}
