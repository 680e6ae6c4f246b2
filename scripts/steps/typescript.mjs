/** Step: compile lib/ into dist/. */
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { run } from './command.mjs';
import { isCheckout, root, say } from './project.mjs';
import { fingerprint, isFresh, writeStamp } from './stamp.mjs';

const stamp = path.join(root, 'dist', '.stamp');

export function compileTypeScript() {
  if (!isCheckout) return;
  const current = fingerprint(['lib', 'tsconfig.json', 'package-lock.json']);
  if (isFresh(stamp, current)) return say('typescript', 'dist/ is up to date');
  say('typescript', 'compiling lib/ into dist/');
  rmSync(path.join(root, 'dist'), { recursive: true, force: true }); // what has lost its source would be published
  run(process.execPath, [typescriptCompiler(), '--project', root]);
  writeStamp(stamp, current);
}

export function typescriptCompiler() {
  return createRequire(path.join(root, 'package.json')).resolve('typescript/bin/tsc');
}
