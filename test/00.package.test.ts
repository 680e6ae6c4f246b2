import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { errorCodes, libtorchVersion, NACUE, version } from 'nacue';

describe('the package', () => {
  it('gives the same names and the same class to import and require', async () => {
    const required = createRequire(__filename)('nacue') as Record<string, unknown>;
    const imported = (await import('nacue')) as Record<string, unknown>;
    const names = [
      'NACUE',
      'NacueError',
      'decodeImage',
      'errorCodes',
      'evaluate',
      'inspect',
      'libtorchVersion',
      'metrics',
      'openSamples',
      'presets',
      'recordEvaluation',
      'renderPlot',
      'renderReport',
      'suggestLayers',
      'transformImages',
      'tune',
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

  it('documents every error code as the code itself does', () => {
    const documented = fs.readFileSync(path.join(__dirname, '..', 'docs', 'errors.md'), 'utf8');
    const rows = [...documented.matchAll(/^\| `(ERR_NACUE_\w+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [
      code,
      meaning,
    ]);
    assert.deepEqual(rows, Object.entries(errorCodes));
  });

  it('carries the version that the Python bridge writes', () => {
    const bridge = fs.readFileSync(path.join(__dirname, '..', 'python', 'nacue_bridge.py'), 'utf8');
    assert.equal(/^__version__ = "(.*)"$/m.exec(bridge)?.[1], version);
  });

  it('cannot be built without create()', () => {
    assert.throws(() => new (NACUE as unknown as new () => NACUE)());
  });
});
