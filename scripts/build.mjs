/**
 * Builds the native code: node scripts/build.mjs [--libtorch DIR] [--asan] [--tests] [--dev] [--out DIR] [--copy-to DIR] [--verbose]
 *
 * Without --libtorch for the LibTorch at hand. Always runs the build; `npm run setup` only when stale.
 * --tests adds native/test; --dev sets the build folder up for editing native/ (a slower first build, quick ones after).
 * --copy-to is for binding.gyp: where node-gyp expects the addons.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { libtorchIn, provideLibTorch } from './steps/libtorch.mjs';
import { buildNative, builtCudaGraphs, builtFiles } from './steps/native.mjs';
import { isCheckout, main, root } from './steps/project.mjs';
import { compileTypeScript } from './steps/typescript.mjs';

await main(async () => {
  const { values } = parseArgs({
    options: {
      libtorch: { type: 'string' },
      out: { type: 'string' },
      asan: { type: 'boolean', default: false },
      tests: { type: 'boolean', default: false },
      dev: { type: 'boolean', default: false },
      'copy-to': { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  });
  compileTypeScript();
  const libtorch = await (values.libtorch ? libtorchIn(values.libtorch) : libtorchAtHand());
  const { asan: sanitize, tests, dev, verbose } = values;
  const options = { sanitize, tests, dev, verbose, out: values.out && path.resolve(values.out) };
  await buildNative(libtorch, options);
  const files = [...builtFiles(libtorch, options), builtCudaGraphs(libtorch, options)].filter((file) => file !== null);
  if (values['copy-to']) copyInto(path.resolve(values['copy-to']), files);
});

async function libtorchAtHand() {
  if (isCheckout) return provideLibTorch();
  const { findLibTorch } = await import(path.join(root, 'dist', 'libtorch', 'search.js'));
  return findLibTorch();
}

function copyInto(folder, files) {
  mkdirSync(folder, { recursive: true });
  for (const file of files) copyFileSync(file, path.join(folder, path.basename(file)));
}
