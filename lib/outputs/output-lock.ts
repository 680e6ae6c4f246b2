/**
 * Keeps two runs from writing the same file at once.
 *
 * The lock is a name in Linux's abstract socket namespace: the kernel gives it up however its process ends, so that a kill leaves
 * nothing that would stop `--resume`. Runs in containers with networks of their own do not see each other's.
 */
import { promises as fsp } from 'node:fs';
import type { Server } from 'node:net';
import path from 'node:path';

/**
 * @param target the file, links followed; its folder must exist
 * @returns what gives the file free
 */
export async function lockOutput(target: string): Promise<() => Promise<void>> {
  const { createServer } = await import('node:net');
  const { createHash } = await import('node:crypto');
  const folder = await fsp.stat(path.dirname(target), { bigint: true });
  const identity = `${folder.dev}:${folder.ino}:${path.basename(target)}`;
  const name = `\0nacue:${createHash('sha256').update(identity).digest('hex')}`;
  const server = createServer((socket) => socket.destroy()).unref();
  await listen(server, name);
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function listen(server: Server, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new Error('another run is writing it') : error);
    });
    server.listen({ path: name }, resolve);
  });
}
