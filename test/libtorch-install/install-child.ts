/** Installs the fake release in a process of its own, which the test may kill; prints each phase, and how it ended. */
import { installLibTorch } from '../../dist/libtorch/install.js';
import { fakeRelease } from './fake-release.js';

const { dir, bulk } = JSON.parse(process.argv[2] ?? '') as { dir?: string; bulk: number };
let phase = '';
installLibTorch(
  {
    ...(dir === undefined ? {} : { dir }),
    onProgress: (progress) => {
      if (progress.phase !== phase) console.log(progress.phase);
      phase = progress.phase;
    },
  },
  fakeRelease(bulk).table,
).then(
  ({ version }) => console.log(version),
  ({ code, message }: { code?: string; message: string }) => console.log(code ?? message),
);
