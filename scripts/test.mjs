/** The whole test suite: mocha on the public API, GoogleTest on native/core. `npm test [-- MOCHA OPTION...]` */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { quietThreads, run } from './steps/command.mjs';
import { provideLibTorch } from './steps/libtorch.mjs';
import { runMocha } from './steps/mocha.mjs';
import { buildNative, cmakeDir } from './steps/native.mjs';
import { main, root, say } from './steps/project.mjs';

const coreTest = 'nacue_core_test';

await main(async () => {
  const libtorch = await provideLibTorch();
  say('test', 'the public API (mocha)');
  const env = { ...process.env, ...quietThreads, NACUE_LIBTORCH: libtorch.dir };
  runMocha(root, { args: process.argv.slice(2), env });

  const options = { tests: true };
  await buildNative(libtorch, options);
  const program = path.join(cmakeDir(libtorch, options), coreTest);
  if (!existsSync(program)) return say('test', 'native/core is not tested: no GoogleTest here (Debian: libgtest-dev)');
  say('test', 'native/core (GoogleTest)');
  run(program, ['--gtest_brief=1']);
});
