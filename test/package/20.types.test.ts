import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { create } from './application.js';
import { checkout, unpacked } from './packed.js';

const sources = path.join(__dirname, 'types');
const modulesOfCheckout = path.join(checkout, 'node_modules');

/** How an application may resolve packages: TypeScript's `moduleResolution` and the `module` that goes with it. */
const resolutions = [
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['bundler', 'preserve'],
] as const;

/** A folder with the unpacked tarball in node_modules, and the sources under the names of both kinds of module. */
function application(name: string, edit: (text: string) => string = (text) => text): string {
  const { dir } = create(name);
  fs.mkdirSync(path.join(dir, 'node_modules', '@types'), { recursive: true });
  fs.symlinkSync(unpacked, path.join(dir, 'node_modules', 'nacue'));
  for (const types of ['@types/node', 'undici-types'])
    fs.symlinkSync(path.join(modulesOfCheckout, types), path.join(dir, 'node_modules', types));
  for (const file of fs.readdirSync(sources)) {
    const text = edit(fs.readFileSync(path.join(sources, file), 'utf8'));
    for (const kind of ['.mts', '.cts']) fs.writeFileSync(path.join(dir, file.replace('.ts', kind)), text);
  }
  return dir;
}

/** tsc's complaints, one per line. */
function complaints(dir: string, files: string[], options: Record<string, unknown>): string[] {
  const compilerOptions = { strict: true, noEmit: true, target: 'es2022', types: ['node'], ...options };
  fs.writeFileSync(path.join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  const tsc = path.join(modulesOfCheckout, 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [tsc, '--project', dir, '--pretty', 'false'], {
    encoding: 'utf8',
  });
  assert.equal(stderr, '');
  return stdout.split('\n').filter((line) => /\berror TS\d+/.test(line));
}

describe('the types of the package', () => {
  for (const [moduleResolution, module] of resolutions) {
    it(`compile, and reject each mistake, in .mts and .cts with moduleResolution ${moduleResolution}`, () => {
      const dir = application(`types ${moduleResolution}`);
      const files = ['accepted.mts', 'rejected.mts', 'accepted.cts', 'rejected.cts'];
      assert.deepEqual(complaints(dir, files, { module, moduleResolution }), []);
    });
  }

  it('have one error for each directive, once the directives are gone', () => {
    const directive = /^ *\/\/ @ts-expect-error.*\n/gm;
    const dir = application('types bare', (text) => text.replace(directive, ''));
    const mistakes = fs.readFileSync(path.join(sources, 'rejected.ts'), 'utf8').match(directive)?.length ?? 0;
    const options = { module: 'node16', moduleResolution: 'node16' };
    const lines = new Set(complaints(dir, ['rejected.mts'], options).map((line) => /\((\d+),/.exec(line)?.[1]));
    assert.equal(lines.size, mistakes);
  });

  it('need no types of Node.js', () => {
    const dir = application('types without node');
    fs.rmSync(path.join(dir, 'node_modules', '@types'), { recursive: true });
    const lib = ['es2022', 'dom', 'esnext.disposable'];
    const options = { module: 'node16', moduleResolution: 'node16', types: [], lib };
    assert.deepEqual(complaints(dir, ['accepted.mts', 'rejected.mts'], options), []);
  });
});
