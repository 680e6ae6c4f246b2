/**
 * Partial folders: where a LibTorch grows before one rename makes it complete.
 *
 * Each lies beside its target, as `TARGET.partial-HOST-PID-START-RANDOM`, and belongs to the process it names; START
 * tells two processes with one PID apart. What a dead process of this host has left is adopted by one rename: of several
 * who try, one gets it. PID 0 owns what was given up.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A partial folder of this process. */
export interface Partial {
  dir: string;
  /** What is fetched; all that outlives an interruption. */
  downloads: string;
  /** For the temporary files of other programs, on the same disk. */
  temporary: string;
  /** What will become the target. */
  files: string;
}

const nobody = 0;

/** Adopts what an interrupted install of `target` has left, or begins anew. The folder above must be there. */
export function claimPartial(target: string): Partial {
  const adopted = abandonedPartials(target).flatMap((abandoned) =>
    renameIfThere(abandoned, newName(target, process.pid)),
  );
  const [dir = newName(target, process.pid), ...others] = adopted;
  others.forEach(removeFolder);
  const downloads = path.join(dir, 'downloads');
  const temporary = path.join(dir, 'tmp');
  const files = path.join(dir, 'files');
  removeFolder(temporary);
  removeFolder(files);
  for (const folder of [downloads, temporary, files]) fs.mkdirSync(folder, { recursive: true });
  return { dir, downloads, temporary, files };
}

/** After a failure: leaves what was fetched to the next install of the same target. */
export function abandonPartial(partial: Partial, target: string): void {
  removeFolder(partial.files);
  removeFolder(partial.temporary);
  const isEmpty = !fs.existsSync(partial.downloads) || fs.readdirSync(partial.downloads).length === 0;
  if (isEmpty) removeFolder(partial.dir);
  else fs.renameSync(partial.dir, abandonedName(target));
}

export function removeFolder(dir: string): void {
  fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}

/** A name that {@link abandonedPartials} finds. */
export function abandonedName(target: string): string {
  return newName(target, nobody);
}

/** The partial folders of `target` that no process of this host works on any more; those of other hosts are theirs. */
export function abandonedPartials(target: string): string[] {
  const prefix = `${path.basename(target)}.partial-${hostName()}-`;
  return fs
    .readdirSync(path.dirname(target))
    .filter((name) => {
      const owner = name.startsWith(prefix) && name.slice(prefix.length).match(/^(\d+)-(\d+)-[0-9a-f]+$/);
      return owner && startOf(Number(owner[1])) !== owner[2];
    })
    .map((name) => path.join(path.dirname(target), name));
}

function newName(target: string, pid: number): string {
  return `${target}.partial-${hostName()}-${pid}-${startOf(pid) ?? 0}-${randomBytes(4).toString('hex')}`;
}

/** Another install may have taken it first. */
function renameIfThere(from: string, to: string): string[] {
  try {
    fs.renameSync(from, to);
    return [to];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function hostName(): string {
  return os.hostname().replace(/[^\w.]/g, '_');
}

/** When a process was started, in the kernel's own unit; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  const file = `/proc/${pid}/stat`;
  if (pid === nobody || !fs.existsSync(file)) return undefined;
  // The name of the program, in parentheses, may hold anything; the start time is field 22, the name field 2.
  return fs.readFileSync(file, 'utf8').split(')').at(-1)?.trim().split(' ')[19];
}
