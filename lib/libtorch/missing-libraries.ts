/** Which of the libraries that a library needs are nowhere, as far as files tell: the dynamic linker has the last word. */
import fs from 'node:fs';
import path from 'node:path';
import { readElf } from './elf.js';
import { mappedFiles } from './mapped-files.js';

const cacheFile = '/etc/ld.so.cache';
const systemFolders = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];

/** The sonames, in the order of the library's list; empty when it is damaged or lacks nothing. */
export function missingLibraries(file: string): string[] {
  const elf = fs.existsSync(file) ? readElf(file) : null;
  if (!elf) return [];
  const folders = [
    ...elf.searchPath,
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean),
    ...systemFolders,
  ];
  const open = new Set(mappedFiles().map(({ file }) => path.basename(file)));
  const known = fs.existsSync(cacheFile) ? fs.readFileSync(cacheFile, 'latin1') : '';
  return elf.needed.filter(
    (name) =>
      !open.has(name) &&
      !known.includes(`${name}\0`) &&
      !folders.some((folder) => fs.existsSync(path.join(folder, name))),
  );
}
