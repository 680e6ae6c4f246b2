/** Installs by pnpm, which is fetched for the test. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type Application, addProgram, create, networkSettings, run } from './application.js';
import { folder, tarball } from './packed.js';

// The last major version that runs on Node.js 20.
const pnpm = 'pnpm@10';

/** An application with the tarball installed by pnpm; undefined when pnpm cannot be had, and says so. */
export function installByPnpm(name: string): Application | undefined {
  const program = fetchPnpm();
  if (!program) return undefined;
  const application = create(name);
  fs.writeFileSync(path.join(application.dir, 'package.json'), '{ "private": true }\n');
  const env = { HOME: path.join(folder, 'pnpm home'), ...networkSettings() };
  run(application, ['node', program, 'add', '--store-dir', path.join(folder, 'pnpm store'), tarball], env);
  addProgram(application);
  return application;
}

function fetchPnpm(): string | undefined {
  const tools = path.join(folder, 'tools');
  fs.mkdirSync(tools, { recursive: true });
  const args = ['install', '--prefix', tools, '--no-save', '--ignore-scripts', pnpm];
  const { status, stderr } = spawnSync('npm', args, { encoding: 'utf8' });
  if (status === 0) return path.join(tools, 'node_modules', 'pnpm', 'bin', 'pnpm.cjs');
  console.log(`      left out: ${pnpm} cannot be fetched: ${stderr.trim().split('\n')[0]}`);
  return undefined;
}
