import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { inspect } from 'node:util';
import { cachedNames, listLibTorch, removableNames, removeLibTorch } from '../dist/libtorch/cache.js';
import { downloadFile } from '../dist/libtorch/download.js';
import { type InstallOptions, installLibTorch, planInstall } from '../dist/libtorch/install.js';
import type { Environment } from '../dist/libtorch/search.js';
import { failsWith } from './libtorch-install/expect.js';
import { FileServer, serveFromFolder } from './libtorch-install/file-server.js';
import { abandoned, host, leave, namespace } from './libtorch-install/partials.js';
import { plainFile, symbolicLink, type ZipEntry, zip } from './libtorch-install/zip.js';

const { root, server } = serveFromFolder('nacue archive ');

let folders = 0;
const newFolder = () => path.join(root, `folder ${++folders}`);

/** An archive as PyTorch publishes it, with more entries or others in place of them. */
function libtorchZip(more: ZipEntry[] = []): Buffer {
  const standard: ZipEntry[] = [
    { name: 'libtorch/build-version', content: '2.11.0+cpu\n' },
    { name: 'libtorch/lib/libc10.so', content: 'c10', mode: plainFile | 0o755 },
    { name: 'libtorch/lib/libtorch_cpu.so', content: 'cpu'.repeat(20_000), mode: plainFile | 0o755 },
    { name: 'libtorch/lib/libprotobuf.a', content: '' },
    { name: 'libtorch/include/ATen/ATen.h', content: '' },
    { name: 'libtorch/bin/protoc', content: '' },
  ];
  const replaced = new Set(more.map(({ name }) => name));
  return zip([...standard.filter(({ name }) => !replaced.has(name)), ...more]);
}

function written(bytes: Buffer, name = 'archive.zip'): string {
  const dir = newFolder();
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, name), bytes);
  return path.join(dir, name);
}

function install(from: string, options: InstallOptions = {}, settings: Environment = {}) {
  return installLibTorch({ from, env: { NACUE_CACHE_DIR: newFolder(), ...settings }, ...options });
}

/** Fails as damaged, and leaves nothing behind, neither in the target nor beside it. */
async function refusesArchive(bytes: Buffer, ...messages: RegExp[]): Promise<void> {
  const cache = newFolder();
  const from = written(bytes);
  await failsWith(() => install(from, {}, { NACUE_CACHE_DIR: cache }), 'ERR_NACUE_LIBTORCH_DAMAGED', ...messages);
  assert.deepEqual(fs.readdirSync(path.join(cache, 'libtorch')), []);
}

describe('installLibTorch from an archive', () => {
  it('flattens it, leaves out programs and static libraries, and reads its version', async () => {
    const cache = newFolder();
    const { dir, version, source } = await install(written(libtorchZip()), {}, { NACUE_CACHE_DIR: cache });
    assert.deepEqual([dir, version, source], [path.join(cache, 'libtorch', '2.11.0'), '2.11.0+cpu', 'cache']);
    assert.deepEqual(fs.readdirSync(dir).sort(), ['build-version', 'include', 'lib']);
    assert.deepEqual(fs.readdirSync(path.join(dir, 'lib')).sort(), ['libc10.so', 'libtorch_cpu.so']);
    assert.equal(fs.statSync(path.join(dir, 'lib/libc10.so')).mode & 0o777, 0o755);
  });

  it('knows the version from an official name, and uses one that is there', async () => {
    const cache = newFolder();
    const env = { NACUE_CACHE_DIR: cache };
    const from = written(libtorchZip(), 'libtorch-shared-with-deps-2.11.0%2Bcpu.zip');
    assert.equal(planInstall({ from, env }).name, '2.11.0');
    const found = await installLibTorch({ from, env });
    assert.deepEqual(planInstall({ from, env }).present, found);
  });

  it('takes a build for CUDA as that', async () => {
    const from = written(libtorchZip([{ name: 'libtorch/build-version', content: '2.15.0+cu132\n' }]));
    const { dir } = await install(from);
    assert.equal(path.basename(dir), '2.15.0-cuda');
  });

  it('refuses a version that would lead out of the cache', async () => {
    const cache = newFolder();
    const other = path.join(root, 'other');
    fs.mkdirSync(other);
    for (const version of ['2.11/../../../other', '2.11.0/../../../other', '2.11']) {
      const from = written(libtorchZip([{ name: 'libtorch/build-version', content: version }]));
      await failsWith(() => install(from, {}, { NACUE_CACHE_DIR: cache }), 'ERR_NACUE_LIBTORCH_DAMAGED');
    }
    assert.deepEqual(fs.readdirSync(other), []);
  });

  it('makes links that stay inside', async () => {
    const link = { name: 'libtorch/lib/libc10.so.1', content: 'libc10.so', mode: symbolicLink };
    const { dir } = await install(written(libtorchZip([link])));
    assert.equal(fs.readlinkSync(path.join(dir, 'lib/libc10.so.1')), 'libc10.so');
  });

  it('accepts the right SHA-256 in any case and refuses another', async () => {
    const bytes = libtorchZip();
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await install(written(bytes), { sha256: sha256.toUpperCase() });
    const wrong = { sha256: sha256.replace(/^./, sha256.startsWith('0') ? '1' : '0') };
    await failsWith(
      () => install(written(bytes), wrong),
      'ERR_NACUE_LIBTORCH_DAMAGED',
      /its SHA-256 is not/,
      /3\. check the hash .*--sha256/,
    );
  });

  const outside = path.join(root, 'outside');
  const evil: [string, ZipEntry][] = [
    ['a path that leaves the folder', { name: 'libtorch/../../outside', content: 'evil' }],
    ['an absolute path', { name: outside, content: 'evil' }],
    ['a link to somewhere else', { name: 'libtorch/lib/link', content: '/etc', mode: symbolicLink }],
    ['a link upwards', { name: 'libtorch/lib/link', content: '../../../..', mode: symbolicLink }],
    ['a link to nothing', { name: 'libtorch/lib/link', content: 'nothing', mode: symbolicLink }],
    ['a wrong checksum', { name: 'libtorch/lib/libc10.so', content: 'c10', crc32: 1 }],
  ];
  for (const [what, entry] of evil) {
    it(`refuses ${what}`, async () => {
      await refusesArchive(libtorchZip([entry]), /archive\.zip is damaged, or no archive of LibTorch/);
      assert.ok(!fs.existsSync(outside));
    });
  }

  it('names a damaged file as the user did, and says how to get a whole one', async () => {
    const from = written(Buffer.from('an error page'), 'libtorch-shared-with-deps-2.12.1%2Bcpu.zip');
    const error = await failsWith(
      () => install(from),
      'ERR_NACUE_LIBTORCH_DAMAGED',
      /1\. check the file: `unzip -t .*2\.12\.1%2Bcpu\.zip`/,
      /2\. .*--from https:\/\/download\.pytorch\.org\/.*-2\.12\.1%2Bcpu\.zip`/,
      /3\. give --sha256/,
    );
    assert.match(error.message, /is damaged, or no archive of LibTorch: .*[^.]\.\n/);
    assert.ok(error.message.startsWith(from));
  });

  it('refuses the same file twice', async () => {
    const entry = { name: 'libtorch/lib/libc10.so', content: '' };
    await refusesArchive(zip([entry, entry]), /is in it twice/);
  });

  it('refuses a file cut off anywhere', async () => {
    const bytes = libtorchZip();
    for (const length of [0, 10, bytes.length >> 1, bytes.length - 1]) await refusesArchive(bytes.subarray(0, length));
  });

  it('refuses changed bytes of a library', async () => {
    const bytes = libtorchZip();
    const at = bytes.indexOf('libtorch_cpu.so') + 60;
    bytes[at] = (bytes[at] as number) ^ 1;
    await refusesArchive(bytes);
  });

  it('refuses an archive of something else', async () => {
    await refusesArchive(
      zip([{ name: 'letter.txt', content: '' }]),
      /archive\.zip is no LibTorch for this system: holds neither lib\/libtorch_cpu\.so/,
    );
  });

  it('refuses libraries of another architecture', async () => {
    const header = Buffer.alloc(64);
    header.write('\x7fELF\x02\x01\x01', 'latin1');
    header.writeUInt16LE(3, 16);
    header.writeUInt16LE(183, 18); // AArch64
    const library = { name: 'libtorch/lib/libtorch_cpu.so', content: header };
    await refusesArchive(libtorchZip([library]), /no LibTorch for this system: lib\/libtorch_cpu\.so is .*arm64/);
  });

  it('refuses another version than the one asked for', async () => {
    const from = written(libtorchZip());
    await failsWith(
      () => install(from, { version: '2.15.0' }),
      'ERR_NACUE_LIBTORCH_DAMAGED',
      /2\.11\.0\+cpu, not 2\.15\.0/,
    );
  });

  it('refuses one without CUDA when CUDA is asked for', async () => {
    const from = written(libtorchZip());
    await failsWith(() => install(from, { cuda: true }), 'ERR_NACUE_LIBTORCH_DAMAGED', /it has no CUDA part/);
  });

  it('refuses a version that nacue cannot use', async () => {
    const from = written(libtorchZip([{ name: 'libtorch/build-version', content: '2.4.0+cpu' }]));
    const error = await failsWith(
      () => install(from),
      'ERR_NACUE_LIBTORCH_VERSION',
      /archive\.zip is LibTorch 2\.4\.0\+cpu, which is too old: nacue needs 2\.11 or newer/,
      /1\. .*`npx nacue libtorch install`/,
    );
    assert.doesNotMatch(error.message, /NACUE_LIBTORCH|partial/);
  });

  it('takes a refusal of the system for no damage', () => {
    const options = JSON.stringify({ from: written(libtorchZip()), env: { NACUE_CACHE_DIR: newFolder() } });
    const script = `process.on('SIGXFSZ', () => {}); require('./dist/libtorch/install.js').installLibTorch(${options})
      .catch(({ code, message }) => console.log(code, message))`;
    const limited = ['-c', 'ulimit -f 20; exec "$0" "$@"', process.execPath, '-e', script];
    const { stdout } = spawnSync('sh', limited, { cwd: path.join(__dirname, '..'), encoding: 'utf8' });
    assert.match(stdout, /^ERR_NACUE_CACHE .*cannot be written \(EFBIG\)/);
  });

  it('explains a disk that takes no folder', async function () {
    const dir = newFolder();
    fs.mkdirSync(dir);
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'none', dir]);
    if (mount.status !== 0) this.skip(); // only root may
    try {
      const env = { NACUE_CACHE_DIR: path.join(dir, 'deep', 'cache') };
      await failsWith(() => install(written(libtorchZip()), {}, env), 'ERR_NACUE_CACHE', /cannot be written/);
    } finally {
      spawnSync('umount', [dir]);
    }
  });

  it('explains a disk that gets full while it unpacks', async function () {
    const dir = newFolder();
    fs.mkdirSync(dir);
    // Out of inodes, which no look at the free bytes foresees.
    const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,nr_inodes=20', 'none', dir]);
    if (mount.status !== 0) this.skip(); // only root may
    try {
      const headers = Array.from({ length: 30 }, (_, i) => ({ name: `libtorch/include/${i}.h`, content: '' }));
      await failsWith(
        () => install(written(libtorchZip(headers)), { dir: path.join(dir, 'libtorch') }),
        'ERR_NACUE_CACHE',
        /the disk of .* is full/,
        /1\. free some space/,
      );
      assert.deepEqual(fs.readdirSync(dir), []);
    } finally {
      spawnSync('umount', [dir]);
    }
  });
});

describe('installLibTorch from a URL', () => {
  it('goes on where a broken connection ended', async () => {
    const bytes = libtorchZip();
    server.files.set('libtorch.zip', bytes);
    server.faults.set('libtorch.zip', 'cut once');
    await install(server.url('libtorch.zip'));
    assert.deepEqual(server.asked, ['libtorch.zip', `libtorch.zip bytes=${bytes.length >> 1}-`]);
  });

  it('goes on in a later install, unless the file has changed', async () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    const url = server.url('libtorch.zip');
    const bytes = libtorchZip();
    server.files.set('libtorch.zip', bytes);
    server.faults.set('libtorch.zip', 'held');
    const signal = () => AbortSignal.timeout(500);
    for (const _ of ['first', 'second']) {
      await assert.rejects(install(url, { signal: signal() }, env), { name: 'TimeoutError' });
    }
    const half = bytes.length >> 1;
    assert.deepEqual(server.asked, ['libtorch.zip', `libtorch.zip bytes=${half}-`]);

    const other = libtorchZip([{ name: 'libtorch/build-hash', content: 'abcdef' }]);
    server.files.set('libtorch.zip', other);
    server.faults.clear();
    const { dir } = await install(url, {}, env);
    assert.equal(fs.readFileSync(path.join(dir, 'build-hash'), 'utf8'), 'abcdef');
  });

  it('keeps no password, and begins anew when the server refuses the range', async () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    const url = new URL(server.url('libtorch.zip'));
    url.password = 'secret';
    server.files.set('libtorch.zip', libtorchZip());
    server.faults.set('libtorch.zip', 'held');
    await assert.rejects(install(url.href, { signal: AbortSignal.timeout(500) }, env), { name: 'TimeoutError' });
    const kept = fs.readdirSync(env.NACUE_CACHE_DIR, { recursive: true, encoding: 'utf8' });
    const origin = path.join(env.NACUE_CACHE_DIR, kept.find((name) => name.endsWith('.origin.json')) ?? '');
    assert.equal(fs.statSync(origin).mode & 0o777, 0o600);
    assert.doesNotMatch(fs.readFileSync(origin, 'utf8'), /secret|127/);

    server.faults.set('libtorch.zip', 'no ranges');
    server.asked.length = 0;
    await install(url.href, {}, env);
    assert.equal(server.asked.length, 2);
  });

  it('fetches again what turned out to be damaged', async () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    server.files.set('libtorch.zip', Buffer.from('an error page'));
    const named = new RegExp(
      `^${server.url('libtorch.zip')} is damaged.*\\nTo fix it, one of:\\n.*1\\. .*run it again`,
    );
    await failsWith(() => install(server.url('libtorch.zip'), {}, env), 'ERR_NACUE_LIBTORCH_DAMAGED', named);
    server.files.set('libtorch.zip', libtorchZip());
    await install(server.url('libtorch.zip'), {}, env);
  });

  it('repeats what the server answers, without the password', async () => {
    const url = new URL(server.url('none.zip'));
    url.username = 'me';
    url.password = 'secret';
    const error = await failsWith(
      () => install(url.href),
      'ERR_NACUE_LIBTORCH_FETCH',
      /none\.zip cannot be fetched: .*404/,
    );
    assert.ok(!error.message.includes('secret'));
  });

  it('explains a server that is not there', async () => {
    const closed = new FileServer();
    await closed.listen();
    const url = closed.url('libtorch.zip');
    closed.close();
    const fix = /1\. check the network; behind a proxy set HTTPS_PROXY/;
    await failsWith(() => install(url), 'ERR_NACUE_LIBTORCH_FETCH', /ECONNREFUSED/, fix);
  });

  it('says what is wrong with a proxy', async () => {
    const settings = { HTTP_PROXY: 'http://127.0.0.1:1' };
    const problem = /cannot be fetched: [^\n]*ECONNREFUSED[^\n.]*127\.0\.0\.1:1\.\n/;
    await failsWith(() => install(server.url('libtorch.zip'), {}, settings), 'ERR_NACUE_LIBTORCH_FETCH', problem);
  });

  it('does not repeat the password of a proxy that is no URL', async () => {
    const settings = { HTTP_PROXY: 'http://me:sec ret@host:99999' };
    const error = await failsWith(
      () => install(server.url('libtorch.zip'), {}, settings),
      'ERR_NACUE_LIBTORCH_FETCH',
      /proxy is none: http:\/\/\*\*\*@host:99999\./,
    );
    assert.doesNotMatch(inspect(error), /sec ret/);
  });

  for (const [what, onConnect] of Object.entries({
    'hangs up': (socket: Duplex) => socket.destroy(),
    'never answers': () => {},
  })) {
    it(`gives up on a proxy that ${what}`, async () => {
      const sockets: Duplex[] = [];
      const proxy = http.createServer().on('connect', (_, socket) => {
        sockets.push(socket);
        onConnect(socket);
      });
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      const dir = newFolder();
      fs.mkdirSync(dir);
      const download = {
        url: new URL(server.url('libtorch.zip')),
        file: path.join(dir, 'file'),
        partial: { dir, parent: dir, downloads: dir, temporary: dir, files: dir },
        env: { HTTP_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` },
        signal: new AbortController().signal,
        report: () => {},
        answerTimeoutMs: 500,
      };
      await failsWith(() => downloadFile(download), 'ERR_NACUE_LIBTORCH_FETCH', /no answer within 0\.5 s/);
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
  }

  it('ends with what onProgress throws', async () => {
    server.files.set('libtorch.zip', libtorchZip());
    for (const phase of ['waiting', 'downloading', 'unpacking']) {
      const onProgress = (progress: { phase: string }) => {
        if (progress.phase === phase) throw new Error(`at ${phase}`);
      };
      await assert.rejects(install(server.url('libtorch.zip'), { onProgress }), { message: `at ${phase}` });
    }
  });

  it('goes through the proxy of the environment, except for NO_PROXY', async () => {
    const hosts: string[] = [];
    const proxy = http.createServer().on('connect', (request, socket) => {
      hosts.push(request.url ?? '');
      const target = net.connect(Number(new URL(server.url('')).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        target.pipe(socket).pipe(target);
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    server.files.set('libtorch.zip', libtorchZip());
    await install(server.url('libtorch.zip'), {}, { HTTP_PROXY: address });
    assert.equal(hosts.length, 1);
    await install(server.url('libtorch.zip'), {}, { HTTP_PROXY: address, NO_PROXY: '127.0.0.1' });
    assert.equal(hosts.length, 1);
    proxy.closeAllConnections();
    proxy.close();
  });
});

describe('the cache', () => {
  it('lists the complete ones, newest first, CUDA before the same version without', async () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    assert.deepEqual(listLibTorch(env), []);
    for (const version of ['2.11.0+cpu', '2.11.0+cu130', '2.15.0+cpu']) {
      const build = { name: 'libtorch/build-version', content: version };
      await install(written(libtorchZip([build])), {}, env);
    }
    const cache = path.join(env.NACUE_CACHE_DIR, 'libtorch');
    fs.mkdirSync(path.join(cache, '2.15.0.partial-elsewhere-1-1-ab'));
    assert.deepEqual(cachedNames(env), ['2.15.0', '2.11.0-cuda', '2.11.0']);
    const { bytes, ...second } = listLibTorch(env)[1] ?? { bytes: 0 };
    const dir = path.join(cache, '2.11.0-cuda');
    assert.deepEqual(second, { name: '2.11.0-cuda', dir, version: '2.11.0+cu130', cuda: true });
    assert.ok(bytes > 60_000 && bytes < 70_000);
  });

  it('removes one, with what interrupted installs of it left, and says how much that was', async () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    await install(written(libtorchZip()), {}, env);
    const cache = path.join(env.NACUE_CACHE_DIR, 'libtorch');
    leave(cache, abandoned('2.11.0'));
    const [{ bytes } = { bytes: 0 }] = listLibTorch(env);
    assert.equal(removeLibTorch('2.11.0', env), bytes + 3);
    assert.deepEqual(fs.readdirSync(cache), []);
  });

  it('keeps what a process works on whose start nobody can tell', () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    const cache = path.join(env.NACUE_CACHE_DIR, 'libtorch');
    leave(cache, `2.12.0.partial-${host}-${namespace}-${process.pid}-0-ab`);
    leave(cache, `2.12.1.partial-${host}-${namespace}-${2 ** 22 + 1}-0-ab`);
    assert.deepEqual(removableNames(env), ['2.12.1']);
  });

  it('asks for another place where the user has no home', () => {
    const script = `require('node:os').homedir = () => { throw new Error('none'); };
      try { require('./dist/libtorch/cache.js').libtorchCacheDir({}); } catch (e) { console.log(e.code, e.message); }`;
    const cwd = path.join(__dirname, '..');
    const { stdout } = spawnSync(process.execPath, ['-e', script], { cwd, encoding: 'utf8' });
    assert.match(stdout, /^ERR_NACUE_CACHE .*no home folder[\s\S]*1\. set NACUE_CACHE_DIR/);
  });

  it('does not take an empty HOME for the working folder', () => {
    const script = `console.log(require('./dist/libtorch/cache.js').libtorchCacheDir({}))`;
    const options = { cwd: path.join(__dirname, '..'), encoding: 'utf8' as const, env: { HOME: '' } };
    const { stdout } = spawnSync(process.execPath, ['-e', script], options);
    assert.equal(stdout.trim(), path.join(os.userInfo().homedir, '.cache/nacue/libtorch'));
  });

  it('removes and replaces one of a lower layer, which may not be renamed', async function () {
    const base = newFolder();
    fs.mkdirSync(base);
    if (spawnSync('mount', ['-t', 'tmpfs', 'none', base]).status !== 0) this.skip(); // only root may
    const merged = path.join(base, 'merged');
    try {
      for (const name of ['lower', 'upper', 'work', 'merged']) fs.mkdirSync(path.join(base, name));
      for (const name of ['2.11.0', '2.12.0']) leave(path.join(base, 'lower', 'libtorch'), name);
      const layers = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
      if (spawnSync('mount', ['-t', 'overlay', '-o', layers, 'none', merged]).status !== 0) this.skip();
      const env = { NACUE_CACHE_DIR: merged };
      assert.equal(removeLibTorch('2.12.0', env), 3);
      await install(written(libtorchZip()), {}, env);
      assert.deepEqual(fs.readdirSync(path.join(merged, 'libtorch')), ['2.11.0']);
      assert.ok(fs.existsSync(path.join(merged, 'libtorch/2.11.0/lib')));
    } finally {
      spawnSync('umount', [merged]);
      spawnSync('umount', [base]);
    }
  });

  it('removes what interrupted installs alone have left', () => {
    const env = { NACUE_CACHE_DIR: newFolder() };
    const cache = path.join(env.NACUE_CACHE_DIR, 'libtorch');
    leave(cache, abandoned('2.12.0'));
    leave(cache, abandoned('archive-0123456789ab'));
    leave(cache, '2.12.1.partial-elsewhere-1-1-1-ab', { daysAgo: 2 });
    const used = leave(cache, '2.12.2.partial-elsewhere-1-1-1-ab');
    const names = removableNames(env);
    assert.deepEqual(names.sort(), ['2.12.0', '2.12.1', 'archive-0123456789ab']);
    for (const name of names) assert.equal(removeLibTorch(name, env), 3);
    assert.deepEqual(fs.readdirSync(cache), [path.basename(used)]);
  });

  it('refuses to remove what is not in it', () =>
    failsWith(
      () => removeLibTorch('../x', { NACUE_CACHE_DIR: newFolder() }),
      'ERR_NACUE_OUT_OF_RANGE',
      /name must be in the cache, which is empty/,
    ));
});
