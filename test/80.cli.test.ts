import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { errorCodes, NacueError, type NacueErrorCode, version } from 'nacue';
import { installBuildTools } from '../dist/cli/build-tools.js';
import { eachCommand } from '../dist/cli/command.js';
import { commands } from '../dist/cli/commands.js';
import { exitCodeOf, exitCodes } from '../dist/cli/exit-codes.js';
import { flagsOf, meaningOf } from '../dist/cli/option-text.js';
import { Progress } from '../dist/cli/progress.js';
import { withOptionTables } from '../dist/cli/reference.js';
import { defaultVersion } from '../dist/libtorch/releases.js';
import { ended, fakeBinaries, fakeLibTorch, mainFile, nacue } from './cli.js';
import { abandoned, leave } from './libtorch-install/partials.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'nacue cli '));
after(() => fs.rmSync(folder, { recursive: true }));

const binaries = fakeBinaries(path.join(folder, 'binaries'), '2.11', '2.15');
/** Nothing set, nothing cached, no other programs. */
const nowhere = {
  PATH: path.join(folder, 'bin'),
  NACUE_CACHE_DIR: path.join(folder, 'no cache'),
  NACUE_LIBTORCH: '',
  NACUE_PREBUILD: binaries,
};

/** A cache with one LibTorch per name; each has 24 bytes of its own and those of its version. */
function cache(name: string, ...names: string[]): string {
  const dir = path.join(folder, name);
  for (const name of names) fakeLibTorch(path.join(dir, 'libtorch', name), name.replace(/-cuda$/, ''));
  return dir;
}

const allCommands = eachCommand(commands).map(({ words, command }) => ({
  title: ['nacue', ...words].join(' '),
  command,
}));

describe('nacue', () => {
  it('prints its help on stdout', async () => {
    const { code, stdout, stderr } = await nacue(['--help']);
    assert.deepEqual([code, stderr], [0, '']);
    for (const { name } of commands) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  });

  for (const { title } of allCommands) {
    it(`has an example in the help of ${title}`, async () => {
      const { code, stdout, stderr } = await nacue([...title.split(' ').slice(1), '--help']);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, new RegExp(`Examples:\n.*${title}`));
    });
  }

  it('prints its version, and takes that of LibTorch for another option', async () => {
    assert.deepEqual(await nacue(['--version']), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
    const { code, stderr } = await nacue(['libtorch', 'install', '--version']);
    assert.deepEqual([code, stderr.split(';')[0]], [2, "nacue: option '--version <VERSION>' argument missing"]);
  });

  it('loads nothing for --help but the tables of the commands', async () => {
    const spy = path.join(folder, 'spy.cjs');
    fs.writeFileSync(spy, "process.on('exit', () => console.error(Object.keys(require.cache).join('\\n')));");
    const { stderr } = await nacue(['--help'], { nodeArgs: ['--require', spy] });
    const loaded = stderr
      .split('\n')
      .filter((file) =>
        /undici|yauzl|node-gyp-build|tinyglobby|\.node$|[\\/](addon|data|outputs)[\\/](?!format-names)/.test(file),
      );
    assert.deepEqual(loaded, []);
    assert.match(stderr, /dist.cli.main\.js/);
  });

  for (const words of [[], ['libtorch']]) {
    it(`prints help on stderr and fails without a command: \`nacue ${words.join(' ')}\``, async () => {
      const { code, stdout, stderr } = await nacue(words);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^Usage: nacue/);
    });
  }

  const wrong: [string, string, RegExp][] = [
    ['a command that does not exist', 'buld', /unknown command 'buld' \(Did you mean build\?\); see `nacue --help`/],
    ['a subcommand that does not exist', 'libtorch fetch', /unknown command 'fetch'; see `nacue libtorch --help`/],
    ['an option that does not exist', 'doctor --jsno', /'--jsno' \(Did you mean --json\?\); see `nacue doctor --help`/],
    ['an option without its value', 'build --out', /'--out <DIR>' argument missing; see `nacue build --help`/],
    ['an argument too many', 'doctor now', /too many arguments.*; see `nacue doctor --help`/],
    ['nothing to remove', 'libtorch remove', /give names, or --all; see `nacue libtorch remove --help`/],
    ['names beside --all', 'libtorch remove --all 2.11.0', /--all leaves no room for names/],
    ['a name that is not there', 'libtorch remove 2.11.0', /there is no LibTorch 2\.11\.0, but none at all/],
  ];
  for (const [name, line, message] of wrong) {
    it(`refuses ${name} in one line`, async () => {
      const { code, stdout, stderr } = await nacue(line.split(' '), { env: nowhere });
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^nacue: [^\n]*\n$/);
      assert.match(stderr, message);
    });
  }

  it('is quiet when nobody reads its output any more', async () => {
    const child = spawn(process.execPath, [mainFile, 'libtorch', 'list', '--json']);
    child.stdout.destroy();
    const { code, stderr } = await ended(child);
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('says in one line that its output cannot be written', async () => {
    const full = fs.openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [mainFile, 'libtorch', 'list', '--json'], {
      stdio: ['ignore', full, 'pipe'],
    });
    fs.closeSync(full);
    const { code, stderr } = await ended(child);
    assert.equal(code, 1);
    assert.match(stderr, /^nacue: cannot write to stdout: ENOSPC[^\n]*\n$/);
  });
});

describe('exit codes', () => {
  it('are usage, machine, model or data by the code of the error, whatever its class', () => {
    const expected: Partial<Record<NacueErrorCode, number>> = {
      ERR_NACUE_OUT_OF_RANGE: 2,
      ERR_NACUE_LIBTORCH_NOT_FOUND: 3,
      ERR_NACUE_MODEL_FORMAT: 4,
      ERR_NACUE_STATE_VERSION: 4,
      ERR_NACUE_NON_FINITE: 5,
      ERR_NACUE_BUILD: 1,
    };
    for (const [code, exitCode] of Object.entries(expected)) {
      assert.equal(exitCodeOf(new NacueError(code as NacueErrorCode, '')), exitCode, code);
    }
    assert.equal(exitCodeOf(Object.assign(new RangeError(''), { code: 'ERR_NACUE_SHAPE' })), 5);
    assert.equal(exitCodeOf(Object.assign(new Error(''), { code: 'ENOENT' })), 1);
  });

  it('exist for every error', () => {
    for (const code of Object.keys(errorCodes)) {
      assert.ok([1, 2, 3, 4, 5].includes(exitCodeOf(new NacueError(code as NacueErrorCode, ''))), code);
    }
  });
});

describe('Progress', () => {
  class Recorder {
    written: string[] = [];
    constructor(readonly isTTY: boolean) {}
    write(text: string): void {
      this.written.push(text);
    }
  }

  function record(isTTY: boolean, quiet = false): string[] {
    const stream = new Recorder(isTTY);
    const progress = new Progress({ quiet, stream: stream as unknown as NodeJS.WriteStream });
    for (const [phase, text] of [
      ['a', 'a 0'],
      ['a', 'a 1'],
      ['b', 'b 0'],
      ['b', 'b 1'],
    ] as const) {
      progress.update(phase, () => text);
    }
    progress.end();
    return stream.written;
  }

  it('writes one line over on a terminal, and takes it away at the end', () => {
    assert.deepEqual(record(true), ['\r\x1b[Ka 0', '\r\x1b[Kb 0', '\r\x1b[K']);
  });

  it('writes a line per phase and one every few seconds elsewhere', () => {
    assert.deepEqual(record(false), ['a 0\n', 'b 0\n']);
  });

  it('is silent when it is asked to be', () => {
    assert.deepEqual([...record(true, true), ...record(false, true)], []);
  });
});

describe('docs/cli.md', () => {
  const text = fs.readFileSync(path.join(__dirname, '..', 'docs', 'cli.md'), 'utf8');

  it('has the options as the tables of the commands have them', () => {
    assert.equal(withOptionTables(text, commands), text, 'run `npm run reference`');
  });

  for (const { title, command } of allCommands) {
    it(`has the options and examples of ${title}`, () => {
      const section = text.split(/^## /m).find((section) => section.startsWith(`\`${title}`)) ?? '';
      const hasOptions = Object.keys(command.options).length > 0;
      assert.equal(section.includes(`<!-- options: ${title} -->`), hasOptions);
      for (const { line } of command.examples) assert.ok(section.includes(line), line);
    });
  }

  it('has every option of every command', () => {
    for (const { command } of allCommands)
      for (const [name, option] of Object.entries(command.options))
        assert.ok(text.includes(`| \`${flagsOf(name, option)}\` | ${meaningOf(option)} |`), name);
  });

  it('has every exit code', () => {
    const codes = [...text.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    assert.deepEqual(codes, Object.values(exitCodes));
  });
});

describe('nacue libtorch path', () => {
  it('prints the folder of the LibTorch that would be used, and no more', async () => {
    const env = { ...nowhere, NACUE_CACHE_DIR: cache('path', '2.9.0', '2.11.0', '2.12.0') };
    const { code, stdout, stderr } = await nacue(['libtorch', 'path'], { env });
    assert.deepEqual([code, stderr], [0, '']);
    assert.equal(stdout, `${path.join(folder, 'path', 'libtorch', '2.11.0')}\n`);
  });

  it('says why there is none', async () => {
    const { code, stdout, stderr } = await nacue(['libtorch', 'path'], { env: nowhere });
    assert.deepEqual([code, stdout], [3, '']);
    assert.match(stderr, /^nacue: no LibTorch was found\.\nLooked at:\n {2}- NACUE_LIBTORCH: not set/);
    assert.match(stderr, /To fix it, one of:\n {2}1\. /);
  });
});

describe('nacue libtorch list', () => {
  it('lists the cache, newest first, and marks the one that nacue would use', async () => {
    const env = { ...nowhere, NACUE_CACHE_DIR: cache('list', '2.9.0', '2.11.0', '2.12.0-cuda') };
    const { code, stdout, stderr } = await nacue(['libtorch', 'list'], { env });
    assert.deepEqual([code, stderr], [0, '']);
    assert.deepEqual(
      stdout.split('\n').map((line) => line.trimEnd()),
      [
        '   NAME         VERSION  DEVICE  SIZE  BINARY',
        '   2.12.0-cuda  2.12.0   CUDA    1 MB  no',
        '*  2.11.0       2.11.0   CPU     1 MB  yes',
        '   2.9.0        2.9.0    CPU     1 MB  no',
        '',
      ],
    );
  });

  it('names the one that is used from elsewhere', async () => {
    const elsewhere = fakeLibTorch(path.join(folder, 'elsewhere'), '2.15.0');
    const env = { ...nowhere, NACUE_CACHE_DIR: cache('second', '2.11.0'), NACUE_LIBTORCH: elsewhere };
    const { stdout, stderr } = await nacue(['libtorch', 'list'], { env });
    assert.doesNotMatch(stdout, /\*/);
    assert.equal(stderr, `nacue would use LibTorch 2.15.0 in ${elsewhere} (NACUE_LIBTORCH)\n`);
  });

  it('has the same as JSON', async () => {
    const dir = cache('json', '2.11.0');
    const { stdout } = await nacue(['libtorch', 'list', '--json'], { env: { ...nowhere, NACUE_CACHE_DIR: dir } });
    const libtorch = path.join(dir, 'libtorch', '2.11.0');
    assert.deepEqual(JSON.parse(stdout), {
      cache: path.join(dir, 'libtorch'),
      installed: [
        { name: '2.11.0', dir: libtorch, version: '2.11.0', cuda: false, bytes: 18, hasBinary: true, used: true },
      ],
      used: { dir: libtorch, version: '2.11.0', minor: '2.11', source: 'cache' },
    });
  });

  it('lists what there is when NACUE_PREBUILD names a place without binaries', async () => {
    const env = { ...nowhere, NACUE_PREBUILD: '/nowhere', NACUE_CACHE_DIR: cache('no binaries', '2.11.0') };
    const { code, stdout } = await nacue(['libtorch', 'list'], { env });
    assert.equal(code, 0);
    assert.match(stdout, /2\.11\.0 +2\.11\.0 +CPU +1 MB +no$/m);
  });

  it('says that the cache is empty', async () => {
    const { code, stdout, stderr } = await nacue(['libtorch', 'list'], { env: nowhere });
    assert.deepEqual([code, stdout], [0, '']);
    assert.match(stderr, /there is no LibTorch in .*no cache.libtorch\n.*`npx nacue doctor` says why/);
  });
});

describe('nacue libtorch remove', () => {
  it('removes what is named and says what that freed', async () => {
    const dir = cache('remove', '2.9.0', '2.11.0', '2.11.0-cuda');
    const env = { ...nowhere, NACUE_CACHE_DIR: dir };
    const { code, stderr } = await nacue(['libtorch', 'remove', '2.9.0', '2.11.0-cuda'], { env });
    assert.equal(code, 0);
    assert.equal(stderr, 'removed LibTorch 2.9.0: 1 MB freed\nremoved LibTorch 2.11.0-cuda: 1 MB freed\n');
    assert.deepEqual(fs.readdirSync(path.join(dir, 'libtorch')), ['2.11.0']);
  });

  it('removes all', async () => {
    const dir = cache('remove all', '2.9.0', '2.11.0');
    leave(path.join(dir, 'libtorch'), abandoned('2.12.0'));
    const { code, stderr } = await nacue(['libtorch', 'remove', '--all'], {
      env: { ...nowhere, NACUE_CACHE_DIR: dir },
    });
    assert.deepEqual([code, fs.readdirSync(path.join(dir, 'libtorch'))], [0, []]);
    assert.match(stderr, /^removed what an interrupted install of 2\.12\.0 has left: 1 MB freed$/m);
  });

  it('removes nothing when one of the names is wrong, and lists those there are', async () => {
    const dir = cache('kept', '2.9.0', '2.11.0');
    const env = { ...nowhere, NACUE_CACHE_DIR: dir };
    const { code, stderr } = await nacue(['libtorch', 'remove', '2.9.0', '2.10.0'], { env });
    assert.equal(code, 2);
    assert.match(stderr, /there is no LibTorch 2\.10\.0, but 2\.11\.0, 2\.9\.0/);
    assert.equal(fs.readdirSync(path.join(dir, 'libtorch')).length, 2);
  });
});

describe('nacue build', () => {
  const libtorch = fakeLibTorch(path.join(folder, 'to build for'), '2.11.0');

  it('lists the fixes where the tools are missing', async () => {
    const out = path.join(folder, 'out');
    const { code, stdout, stderr } = await nacue(['build', '--libtorch', libtorch, '--out', out], { env: nowhere });
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /not on PATH/);
    assert.match(stderr, /^nacue: /m);
    assert.match(stderr, / {2}1\. /);
  });

  it('refuses a LibTorch that is none', async () => {
    const { code, stderr } = await nacue(['build', '--libtorch', folder], { env: nowhere });
    assert.equal(code, 3);
    assert.match(stderr, /^nacue: no LibTorch was found\./);
  });

  it('refuses a folder that cannot be made', async () => {
    const out = path.join(libtorch, 'build-version', 'out');
    const { code, stderr } = await nacue(['build', '--libtorch', libtorch, '--out', out], { env: nowhere });
    assert.equal(code, 1);
    assert.match(stderr, /^nacue: the native part cannot be built into .*out\.\nLooked at:\n.*ENOTDIR/);
  });

  it('proposes another folder where the package may not be written', async function () {
    if (process.getuid?.() !== 0) return this.skip();
    fs.chmodSync(folder, 0o755);
    const nobody = 65534;
    const { code, stderr } = await nacue(['build', '--libtorch', libtorch], { env: nowhere, uid: nobody });
    assert.equal(code, 1);
    assert.match(stderr, /^nacue: the native part cannot be built into .*\n.*\n.*EACCES/);
    assert.match(stderr, /1\. run `npx nacue build --out DIR` .* set NACUE_PREBUILD=DIR/);
  });
});

describe('installBuildTools', () => {
  it('leaves nothing of an npm that failed, and all of one that succeeded', async () => {
    const cache = path.join(folder, 'tools');
    const bin = path.join(folder, 'npm');
    fs.mkdirSync(bin);
    const env = { NACUE_CACHE_DIR: process.env.NACUE_CACHE_DIR, PATH: process.env.PATH };
    Object.assign(process.env, { NACUE_CACHE_DIR: cache, PATH: `${bin}${path.delimiter}${env.PATH}` });
    const { signal } = new AbortController();
    const npm = (exitCode: number) => fs.writeFileSync(path.join(bin, 'npm'), fakeNpm(exitCode), { mode: 0o755 });
    try {
      npm(1);
      await assert.rejects(installBuildTools(signal), { code: 'ERR_NACUE_BUILD' });
      assert.deepEqual(fs.readdirSync(cache), []);
      npm(0);
      assert.equal(await installBuildTools(signal), path.join(cache, 'build-tools', 'node_modules'));
      assert.deepEqual(fs.readdirSync(cache), ['build-tools']);
    } finally {
      for (const [name, value] of Object.entries(env)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  /** Installs one empty package of two, as if it were killed in between. */
  function fakeNpm(exitCode: number): string {
    return `#!/bin/sh
while [ "$1" != --prefix ]; do shift; done
mkdir -p "$2/node_modules/cmake-js"
echo '{}' > "$2/node_modules/cmake-js/package.json"
exit ${exitCode}
`;
  }
});

describe('nacue libtorch install', () => {
  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    it(`says what it is about to do, and ends with ${expected} at ${signal}`, async () => {
      const interrupted = path.join(folder, `interrupted by ${signal}`);
      const server = http.createServer(() => child.kill(signal)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const from = `http://127.0.0.1:${(server.address() as AddressInfo).port}/libtorch-2.11.0.zip`;
      const child = spawn(process.execPath, [mainFile, 'libtorch', 'install', '--from', from], {
        env: { ...process.env, ...nowhere, NACUE_CACHE_DIR: interrupted, NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' },
      });
      const { code, stdout, stderr } = await ended(child);
      server.close();
      server.closeAllConnections();
      assert.deepEqual([code, stdout], [expected, '']);
      assert.match(stderr, /^LibTorch .* goes into .*interrupted/);
      assert.match(stderr, /\nfiles that have arrived whole are kept .*\nnacue: interrupted\n$/);
    });
  }

  it('says in its help which version it fetches', async () => {
    const { stdout } = await nacue(['libtorch', 'install', '--help']);
    assert.match(stdout.replace(/\s+/g, ' '), new RegExp(`\\(default: ${defaultVersion}\\)`));
  });

  it('refuses a version that it does not know, before it does anything', async () => {
    const env = { ...nowhere, NACUE_CACHE_DIR: path.join(folder, 'untouched') };
    const { code, stdout, stderr } = await nacue(['libtorch', 'install', '--version', '1.0'], { env });
    assert.deepEqual([code, stdout], [3, '']);
    assert.match(stderr, /^nacue: LibTorch 1\.0 /);
    assert.ok(!fs.existsSync(env.NACUE_CACHE_DIR));
  });
});
