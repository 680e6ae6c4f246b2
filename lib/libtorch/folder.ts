/** Reads what LibTorch a folder holds: its version, and whether its libraries are for this system. Opens nothing. */
import fs from 'node:fs';
import path from 'node:path';
import { type Elf, machineOf, readElf } from './elf.js';

/** `unusable` says what is wrong with its libraries: for another system, cut. */
export type Folder = { dir: string; version: string; unusable: string | null } | { problem: string };

/** What LibTorch's libraries are called here, in the order in which they are opened. */
export const libraries = { core: libraryName('c10'), cpu: libraryName('torch_cpu'), cuda: libraryName('torch_cuda') };

const versionForm = /^\d+\.\d+\.\d+[\w.+-]*$/;
const mostTextBytes = 2 ** 16;
const versionHeaders = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];

/** Takes the folder with lib/, or the one above torch/: a pip --target or site-packages folder. Throws what the file system says. */
export function inspectFolder(folder: string): Folder {
  if (!fs.statSync(folder, { throwIfNoEntry: false })) return { problem: 'no such folder' };
  const library = (dir: string) => path.join(dir, 'lib', libraries.cpu);
  const dir = [folder, path.join(folder, 'torch')].find((candidate) => fs.existsSync(library(candidate)));
  if (!dir) return { problem: `holds neither lib/${libraries.cpu} nor torch/lib/${libraries.cpu}` };
  const version = readVersion(dir);
  if (!version) return { problem: `${dir} does not say its version (version.py, build-version, version.h)` };
  const opened = [libraries.core, libraries.cpu].map((name) => path.join(dir, 'lib', name));
  return { dir, version, unusable: firstProblem(opened, problemWithin) };
}

/** What is wrong with a library that is opened, or with one it needs, where that lies among LibTorch's own. */
function problemWithin(file: string): string | null {
  const { elf, problem } = readLibrary(file);
  if (problem !== null || !elf) return problem;
  const needed = elf.searchPath.flatMap((folder) => elf.needed.map((name) => path.join(folder, name)));
  return firstProblem(needed, libraryProblem);
}

function firstProblem(files: readonly string[], problemOf: (file: string) => string | null): string | null {
  for (const file of files) {
    const problem = problemOf(file);
    if (problem !== null) return problem;
  }
  return null;
}

function libraryName(name: string): string {
  return `lib${name}.${process.platform === 'darwin' ? 'dylib' : 'so'}`;
}

function readVersion(dir: string): string | undefined {
  const python = readIfThere(path.join(dir, 'version.py'))?.match(/^__version__ = '([^'\n]*)'/m)?.[1];
  if (python !== undefined && versionForm.test(python)) return python;
  const plain = readIfThere(path.join(dir, 'build-version'))?.trim();
  if (plain !== undefined && versionForm.test(plain)) return plain;
  for (const header of versionHeaders) {
    const text = readIfThere(path.join(dir, 'include', header)) ?? '';
    const parts = ['MAJOR', 'MINOR', 'PATCH'].map((part) =>
      text.match(new RegExp(`TORCH_VERSION_${part} (\\d+)`))?.at(1),
    );
    if (parts.every((part) => part !== undefined)) return parts.join('.');
  }
  return undefined;
}

function readIfThere(file: string): string | undefined {
  // A pipe would be waited for, a device may have no end.
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  return stats?.isFile() && stats.size <= mostTextBytes ? fs.readFileSync(file, 'utf8') : undefined;
}

/** What is wrong with a library, as far as its file tells. */
export function libraryProblem(file: string): string | null {
  return readLibrary(file).problem;
}

/** What is not there or does not look like ELF is left to the dynamic linker, which says best what is wrong with it. */
function readLibrary(file: string): { elf: Elf | null; problem: string | null } {
  const stats = fs.statSync(file, { throwIfNoEntry: false });
  if (!stats) return { elf: null, problem: null };
  if (!stats.isFile()) return { elf: null, problem: `${file} is no file` };
  const elf = readElf(file);
  return { elf, problem: elf && misfit(file, stats.size, elf) };
}

function misfit(file: string, size: number, elf: Elf): string | null {
  const isOurs = elf.bits === 64 && machineOf(elf) === process.arch;
  if (!isOurs) {
    return `${file} is a ${elf.bits}-bit library for ${machineOf(elf)}, this is Node.js for ${process.arch}`;
  }
  // The dynamic linker would map it as it is; the first look at what is missing then ends the process.
  return size < elf.size ? `${file} is cut: it has ${size} bytes of ${elf.size}` : null;
}
