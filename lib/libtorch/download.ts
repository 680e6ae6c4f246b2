/** Downloads one file; what an earlier try has left is kept if the server still has the same file. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Dispatcher, Response } from 'undici';
import { anySignal } from '../abort.js';
import type { NacueError } from '../errors.js';
import { maskAddresses } from '../masked-addresses.js';
import { requireSpace } from './disk.js';
import { fetchFailure } from './fetch-failure.js';
import type { Partial } from './partial.js';
import type { ReportProgress } from './progress.js';
import type { Environment } from './search.js';

export interface Download {
  url: URL;
  file: string;
  /** Where `file` lies. */
  partial: Partial;
  env: Environment;
  signal: AbortSignal;
  report: ReportProgress;
  /** How long to wait for the head of an answer; default 30 s. */
  answerTimeoutMs?: number;
}

/** undici itself would try for ever behind a proxy that hangs up. */
class NoAnswer extends Error {}

/** What the bytes that are here belong to; kept beside them, so that another process can go on. */
interface Origin {
  /** A hash of the URL, which may hold a password. */
  address: string;
  /** A strong ETag or a date of change. */
  validator: string;
  total: number;
}

const timeouts = { connect: { timeout: 8_000 }, bodyTimeout: 60_000 };
const answerTimeoutMs = 30_000;
const tries = 5;

/** @throws NacueError `ERR_NACUE_LIBTORCH_FETCH`, `ERR_NACUE_CACHE` */
export async function downloadFile(download: Download): Promise<void> {
  const { file, signal, env, report } = download;
  const dispatcher = await proxyAgent(env);
  report({ phase: 'waiting', done: lengthOf(file), total: null });
  try {
    for (let left = tries; ; left--) {
      const before = lengthOf(file);
      const failure = await attempt(download, dispatcher);
      if (failure === null) return;
      signal.throwIfAborted();
      // A connection that broke after it brought something is worth another try.
      if (left === 1 || lengthOf(file) <= before) throw unreachable(download, failure);
    }
  } finally {
    await dispatcher.destroy();
  }
}

/** Returns what went wrong with the network. */
async function attempt(download: Download, dispatcher: Dispatcher): Promise<Error | null> {
  try {
    await transfer(download, dispatcher);
    return null;
  } catch (error) {
    // TypeError is undici's class for a connection that fails or breaks.
    if (error instanceof TypeError || error instanceof NoAnswer) return error;
    throw error;
  }
}

async function transfer(download: Download, dispatcher: Dispatcher): Promise<void> {
  const { file, partial, signal, report } = download;
  const origin = readOrigin(download);
  const start = origin ? lengthOf(file) : 0;
  if (origin && start === origin.total) return;
  const resume: Record<string, string> = origin ? { Range: `bytes=${start}-`, 'If-Range': origin.validator } : {};
  const response = await ask(download, dispatcher, resume);
  if (response.status === 416 && origin) {
    for (const outdated of [originFile(download), file]) fs.rmSync(outdated, { force: true });
    return transfer(download, dispatcher);
  }
  if (!response.ok || !response.body) throw refused(download, response);

  const isRest = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${start}-`);
  let done = isRest ? start : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? null : done + Number(length);
  if (total !== null) requireSpace(partial.parent, total - done);
  noteOrigin(download, response, total);
  const counted = async function* (pieces: AsyncIterable<Uint8Array>) {
    for await (const piece of pieces) {
      done += piece.length;
      report({ phase: 'downloading', done, total });
      yield piece;
    }
  };
  const end = fs.createWriteStream(file, { flags: isRest ? 'a' : 'w' });
  await pipeline(Readable.fromWeb(response.body), counted, end, { signal });
}

async function ask(download: Download, dispatcher: Dispatcher, headers: Record<string, string>): Promise<Response> {
  const { url, signal, answerTimeoutMs: patience = answerTimeoutMs } = download;
  const { fetch } = await import('undici');
  const giveUp = new AbortController();
  const timer = setTimeout(() => giveUp.abort(new NoAnswer(`no answer within ${patience / 1000} s`)), patience);
  try {
    return await fetch(withoutLogin(url), {
      headers: { ...headers, ...loginOf(url), 'Accept-Encoding': 'identity' },
      dispatcher,
      signal: anySignal(signal, giveUp.signal),
    });
  } finally {
    clearTimeout(timer);
  }
}

async function proxyAgent(env: Environment): Promise<Dispatcher> {
  const { EnvHttpProxyAgent } = await import('undici');
  // '' where there is none: left out, it would be taken from process.env.
  const proxies = {
    httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '',
    httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '',
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
  };
  try {
    return new EnvHttpProxyAgent({ ...timeouts, ...proxies });
  } catch {
    // The error of a URL holds the URL, with the password.
    const used = [proxies.httpProxy, proxies.httpsProxy].filter(Boolean).map(maskAddresses);
    throw fetchFailure({
      problem: `the address of a proxy is none: ${used.join(', ')}.`,
      fixes: ['set HTTP_PROXY and HTTPS_PROXY to http://HOST:PORT; write what is special in a password as %XX'],
    });
  }
}

function originFile({ file }: Download): string {
  return `${file}.origin.json`;
}

/** Undefined when the bytes that are here are of another file, or when nobody can tell. */
function readOrigin(download: Download): Origin | undefined {
  if (!fs.existsSync(download.file) || !fs.existsSync(originFile(download))) return undefined;
  const origin = JSON.parse(fs.readFileSync(originFile(download), 'utf8')) as Origin;
  return origin.address === addressOf(download) ? origin : undefined;
}

/** Before the first byte of the new file is written. */
function noteOrigin(download: Download, { headers }: Response, total: number | null): void {
  const etag = headers.get('etag');
  const validator = etag && !etag.startsWith('W/') ? etag : headers.get('last-modified');
  if (validator === null || total === null) {
    fs.rmSync(originFile(download), { force: true });
    return;
  }
  const origin: Origin = { address: addressOf(download), validator, total };
  fs.writeFileSync(`${originFile(download)}.new`, JSON.stringify(origin), { mode: 0o600 });
  fs.renameSync(`${originFile(download)}.new`, originFile(download));
}

function addressOf({ url }: Download): string {
  return createHash('sha256').update(url.href).digest('hex');
}

function lengthOf(file: string): number {
  return fs.statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** fetch() refuses URLs with a name and a password in them. */
function withoutLogin(url: URL): URL {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain;
}

function loginOf({ username, password }: URL): Record<string, string> {
  if (!username && !password) return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { Authorization: `Basic ${Buffer.from(login).toString('base64')}` };
}

function refused({ url }: Download, { status, statusText }: Response): NacueError {
  return fetchFailure({
    problem: `${maskAddresses(url.href)} cannot be fetched: the server answers ${status} ${statusText}.`,
    fixes: ['check the address and the version in it', 'fetch it by other means, and give the file to --from'],
  });
}

function unreachable({ url }: Download, failure: Error): NacueError {
  return fetchFailure({
    problem: `${maskAddresses(url.href)} cannot be fetched: ${reasonOf(failure).replace(/\.$/, '')}.`,
    fixes: [
      'check the network; behind a proxy set HTTPS_PROXY; run it again: what has arrived is kept',
      'fetch it by other means, and give the file to --from',
    ],
    detail: failure.message,
    cause: failure,
  });
}

/** undici wraps what happened, for a proxy several times; the innermost error says it. */
function reasonOf(error: NodeJS.ErrnoException): string {
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message || error.code || error.name;
}
