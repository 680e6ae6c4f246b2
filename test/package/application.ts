/** An application that has the packed package installed, in a folder and an environment with nothing else. */
import assert from 'node:assert/strict';
import { type SpawnSyncOptions, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { checkout, folder, tarball } from './packed.js';

/** Who runs a program: the user of the tests unless it says otherwise. */
export type User = Pick<SpawnSyncOptions, 'uid' | 'gid'>;

export interface Application {
  /** Where the program and node_modules lie. */
  dir: string;
  /** An empty HOME. */
  home: string;
  user: User;
}

const fixtures = path.join(checkout, 'test', 'fixtures');
const golden = JSON.parse(fs.readFileSync(path.join(fixtures, 'small_golden.json'), 'utf8')) as { scores: number[] };
const programs = path.join(__dirname, 'application');

/** An application of this name, with the tarball installed by npm. */
export function install(name: string, user: User = {}): Application {
  const application = create(name, user);
  const packed = path.basename(tarball);
  fs.copyFileSync(tarball, path.join(application.dir, packed));
  const home = path.join(folder, `${name} npm`);
  makeFolder(home, user);
  run(application, ['npm', 'install', '--ignore-scripts', `./${packed}`], { HOME: home, ...networkSettings() });
  addProgram(application);
  return application;
}

/** An application of this name without any package. */
export function create(name: string, user: User = {}): Application {
  const application = { dir: path.join(folder, name), home: path.join(folder, `${name} home`), user };
  makeFolder(application.dir, user);
  makeFolder(application.home, user);
  return application;
}

/** Puts the program and what it scores into the application's folder. */
export function addProgram({ dir }: Application): void {
  for (const file of fs.readdirSync(programs)) fs.copyFileSync(path.join(programs, file), path.join(dir, file));
  for (const file of ['small.pt', 'small_golden.json'])
    fs.copyFileSync(path.join(fixtures, file), path.join(dir, file));
}

/** Runs a script of the application, which must print the golden scores and leave its HOME empty. */
export function scoresAreGolden(application: Application, script: string, libtorch: string): void {
  const output = run(application, ['node', script], { NACUE_LIBTORCH: libtorch, OMP_WAIT_POLICY: 'passive' });
  assert.deepEqual(JSON.parse(output), golden.scores);
  assert.deepEqual(fs.readdirSync(application.home), []);
}

/** Runs a program in the application's folder with this environment alone; returns what it printed. */
export function run({ dir, home, user }: Application, [program, ...args]: string[], env: NodeJS.ProcessEnv): string {
  const { status, signal, stdout, stderr, error } = spawnSync(path.join(bin(), program as string), args, {
    cwd: dir,
    encoding: 'utf8',
    env: { HOME: home, PATH: bin(), ...env },
    ...user,
  });
  if (error) throw error;
  assert.equal(status, 0, `${program} ${args.join(' ')} ended with ${signal ?? status}:\n${stdout}${stderr}`);
  return stdout;
}

/** A folder for PATH that holds node and npm, and nothing else. */
export function bin(): string {
  const dir = path.join(folder, 'bin');
  if (!fs.existsSync(dir)) {
    fs.mkdirSync(dir);
    fs.symlinkSync(process.execPath, path.join(dir, 'node'));
    fs.symlinkSync(path.join(path.dirname(process.execPath), 'npm'), path.join(dir, 'npm'));
  }
  return dir;
}

/** What npm needs to reach its registry from here, which an empty HOME no longer tells. */
export function networkSettings(): NodeJS.ProcessEnv {
  const settings: NodeJS.ProcessEnv = {};
  const names = ['registry', 'cafile', 'proxy', 'https-proxy', 'noproxy'];
  const { stdout } = spawnSync('npm', ['config', 'get', ...names], { cwd: checkout, encoding: 'utf8' });
  for (const [, name, value] of stdout.matchAll(/^([\w-]+)=(.+)$/gm)) {
    if (value !== 'null') settings[`npm_config_${name?.replace('-', '_')}`] = value;
  }
  for (const name of ['NODE_EXTRA_CA_CERTS', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']) {
    const value = process.env[name] ?? process.env[name.toLowerCase()];
    if (value) settings[name] = value;
  }
  return settings;
}

function makeFolder(dir: string, { uid, gid }: User): void {
  fs.mkdirSync(dir, { recursive: true });
  if (uid !== undefined && gid !== undefined) fs.chownSync(dir, uid, gid);
}
