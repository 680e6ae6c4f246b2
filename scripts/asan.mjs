/**
 * All tests that run native code under AddressSanitizer and UndefinedBehaviorSanitizer, with leak checking and no suppressions.
 *
 * LibTorch itself is not instrumented; what it allocates and copies is watched, its kernels are not.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { outputOf, quietThreads, run } from './steps/command.mjs';
import { provideLibTorch } from './steps/libtorch.mjs';
import { buildNative, cmakeDir } from './steps/native.mjs';
import { main, Problem, root, say } from './steps/project.mjs';

// What finds, fetches, reads files and reports runs no native code of ours; compilers and shells do not start with the sanitizers in front of them.
const withoutNativeCode = '04 05 06 07 08 80 81 82 83 84 85 86 87 90 92 93'
  .split(' ')
  .map((number) => `test/${number}.*.test.ts`);

// A thread of an emulated kernel has a stack of its own; watched for use after return, each gets a second one, which takes 20 times as long.
const kernelTests = '*InKernel.*';

await main(async () => {
  const libtorch = await provideLibTorch();
  const options = { sanitize: true, tests: true };
  await buildNative(libtorch, options);
  const sanitizers = {
    ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1',
    ...quietThreads,
  };

  const program = path.join(cmakeDir(libtorch, options), 'nacue_core_test');
  if (!existsSync(program))
    throw new Problem('There is no GoogleTest here.', ['Debian: `apt-get install libgtest-dev`']);
  say('asan', 'native/core (GoogleTest)');
  runCoreTests(program, `-${kernelTests}`, sanitizers);
  runCoreTests(program, kernelTests, { ...sanitizers, ASAN_OPTIONS: 'detect_leaks=1' });

  say('asan', 'the public API (mocha)');
  const preload = ['libasan.so', 'libubsan.so'].map((name) => outputOf('c++', [`-print-file-name=${name}`]));
  const env = {
    ...process.env,
    ...sanitizers,
    NACUE_LIBTORCH: libtorch.dir,
    NACUE_PREBUILD: path.join(root, 'build', 'asan'),
    LD_PRELOAD: preload.join(' '),
    NACUE_TEST_BRIEF: '1',
  };
  const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');
  const ignored = withoutNativeCode.flatMap((files) => ['--ignore', files]);
  run(process.execPath, [mocha, '--timeout', '600000', ...ignored, ...process.argv.slice(2)], { env });
});

function runCoreTests(program, filter, sanitizers) {
  run(program, ['--gtest_brief=1', `--gtest_filter=${filter}`], { env: { ...process.env, ...sanitizers } });
}
