/**
 * Partial folders: where a LibTorch grows before one rename makes it complete.
 *
 * Each lies beside its target, as `TARGET.partial-HOST-NAMESPACE-PID-START-RANDOM`, and belongs to the process it
 * names; START tells two processes with one PID apart. What a dead process of this host and PID namespace has left is
 * adopted by one rename: of several who try, one gets it. PID 0 owns what was given up. Nobody can tell whether a
 * process elsewhere lives: its folder is removed when it is old, and never adopted.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isWritable } from './disk.js';

/** A partial folder of this process. */
export interface Partial {
  dir: string;
  /** The folder it lies in, which outlives it. */
  parent: string;
  /** What is fetched; all that outlives an interruption. */
  downloads: string;
  /** For the temporary files of other programs, on the same disk. */
  temporary: string;
  /** What will become the target. */
  files: string;
}

const nobody = 0;
const unknownStart = '0';
const oldMs = 24 * 3600 * 1000;
// How the rename of a folder that a lower layer of a container's image holds fails.
const oneLayerDown = 'EXDEV';
const namespaceLink = '/proc/self/ns/pid';

/** Adopts what an interrupted install of `target` has left, or begins anew. The folder above must be there. */
export function claimPartial(target: string): Partial {
  const adopted = partialsOf(target)
    .filter((dir) => isLeftHere(dir) && isWritable(dir))
    .flatMap((abandoned) => renameIfThere(abandoned, newName(target, process.pid)));
  const [dir = newName(target, process.pid), ...others] = adopted;
  others.forEach(removeFolder);
  removeLeftovers(target);
  const downloads = path.join(dir, 'downloads');
  const temporary = path.join(dir, 'tmp');
  const files = path.join(dir, 'files');
  removeFolder(temporary);
  removeFolder(files);
  for (const folder of [downloads, temporary, files]) fs.mkdirSync(folder, { recursive: true });
  return { dir, parent: path.dirname(dir), downloads, temporary, files };
}

/** After a failure: leaves what was fetched to the next install of the same target. */
export function abandonPartial(partial: Partial, target: string): void {
  removeFolder(partial.files);
  removeFolder(partial.temporary);
  const isEmpty = !fs.existsSync(partial.downloads) || fs.readdirSync(partial.downloads).length === 0;
  if (isEmpty) removeFolder(partial.dir);
  else fs.renameSync(partial.dir, abandonedName(target));
}

/** Removes the abandoned partial folders of `target` that this user may remove. */
export function removeLeftovers(target: string): void {
  if (isWritable(path.dirname(target))) abandonedPartials(target).filter(isWritable).forEach(removeFolder);
}

export function removeFolder(dir: string): void {
  fs.rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
}

/** Takes a folder from its place, if it is there; removes it where it may not be renamed. */
export function moveAway(from: string, to: string): void {
  try {
    fs.renameSync(from, to);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === oneLayerDown) removeFolder(from);
    else if (code !== 'ENOENT') throw error;
  }
}

/** A name that {@link abandonedPartials} finds. */
export function abandonedName(target: string): string {
  return newName(target, nobody);
}

/** The partial folders of `target` that no process works on any more. */
export function abandonedPartials(target: string): string[] {
  return partialsOf(target).filter((dir) => isLeftHere(dir) || isLeftElsewhere(dir));
}

/** The targets in a folder that have abandoned partial folders. */
export function abandonedTargets(parent: string): string[] {
  const targets = new Set(fs.readdirSync(parent).flatMap((name) => name.match(/^(.+)\.partial-/)?.[1] ?? []));
  return [...targets].filter((target) => abandonedPartials(path.join(parent, target)).length > 0);
}

function partialsOf(target: string): string[] {
  const parent = path.dirname(target);
  const names = fs.readdirSync(parent).filter((name) => name.startsWith(`${path.basename(target)}.partial-`));
  return names.map((name) => path.join(parent, name));
}

/** Of a process that would be seen from here, and is not. */
function isLeftHere(dir: string): boolean {
  const owner = ownerHere(dir);
  if (owner === undefined || owner.pid === nobody) return owner !== undefined;
  const start = startOf(owner.pid);
  return start === undefined || owner.start === unknownStart ? !isAlive(owner.pid) : start !== owner.start;
}

/** Also of another user; /proc may hide those, or not be there at all. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EPERM') return true;
    if (code === 'ESRCH') return false;
    throw error;
  }
}

function isLeftElsewhere(dir: string): boolean {
  const changed = fs.statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
  return ownerHere(dir) === undefined && Date.now() - changed > oldMs;
}

/** Undefined when it is a process of another host or PID namespace. */
function ownerHere(dir: string): { pid: number; start: string } | undefined {
  const owner = dir.slice(dir.lastIndexOf('.partial-') + '.partial-'.length);
  const [, pid, start] =
    (owner.startsWith(`${here()}-`) && owner.slice(here().length).match(/^-(\d+)-(\d+)-\w+$/)) || [];
  return pid === undefined || start === undefined ? undefined : { pid: Number(pid), start };
}

function newName(target: string, pid: number): string {
  return `${target}.partial-${here()}-${pid}-${startOf(pid) ?? unknownStart}-${randomBytes(4).toString('hex')}`;
}

/** Another install may have taken it first; what may not be renamed is removed with the other leftovers. */
function renameIfThere(from: string, to: string): string[] {
  try {
    fs.renameSync(from, to);
    return [to];
  } catch (error) {
    if (['ENOENT', oneLayerDown].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}

/** Where a PID means something: containers may have the host's name and PIDs of their own. */
function here(): string {
  const namespace = fs.existsSync(namespaceLink) ? fs.readlinkSync(namespaceLink).replace(/\D/g, '') : '0';
  return `${os.hostname().replace(/[^\w.]/g, '_')}-${namespace}`;
}

/** When a process was started, in the kernel's own unit; undefined when there is no such process. */
function startOf(pid: number): string | undefined {
  const file = `/proc/${pid}/stat`;
  if (pid === nobody || !fs.existsSync(file)) return undefined;
  // The name of the program, in parentheses, may hold anything; the start time is field 22, the name field 2.
  return fs.readFileSync(file, 'utf8').split(')').at(-1)?.trim().split(' ')[19];
}
