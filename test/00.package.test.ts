import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { libtorchVersion, NACUE, version } from 'nacue';

describe('the package', () => {
  it('gives the same names and the same class to import and require', async () => {
    const required = createRequire(__filename)('nacue') as Record<string, unknown>;
    const imported = (await import('nacue')) as Record<string, unknown>;
    const names = [
      'NACUE',
      'NacueError',
      'errorCodes',
      'evaluate',
      'inspect',
      'libtorchVersion',
      'metrics',
      'presets',
      'version',
    ];
    for (const name of names) assert.ok(imported[name] !== undefined && imported[name] === required[name], name);
    assert.deepEqual(Object.keys(required).sort(), names);
  });

  it('opens nothing native when it is only loaded', async () => {
    const { execFileSync } = await import('node:child_process');
    const script =
      "require('nacue'); console.log(Object.keys(process.report.getReport().sharedObjects).length, " +
      'process.report.getReport().sharedObjects.filter((name) => /torch|nacue/.test(name)).length)';
    const output = execFileSync(process.execPath, ['-e', script], {
      cwd: path.join(__dirname, '..'),
      encoding: 'utf8',
    });
    assert.match(output, / 0\n$/);
  });

  it('knows its own version and that of LibTorch', () => {
    assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.match(libtorchVersion(), /^2\.\d+\.\d+$/);
  });

  it('cannot be built without create()', () => {
    assert.throws(() => new (NACUE as unknown as new () => NACUE)());
  });
});
