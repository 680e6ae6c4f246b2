import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { InstallOptions, InstallProgress } from '../dist/libtorch/install.js';
import { installLibTorch, planInstall } from '../dist/libtorch/install.js';
import type { Environment } from '../dist/libtorch/search.js';
import { withNeeded } from './libtorch-install/elf.js';
import { failsWith } from './libtorch-install/expect.js';
import { type FakeRelease, fakeRelease, withWheel } from './libtorch-install/fake-release.js';
import { serveFromFolder } from './libtorch-install/file-server.js';
import { abandoned, host, leave, namespace, ownStart } from './libtorch-install/partials.js';
import { zip } from './libtorch-install/zip.js';

const { root, server } = serveFromFolder('nacue install ');

let caches = 0;

/** The environment of an install from the test's index into a new cache. */
function newCache(settings: Environment = {}): Environment & { NACUE_CACHE_DIR: string } {
  return {
    ...process.env,
    LD_PRELOAD: undefined, // under the sanitizers: Python leaks by design
    PIP_CONFIG_FILE: os.devNull,
    PIP_FIND_LINKS: undefined,
    NO_PROXY: '127.0.0.1',
    NACUE_LIBTORCH_MIRROR: server.index,
    NACUE_CACHE_DIR: path.join(root, `cache ${++caches}`),
    ...settings,
  };
}

function serve(release: FakeRelease): FakeRelease {
  for (const [name, bytes] of release.files) server.files.set(name, bytes);
  return release;
}

const install = (env: Environment, release: FakeRelease, options: InstallOptions = {}) =>
  installLibTorch({ env, ...options }, release.table);
const folder = (env: { NACUE_CACHE_DIR: string }) => path.join(env.NACUE_CACHE_DIR, 'libtorch');
const namesIn = (dir: string) => (fs.existsSync(dir) ? fs.readdirSync(dir).sort() : []);
const filesIn = (dir: string) =>
  fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes('.dist-info'))
    .sort();

/** Waits until no process has a folder of this cache as its place for temporary files. */
async function noOtherPip({ NACUE_CACHE_DIR }: { NACUE_CACHE_DIR: string }): Promise<void> {
  const uses = (pid: string) => {
    try {
      return fs.readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TMPDIR=${NACUE_CACHE_DIR}`);
    } catch {
      return false; // it has ended, or is another user's
    }
  };
  const deadline = Date.now() + 5000;
  while (fs.readdirSync('/proc').some((name) => /^\d+$/.test(name) && uses(name))) {
    assert.ok(Date.now() < deadline, 'pip is still running');
    await sleep(50);
  }
}

describe('planInstall', () => {
  it('tells the name, the place and the sizes, and touches nothing', () => {
    const env = { NACUE_CACHE_DIR: path.join(root, 'untouched') };
    const plan = planInstall({ env });
    assert.deepEqual([plan.name, plan.dir, plan.present], ['2.11.0', path.join(folder(env), '2.11.0'), null]);
    const { downloadBytes, diskBytes } = plan;
    assert.ok(downloadBytes && downloadBytes > 5e8 && downloadBytes < 6e8, `${downloadBytes}`);
    assert.ok(diskBytes && diskBytes > 5e8 && diskBytes < 6e8, `${diskBytes}`);
    assert.ok(!fs.existsSync(env.NACUE_CACHE_DIR));
  });

  it('plans another folder and five times the size with CUDA', () => {
    const plan = planInstall({ version: '2.15', cuda: true, env: newCache() });
    assert.equal(plan.name, '2.15.0-cuda');
    assert.ok((plan.downloadBytes ?? 0) > 2.5e9);
  });

  it('takes the newest patch of a minor version', () => {
    assert.equal(planInstall({ version: '2.12', env: newCache() }).name, '2.12.1');
  });

  it('names the versions it knows and the way for others', async () => {
    await failsWith(
      () => planInstall({ version: '2.10.0' }),
      'ERR_NACUE_LIBTORCH_VERSION',
      /2\.11\.0, .*2\.15\.0/,
      /--from/,
    );
  });

  const wrong: [string, object, string, RegExp][] = [
    ['a number as version', { version: 2.11 }, 'ERR_NACUE_INVALID_ARG_TYPE', /version/],
    ['a path as version', { version: '../2.11.0' }, 'ERR_NACUE_OUT_OF_RANGE', /version/],
    ['a string as cuda', { cuda: 'yes' }, 'ERR_NACUE_INVALID_ARG_TYPE', /cuda/],
    ['an empty folder name', { dir: '' }, 'ERR_NACUE_OUT_OF_RANGE', /dir/],
    ['a folder as archive', { from: __dirname }, 'ERR_NACUE_OUT_OF_RANGE', /from must be .* a file/],
    ['an archive that is not there', { from: '/no/such.zip' }, 'ERR_NACUE_OUT_OF_RANGE', /from must be .*no\/such/],
    ['a hash too short', { from: __filename, sha256: 'abc' }, 'ERR_NACUE_OUT_OF_RANGE', /sha256/],
    ['a hash for the wheels', { sha256: 'a'.repeat(64) }, 'ERR_NACUE_OUT_OF_RANGE', /sha256 must be given with from/],
    ['an unknown option', { path: '/tmp' }, 'ERR_NACUE_OUT_OF_RANGE', /options/],
    ['progress that is no function', { onProgress: 1 }, 'ERR_NACUE_INVALID_ARG_TYPE', /onProgress/],
    ['a signal that is none', { signal: {} }, 'ERR_NACUE_INVALID_ARG_TYPE', /signal/],
  ];
  for (const [what, options, code, message] of wrong) {
    it(`refuses ${what}`, () => failsWith(() => planInstall(options), code, message));
  }

  it('refuses a system without glibc', async () => {
    const before = process.env.LIBC;
    process.env.LIBC = 'musl';
    try {
      const env = newCache();
      await failsWith(() => planInstall({ env }), 'ERR_NACUE_PLATFORM', /musl/);
      await failsWith(() => install(env, serve(fakeRelease())), 'ERR_NACUE_PLATFORM', /musl/);
      assert.deepEqual([server.asked, fs.existsSync(env.NACUE_CACHE_DIR)], [[], false]);
    } finally {
      if (before === undefined) delete process.env.LIBC;
      else process.env.LIBC = before;
    }
  });

  it('takes a link to a folder as that folder, and refuses the working folder', async () => {
    const link = path.join(root, 'link');
    const folder = fs.mkdtempSync(path.join(root, 'linked-'));
    fs.symlinkSync(folder, link);
    assert.equal(planInstall({ dir: link }).dir, fs.realpathSync(folder));
    const before = process.cwd();
    process.chdir(folder);
    try {
      await failsWith(() => planInstall({ dir: '.' }), 'ERR_NACUE_OUT_OF_RANGE', /dir must be .*working folder/);
    } finally {
      process.chdir(before);
    }
  });

  for (const from of ['https://me:secret@host:99999/x', 'ftp://me:secret@host/x']) {
    it(`does not repeat the password of ${from.slice(0, 5)}`, async () => {
      const error = await failsWith(() => planInstall({ from }), 'ERR_NACUE_OUT_OF_RANGE', /\*\*\*@host/);
      assert.doesNotMatch(error.message, /secret/);
    });
  }

  it('refuses a folder that holds something else', async () => {
    const dir = path.join(root, 'occupied');
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, 'letter.txt'), '');
    await failsWith(() => planInstall({ dir }), 'ERR_NACUE_OUT_OF_RANGE', /dir must be an absent or empty folder/);
  });
});

describe('installLibTorch from wheels', () => {
  it('installs what scoring on the CPU needs, and nothing else', async () => {
    const env = newCache();
    const progress: InstallProgress[] = [];
    const release = serve(fakeRelease());
    const found = await install(env, release, { onProgress: (report) => progress.push(report) });
    const dir = path.join(folder(env), '2.11.0');
    assert.deepEqual(found, { dir: path.join(dir, 'torch'), version: '2.11.0+cu130', minor: '2.11', source: 'cache' });
    assert.deepEqual(filesIn(dir), [
      'nvidia/cu13/lib/libcudart.so.13',
      'torch/include/ATen/ATen.h',
      'torch/lib/libc10.so',
      'torch/lib/libtorch_cpu.so',
      'torch/version.py',
    ]);
    assert.equal(fs.statSync(path.join(dir, 'torch/lib/libc10.so')).mode & 0o777, 0o755);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
    assert.deepEqual([...new Set(progress.map(({ phase }) => phase))], ['waiting', 'downloading', 'unpacking']);
    for (const { done, total } of progress) assert.ok(total !== null && done <= total);
    assert.deepEqual(progress.at(-1)?.done, progress.at(-1)?.total);
  });

  it('installs the CUDA part beside it', async () => {
    const env = newCache();
    await install(env, serve(fakeRelease()), { cuda: true });
    const dir = path.join(folder(env), '2.11.0-cuda');
    assert.ok(fs.existsSync(path.join(dir, 'torch/lib/libtorch_cuda.so')));
    assert.ok(fs.existsSync(path.join(dir, 'nvidia/cu13/lib/libcublas.so.13')));
  });

  it('uses what is there, and asks nobody', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    const first = await install(env, release);
    server.asked.length = 0;
    assert.deepEqual(await install(env, release), first);
    assert.deepEqual(planInstall({ env }, release.table).present, first);
    assert.deepEqual(server.asked, []);
  });

  it('replaces one that somebody has damaged', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    const { dir } = await install(env, release);
    fs.rmSync(path.join(dir, 'lib'), { recursive: true });
    await install(env, release);
    assert.ok(fs.existsSync(path.join(dir, 'lib/libc10.so')));
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('replaces one whose libraries lack others, and refuses such a folder as dir', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    const { dir } = await install(env, release);
    const library = path.join(dir, 'lib/libtorch_cpu.so');
    fs.writeFileSync(library, withNeeded('libnowhere.so.7'));
    await failsWith(
      () => planInstall({ env, dir: path.dirname(dir) }, release.table),
      'ERR_NACUE_OUT_OF_RANGE',
      /dir must be an absent or empty folder, not a broken LibTorch \(it lacks libnowhere\.so\.7\)/,
    );
    assert.equal(planInstall({ env }, release.table).present, null);
    await install(env, release);
    assert.equal(fs.statSync(library).size, 0);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('installs one whose libraries lack what the system should have', async () => {
    const from = path.join(root, 'lacking.zip');
    fs.writeFileSync(
      from,
      zip([
        { name: 'libtorch/build-version', content: '2.11.0+cpu' },
        { name: 'libtorch/lib/libc10.so', content: '' },
        { name: 'libtorch/lib/libtorch_cpu.so', content: withNeeded('libnowhere.so.7') },
      ]),
    );
    const env = newCache();
    for (const _ of ['first', 'second']) assert.equal((await installLibTorch({ from, env })).version, '2.11.0+cpu');
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('makes the folder of the option dir a LibTorch, absent or empty', async () => {
    const release = serve(fakeRelease());
    for (const dir of [path.join(root, 'own', 'absent'), fs.mkdtempSync(path.join(root, 'empty-'))]) {
      const found = await install(newCache(), release, { dir });
      assert.deepEqual([found.dir, found.source], [path.join(dir, 'torch'), 'NACUE_LIBTORCH']);
      assert.deepEqual(await install(newCache(), release, { dir }), found);
    }
  });

  it('refuses a wheel with another hash, and keeps the others', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    const good = server.files.get(release.torch) as Buffer;
    const bad = Buffer.from(good);
    bad[100] = (bad[100] as number) ^ 1;
    server.files.set(release.torch, bad);
    await failsWith(
      () => install(env, release),
      'ERR_NACUE_LIBTORCH_DAMAGED',
      /torch-2\.11\.0.*SHA-256/,
      /1\. run it again/,
    );
    assert.equal(namesIn(folder(env)).length, 1);

    server.files.set(release.torch, good);
    server.asked.length = 0;
    await install(env, release);
    assert.deepEqual([...new Set(server.asked)], [release.torch]);
  });

  it('says what is missing in the index', async () => {
    const release = serve(fakeRelease());
    server.files.delete(release.torch);
    await failsWith(
      () => install(newCache(), release),
      'ERR_NACUE_LIBTORCH_FETCH',
      /pip could not fetch torch 2\.11\.0/,
      /127\.0\.0\.1:\d+\/simple\/: other files came from it/,
      /--from https:\/\/download\.pytorch\.org\/libtorch\/cpu\/libtorch-shared-with-deps-2\.11\.0%2Bcpu\.zip/,
    );
  });

  it('goes on after a connection that died, with the wheels that were whole', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    server.faults.set(release.torch, 'cut');
    await failsWith(() => install(env, release), 'ERR_NACUE_LIBTORCH_FETCH', /1\. run it again/);
    server.faults.clear();
    server.asked.length = 0;
    await install(env, release);
    assert.deepEqual(server.asked, [release.torch]);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('gives up on an index that does not answer', async () => {
    const release = serve(fakeRelease());
    server.faults.set('nvidia-cuda-runtime', 'silent');
    await failsWith(
      () => install(newCache({ PIP_DEFAULT_TIMEOUT: '2' }), release),
      'ERR_NACUE_LIBTORCH_FETCH',
      /no answer within 2 s/,
      /PIP_DEFAULT_TIMEOUT/,
    );
  });

  it('does not repeat the password of a mirror', async () => {
    const mirror = 'http://me:secret@127.0.0.1:1/simple';
    const error = await failsWith(
      () => install(newCache({ NACUE_LIBTORCH_MIRROR: mirror }), fakeRelease()),
      'ERR_NACUE_LIBTORCH_FETCH',
      /http:\/\/\*\*\*@127\.0\.0\.1:1\/simple: nothing came from it/,
    );
    assert.doesNotMatch(inspect(error), /secret/);
  });

  it('does not repeat the password of a mirror that is no URL', async () => {
    const env = newCache({ NACUE_LIBTORCH_MIRROR: 'me:secret@127.0.0.1:1/simple', PIP_DEFAULT_TIMEOUT: '2' });
    const error = await failsWith(() => install(env, fakeRelease()), 'ERR_NACUE_LIBTORCH_FETCH', /\*\*\*@127/);
    assert.doesNotMatch(inspect(error), /secret/);
  });

  it('runs nothing that lies in the working folder', async () => {
    const cwd = fs.mkdtempSync(path.join(root, 'cwd-'));
    const proof = path.join(cwd, 'proof');
    const installer = path.join(__dirname, 'libtorch-install', 'install-child.ts');
    for (const module of ['pip', 'contextlib', 'runpy', 'threading']) {
      fs.writeFileSync(path.join(cwd, `${module}.py`), `open(${JSON.stringify(proof)}, "w")\n`);
    }
    serve(fakeRelease());
    const child = spawn(
      process.execPath,
      ['--import', require.resolve('tsx'), installer, JSON.stringify({ bulk: 0 })],
      {
        cwd,
        env: newCache() as NodeJS.ProcessEnv,
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    assert.match(await text(child.stdout), /2\.11\.0\+cu130/);
    assert.ok(!fs.existsSync(proof));
  });

  it('tells how to go on without pip', async () => {
    const bin = fs.mkdtempSync(path.join(root, 'bin-'));
    fs.writeFileSync(path.join(bin, 'python3'), '#!/bin/sh\necho "No module named pip" >&2\nexit 1\n', { mode: 0o755 });
    await failsWith(
      () => install(newCache({ PATH: bin }), fakeRelease()),
      'ERR_NACUE_LIBTORCH_FETCH',
      /python3 on PATH: No module named pip/,
      /python on PATH: not installed/,
      /1\. install pip: .*apt-get install python3-pip/,
      /2\. install the official archive/,
      /3\. set NACUE_LIBTORCH/,
    );
  });

  it('refuses a pip that is too old, and takes the next one', async () => {
    const bin = fs.mkdtempSync(path.join(root, 'bin-'));
    const old = '#!/bin/sh\necho "pip 9.0.3 from /usr/lib/python3.6/site-packages (python 3.6)"\n';
    fs.writeFileSync(path.join(bin, 'python3'), old, { mode: 0o755 });
    await failsWith(
      () => install(newCache({ PATH: bin }), fakeRelease()),
      'ERR_NACUE_LIBTORCH_FETCH',
      /python3 on PATH: pip 9\.0\.3 is too old \(20 or newer is needed\)/,
      /1\. update it: `python3 -m pip install --upgrade pip`/,
    );
    const python = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' });
    fs.writeFileSync(path.join(bin, 'python'), `#!/bin/sh\nexec ${python.stdout.trim()} "$@"\n`, { mode: 0o755 });
    await install(newCache({ PATH: bin }), serve(fakeRelease()));
  });

  it('stops at an abort with its reason, and leaves no pip behind', async () => {
    const env = newCache();
    const release = serve(fakeRelease(100_000));
    server.faults.set(release.torch, 'held');
    const controller = new AbortController();
    const reason = new Error('enough');
    const stopped = assert.rejects(install(env, release, { signal: controller.signal }), (error) => error === reason);
    while (!server.asked.includes(release.torch)) await sleep(20);
    controller.abort(reason);
    await stopped;
    await noOtherPip(env);
    server.faults.clear();
    server.asked.length = 0;
    await install(env, release);
    assert.deepEqual(server.asked, [release.torch]);
  });

  it('rejects at once when the signal is aborted already', async () => {
    const env = newCache();
    await assert.rejects(install(env, fakeRelease(), { signal: AbortSignal.abort(new Error('before')) }), /before/);
    assert.ok(!fs.existsSync(env.NACUE_CACHE_DIR));
  });

  it('ends with what onProgress throws', async () => {
    const onProgress = () => {
      throw new Error('of the listener');
    };
    await assert.rejects(install(newCache(), serve(fakeRelease()), { onProgress }), /of the listener/);
  });
});

describe('installLibTorch and other processes', () => {
  /** The process, and what it printed by its end. */
  function start(
    env: Environment,
    options: { dir?: string; bulk?: number } = {},
  ): { child: ChildProcess; output: Promise<string> } {
    const script = path.join(__dirname, 'libtorch-install', 'install-child.ts');
    const args = ['--import', 'tsx', script, JSON.stringify({ bulk: 0, ...options })];
    const child = spawn(process.execPath, args, {
      env,
      cwd: path.join(__dirname, '..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    return { child, output: text(child.stdout) };
  }

  it('succeeds twice at a time', async () => {
    const env = newCache();
    serve(fakeRelease());
    const outputs = await Promise.all([start(env).output, start(env).output]);
    for (const output of outputs) assert.match(output, /^2\.11\.0\+cu130$/m);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('adopts what killed processes have left, and takes pip with them', async () => {
    const env = newCache();
    const release = serve(fakeRelease(100_000));
    server.faults.set(release.torch, 'held');
    for (let kill = 0; kill < 2; kill++) {
      const { child, output } = start(env, { bulk: 100_000 });
      while (!server.asked.includes(release.torch)) await sleep(20);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await output;
      assert.deepEqual(namesIn(folder(env)).length, 1);
      assert.equal(server.asked.filter((file) => file === release.companion).length, 1);
      server.asked.splice(server.asked.indexOf(release.torch));
    }
    await noOtherPip(env);
    server.faults.clear();
    assert.match(await start(env, { bulk: 100_000 }).output, /^2\.11\.0\+cu130$/m);
    assert.deepEqual(server.asked, [release.companion, release.torch]);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('leaves alone what may be in use: of living processes, other hosts and other PID namespaces', async () => {
    const env = newCache();
    const others = [
      `2.11.0.partial-elsewhere.example-${namespace}-1-1-abcd`,
      `2.11.0.partial-${host}-1${namespace}-1-1-abcd`,
      `2.11.0.partial-${host}-1${namespace}-0-0-abcd`,
      `2.11.0.partial-${host}-${namespace}-${process.pid}-${ownStart}-abcd`,
      abandoned('2.11.0-cuda'),
    ].sort();
    for (const name of others) leave(folder(env), name);
    await install(env, serve(fakeRelease()));
    assert.deepEqual(namesIn(folder(env)), [...others, '2.11.0'].sort());
  });

  it('removes what has been left elsewhere for more than a day, and does not adopt it', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    for (const owner of [`elsewhere.example-${namespace}-1-1-abcd`, `${host}-1${namespace}-0-0-abcd`]) {
      const dir = leave(folder(env), `2.11.0.partial-${owner}`, { daysAgo: 2 });
      fs.mkdirSync(path.join(dir, 'downloads'));
      fs.writeFileSync(path.join(dir, 'downloads', release.companion), server.files.get(release.companion) ?? '');
      fs.utimesSync(dir, 0, 0);
    }
    await install(env, release);
    assert.deepEqual(server.asked, [release.companion, release.torch]);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('removes what was left of a target that is complete', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    await install(env, release);
    leave(folder(env), abandoned('2.11.0'));
    leave(folder(env), `2.11.0.partial-elsewhere-1-1-1-abcd`, { daysAgo: 2 });
    await install(env, release);
    assert.deepEqual(namesIn(folder(env)), ['2.11.0']);
  });

  it('explains a folder that may not be written', async function () {
    if (process.getuid?.() !== 0) this.skip(); // another user is needed
    const dir = fs.mkdtempSync(path.join(root, 'forbidden-'));
    for (const readable of [root, dir]) fs.chmodSync(readable, 0o755);
    const script = `process.setgid(65534); process.setuid(65534);
      require('./dist/libtorch/install.js').installLibTorch({ dir: ${JSON.stringify(path.join(dir, 'libtorch'))} })
        .catch(({ code, message }) => console.log(code, message))`;
    const child = spawn(process.execPath, ['-e', script], {
      cwd: path.join(__dirname, '..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const output = await text(child.stdout as NonNullable<typeof child.stdout>);
    assert.match(output, /^ERR_NACUE_CACHE .*cannot be written \(EACCES\)/);
    assert.match(output, /1\. set NACUE_CACHE_DIR/);
  });
});

describe('installLibTorch and the disk', () => {
  it('asks for the space before it fetches anything', async () => {
    const env = newCache();
    const release = serve(fakeRelease());
    await failsWith(
      () => install(env, withWheel(release, release.torch, { size: 1e15 })),
      'ERR_NACUE_CACHE',
      /needs 2200000\.0 GB in .*libtorch while it is installed, and .* are free/,
      /1\. free some space/,
      /2\. set NACUE_CACHE_DIR/,
    );
    assert.deepEqual(server.asked, []);
    assert.deepEqual(namesIn(folder(env)), []);
  });

  it('explains a file where a folder should be', async () => {
    const file = path.join(root, 'a file');
    fs.writeFileSync(file, '');
    await failsWith(
      () => install(newCache({ NACUE_CACHE_DIR: file }), fakeRelease()),
      'ERR_NACUE_CACHE',
      /cannot be written/,
    );
  });
});
