import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { type BuildOptions, build } from 'esbuild';
import { type Application, addProgram, create, install, scoresAreGolden } from './application.js';
import { checkout, libtorchs } from './packed.js';

/** The line that docs/installing.md gives for bundles in ES module format. */
function documentedBanner(): string {
  const page = fs.readFileSync(path.join(checkout, 'docs', 'installing.md'), 'utf8');
  const banner = /--banner:js="(.*)"/.exec(page)?.[1];
  assert.ok(banner, 'docs/installing.md has no banner');
  return banner;
}

const formats: [string, string, BuildOptions][] = [
  ['CommonJS', 'bundle.cjs', { format: 'cjs' }],
  ['an ES module', 'bundle.mjs', { format: 'esm', banner: { js: documentedBanner() } }],
];

describe('a program bundled by esbuild', () => {
  let installed: Application;
  before(() => {
    installed = install('bundled');
  });

  async function bundle(entry: string, outfile: string, options: BuildOptions): Promise<string[]> {
    const entryPoints = [path.join(installed.dir, entry)];
    const { warnings } = await build({
      entryPoints,
      outfile,
      bundle: true,
      platform: 'node',
      logLevel: 'silent',
      ...options,
    });
    return warnings.map(({ text }) => text);
  }

  for (const [format, file, options] of formats) {
    it(`runs as ${format} with nacue left outside`, async () => {
      const warnings = await bundle('import.mjs', path.join(installed.dir, file), { external: ['nacue'], ...options });
      assert.deepEqual(warnings, []);
      for (const { dir } of libtorchs) scoresAreGolden(installed, file, dir);
    });

    it(`runs as ${format} with nacue inside and its binaries beside it, without node_modules`, async () => {
      const application = create(`bundle alone, ${format}`);
      addProgram(application);
      const warnings = await bundle('bundled.mjs', path.join(application.dir, file), options);
      assert.deepEqual(warnings, []);
      const prebuilds = path.join('node_modules', 'nacue', 'prebuilds');
      fs.cpSync(path.join(installed.dir, prebuilds), path.join(application.dir, 'prebuilds'), { recursive: true });
      assert.ok(!fs.existsSync(path.join(application.dir, 'node_modules')));
      for (const { dir } of libtorchs) scoresAreGolden(application, file, dir);
    });
  }
});
