/**
 * Makes a fresh checkout ready to run, and an up-to-date one in about a second: npm packages, TypeScript, LibTorch, native code.
 *
 * Needs Node.js, npm, python3 with pip, CMake and a C++ compiler; uses Node's own modules only.
 */
import { installDependencies } from './steps/dependencies.mjs';
import { provideLibTorch } from './steps/libtorch.mjs';
import { checkMachine } from './steps/machine.mjs';
import { buildNativeIfStale } from './steps/native.mjs';
import { main } from './steps/project.mjs';
import { compileTypeScript } from './steps/typescript.mjs';

await main(async () => {
  checkMachine();
  installDependencies();
  compileTypeScript();
  await buildNativeIfStale(await provideLibTorch());
});
