/**
 * Tests what would be published: `npm run test:package [-- --libtorch DIR ... --tarball FILE --grep TEXT]`
 *
 * Packs the checkout and runs test/package on the tarball: its contents, its types, installed, bundled, as other package managers lay
 * it out. On one LibTorch per binary, found as nacue finds it or fetched; --libtorch or NACUE_LIBTORCH_DIRS (separated by colons)
 * names others. --tarball takes one that is there.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { quietThreads, run } from './steps/command.mjs';
import { packedPackage } from './steps/packed_package.mjs';
import { main, root } from './steps/project.mjs';

await main(async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'nacue-pack-'));
  try {
    const { tarball, libtorchs, grep } = await packedPackage(folder);
    const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
    const options = ['--no-config', '--require', 'tsx', '--timeout', '300000', ...(grep ? ['--grep', grep] : [])];
    run(process.execPath, [mocha, ...options, path.join(root, 'test', 'package', '*.test.ts')], {
      env: {
        ...process.env,
        ...quietThreads,
        NACUE_TEST_TARBALL: tarball,
        NACUE_TEST_LIBTORCHS: JSON.stringify(libtorchs),
      },
      cwd: root,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
