/** Folders as interrupted installs leave them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export const host = os.hostname().replace(/[^\w.]/g, '_');
export const namespace = fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '');
/** When this process was started, as the names of its partial folders have it. */
export const ownStart = fs.readFileSync('/proc/self/stat', 'utf8').split(')').at(-1)?.trim().split(' ')[19] ?? '';

/** The name of a partial folder of `target` that nobody works on any more. */
export function abandoned(target: string): string {
  return `${target}.partial-${host}-${namespace}-0-0-abcd`;
}

/** Makes a partial folder with three bytes in it, and returns its path. */
export function leave(parent: string, name: string, { daysAgo = 0 } = {}): string {
  const dir = path.join(parent, name);
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(path.join(dir, 'x'), 'abc');
  const time = Date.now() / 1000 - daysAgo * 24 * 3600;
  fs.utimesSync(dir, time, time);
  return dir;
}
