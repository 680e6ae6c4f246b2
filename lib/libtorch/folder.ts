/** Reads what LibTorch a folder holds: its version, and whether its libraries are for this system. Opens nothing. */
import fs from 'node:fs';
import path from 'node:path';
import { machineOf, readElf } from './elf.js';

/** `foreign` says for what other system it is. */
export type Folder = { dir: string; version: string; foreign: string | null } | { problem: string };

/** What LibTorch's libraries are called here, in the order in which they are opened. */
export const libraries = { core: libraryName('c10'), cpu: libraryName('torch_cpu'), cuda: libraryName('torch_cuda') };

const versionHeaders = ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h'];

/** Takes the folder with lib/, or the one above torch/: a pip --target or site-packages folder. */
export function inspectFolder(folder: string): Folder {
  if (!fs.existsSync(folder)) return { problem: 'no such folder' };
  const library = (dir: string) => path.join(dir, 'lib', libraries.cpu);
  const dir = [folder, path.join(folder, 'torch')].find((candidate) => fs.existsSync(library(candidate)));
  if (!dir) return { problem: `holds neither lib/${libraries.cpu} nor torch/lib/${libraries.cpu}` };
  const version = readVersion(dir);
  if (!version) return { problem: `${dir} does not say its version (version.py, build-version, version.h)` };
  return { dir, version, foreign: foreignLibrary(library(dir)) };
}

function libraryName(name: string): string {
  return `lib${name}.${process.platform === 'darwin' ? 'dylib' : 'so'}`;
}

function readVersion(dir: string): string | undefined {
  const python = readIfThere(path.join(dir, 'version.py'))?.match(/^__version__ = '(\d+\.\d+[^']*)'/m)?.[1];
  if (python) return python;
  const plain = readIfThere(path.join(dir, 'build-version'))?.trim();
  if (plain && /^\d+\.\d+/.test(plain)) return plain;
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
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined;
}

/** What does not look like ELF at all is left to the dynamic linker, which says best what is wrong with it. */
function foreignLibrary(file: string): string | null {
  const elf = readElf(file);
  if (!elf || machineOf(elf) === process.arch) return null;
  return `${file} is a ${elf.bits}-bit library for ${machineOf(elf)}, this is Node.js for ${process.arch}`;
}
