import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type Application, bin, install, run, scoresAreGolden, type User } from './application.js';
import { filesBelow, folder, libtorchs, unpacked } from './packed.js';
import { installByPnpm } from './pnpm.js';

const ways = [
  ['import', 'import.mjs'],
  ['require', 'require.cjs'],
] as const;

/** The LibTorch in `dir`, or a copy where the user cannot come to it: a cache below root's home. */
function readableBy(user: User, dir: string): string {
  if (spawnSync('test', ['-r', path.join(dir, 'version.py')], user).status === 0) return dir;
  const copy = fs.mkdtempSync(path.join(folder, 'libtorch-'));
  fs.chmodSync(copy, 0o755);
  const nvidia = path.join(dir, '..', 'nvidia'); // which the libraries find from where they lie
  for (const part of [dir, nvidia].filter((each) => fs.existsSync(each))) {
    const byLinks = spawnSync('cp', ['-al', part, copy]);
    if (byLinks.status !== 0) execFileSync('cp', ['-a', part, copy]); // on another file system
  }
  return path.join(copy, path.basename(dir));
}

/** One test for each way to load the package and each LibTorch. */
function itScores(application: () => Application, dirOf: (libtorch: string) => string = (dir) => dir): void {
  for (const { dir, version } of libtorchs) {
    for (const [way, script] of ways) {
      it(`fits and predicts the golden scores by ${way} on LibTorch ${version}`, () => {
        scoresAreGolden(application(), script, dirOf(dir));
      });
    }
  }
}

describe('installed in an empty folder, with an empty HOME and only node and npm on PATH', () => {
  let application: Application;
  before(() => {
    application = install('plain');
  });

  it('has what the tarball has, and its dependencies', () => {
    const modules = path.join(application.dir, 'node_modules');
    assert.deepEqual(filesBelow(path.join(modules, 'nacue')), filesBelow(unpacked));
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(unpacked, 'package.json'), 'utf8'));
    for (const name of Object.keys(dependencies)) assert.ok(fs.existsSync(path.join(modules, name)), name);
  });

  it('finds no compiler, no CMake and no Python there', () => {
    assert.deepEqual(fs.readdirSync(bin()).sort(), ['node', 'npm']);
  });

  itScores(() => application);

  it('prints its version and its help', () => {
    const program = path.join('node_modules', '.bin', 'nacue');
    const { version } = JSON.parse(fs.readFileSync(path.join(unpacked, 'package.json'), 'utf8'));
    assert.equal(run(application, ['node', program, '--version'], {}).trim(), version);
    assert.match(run(application, ['node', program, '--help'], {}), /^Usage: nacue /m);
  });
});

describe('installed in a folder with spaces and letters beyond ASCII', () => {
  let application: Application;
  before(() => {
    application = install('la niña 日本 with spaces');
  });
  const linked = (dir: string) => {
    const link = path.join(application.dir, `LibTorch für ${path.basename(dir)}`);
    fs.rmSync(link, { force: true });
    fs.symlinkSync(dir, link);
    return link;
  };
  itScores(() => application, linked);
});

describe('installed by an ordinary user, in read-only node_modules', () => {
  const nobody = { uid: 65534, gid: 65534 };
  const user: User = process.getuid?.() === 0 ? nobody : {};
  const modules = () => path.join(application.dir, 'node_modules');
  let application: Application;
  before(() => {
    application = install('ordinary', user);
    execFileSync('chmod', ['-R', 'a-w', modules()]);
  });
  after(() => execFileSync('chmod', ['-R', 'u+w', modules()]));

  it('cannot write there', () => {
    const write = `require('fs').writeFileSync(process.argv[1], '')`;
    const args = ['-e', write, path.join(modules(), 'nacue', 'written')];
    const { stderr } = spawnSync(process.execPath, args, { ...user, encoding: 'utf8' });
    assert.match(stderr, /EACCES/);
  });

  itScores(
    () => application,
    (dir) => readableBy(user, dir),
  );
});

describe('installed by pnpm, whose packages are linked from a store and see only their own dependencies', () => {
  let application: Application | undefined;
  before(function () {
    application = installByPnpm('by pnpm');
    if (!application) this.skip();
  });
  itScores(() => application as Application);
});
