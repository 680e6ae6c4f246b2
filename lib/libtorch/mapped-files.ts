/** The files that are mapped into this process: its program, its libraries. */
import fs from 'node:fs';

export interface MappedFile {
  /** As it was called when it was opened; the file may be another one by now. */
  file: string;
  inode: number;
  /** The file was removed or replaced since. */
  isGone: boolean;
}

const list = '/proc/self/maps';

/** Empty where there is no /proc. */
export function mappedFiles(): MappedFile[] {
  if (!fs.existsSync(list)) return [];
  const files = new Map<string, MappedFile>();
  for (const [, inode, name = ''] of fs.readFileSync(list, 'utf8').matchAll(/^\S+ \S+ \S+ \S+ (\d+) +(\/.*)$/gm)) {
    const file = name.replace(/ \(deleted\)$/, '');
    files.set(name, { file, inode: Number(inode), isGone: file !== name });
  }
  return [...files.values()];
}
