/** nacue_cuda.so with the real libtorch_cuda, which the Python environment has: does it find all that it needs there? */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { libtorchVersion } from 'nacue';

describe('nacue_cuda.so', () => {
  it('finds its symbols in libtorch_cuda, and records a pass or says why not', function () {
    const minor = libtorchVersion().split('.').slice(0, 2).join('.');
    const build = path.join(__dirname, '..', '..', 'build', `libtorch-${minor}`, 'build', 'Release');
    const library = path.join(build, 'nacue_cuda.so');
    if (!existsSync(library)) this.skip(); // built without CUDA's headers
    const output = execFileSync(process.env.NACUE_PARITY_PYTHON as string, ['-m', 'reference.pass_graphs', library], {
      cwd: __dirname,
      env: { ...process.env, PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' },
      encoding: 'utf8',
    });
    const answer = JSON.parse(output);
    assert.ok(answer.libtorch.startsWith(`${minor}.`), answer.libtorch);
    assert.equal(answer.is_recorded, answer.has_gpu, answer.problem);
    if (answer.has_gpu) assert.deepEqual(answer.replayed, [6, 6, 6, 6]);
    else assert.match(answer.problem, /CUDA/);
  });
});
