/** A server of files: a package index for pip, archives for downloads, with the faults of real ones. */
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** `cut`: the connection dies half-way. `silent`: no answer. `held`: half of the file, and then nothing more.
 * `no ranges`: 416 for any part. */
export type Fault = 'cut' | 'cut once' | 'silent' | 'held' | 'missing' | 'no ranges';

export class FileServer {
  /** By name; change them at will. */
  readonly files = new Map<string, Buffer>();
  readonly faults = new Map<string, Fault>();
  /** The files asked for, with the range if only a part was. */
  readonly asked: string[] = [];
  readonly #server = http.createServer((request, response) => this.#answer(request, response));

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The address of a file. */
  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/files/${name}`;
  }

  /** The address of the package index. */
  get index(): string {
    return new URL('../simple/', this.url('')).href;
  }

  #answer(request: http.IncomingMessage, response: http.ServerResponse): void {
    const [, folder, name = ''] = decodeURIComponent(request.url ?? '').split('/');
    if (folder === 'simple') this.#listProject(name, response);
    else this.#sendFile(name, request.headers, response);
  }

  #listProject(project: string, response: http.ServerResponse): void {
    if (this.faults.get(project) === 'silent') return;
    const prefix = `${project.replaceAll('-', '_')}-`;
    const links = [...this.files.keys()].filter((file) => file.startsWith(prefix));
    response.setHeader('Content-Type', 'text/html');
    response.end(links.map((file) => `<a href="/files/${file}">${file}</a>`).join('\n'));
  }

  #sendFile(name: string, headers: http.IncomingHttpHeaders, response: http.ServerResponse): void {
    const { range, 'if-range': ifRange } = headers;
    this.asked.push(range ? `${name} ${range}` : name);
    const fault = this.faults.get(name);
    const file = this.files.get(name);
    if (fault === 'silent') return;
    if (!file || fault === 'missing') {
      response.writeHead(404).end();
      return;
    }
    if (fault === 'no ranges' && range) {
      response.writeHead(416).end();
      return;
    }
    const etag = `"${file.length}-${file.at(-1)}"`;
    const start = range && ifRange === etag ? Number(range.match(/\d+/)?.[0]) : 0;
    const part = file.subarray(start);
    response.setHeader('ETag', etag);
    response.setHeader('Content-Length', part.length);
    if (start > 0) response.setHeader('Content-Range', `bytes ${start}-${file.length - 1}/${file.length}`);
    response.writeHead(start > 0 ? 206 : 200);
    if (!fault || fault === 'no ranges') {
      response.end(part);
      return;
    }
    if (fault === 'cut once') this.faults.delete(name);
    response.write(part.subarray(0, part.length / 2), () => {
      if (fault !== 'held') setTimeout(() => response.destroy(), 250);
    });
  }
}

/** A new folder and a server for the tests of a file; the server forgets everything before each test. */
export function serveFromFolder(prefix: string): { root: string; server: FileServer } {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), prefix));
  const server = new FileServer();
  before(() => server.listen());
  after(() => {
    server.close();
    fs.rmSync(root, { recursive: true });
  });
  beforeEach(() => {
    server.files.clear();
    server.faults.clear();
    server.asked.length = 0;
  });
  return { root, server };
}
