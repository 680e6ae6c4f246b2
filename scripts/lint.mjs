/**
 * Checks style, types and layout of everything in the repository; `--fix` formats instead of complaining.
 *
 * Installs what it needs: the npm packages, and clang-format and ruff in .python/lint; actionlint is run by Go.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { outputOf } from './steps/command.mjs';
import { installDependencies } from './steps/dependencies.mjs';
import { main, Problem, root, say } from './steps/project.mjs';
import { providePythonEnvironment } from './steps/python_environment.mjs';
import { typescriptCompiler } from './steps/typescript.mjs';

const actionlintModule = 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12';

await main(() => {
  const { fix } = parseArgs({ options: { fix: { type: 'boolean', default: false } } }).values;
  installDependencies();
  const failed = checks(fix, providePythonEnvironment('lint', 'scripts/lint-requirements.txt')).filter(fails);
  if (failed.length > 0) throw new Problem(`Failed: ${failed.map(({ name }) => name).join(', ')}.`);
});

function checks(fix, pythonPrograms) {
  const biome = path.join(root, 'node_modules', '.bin', 'biome');
  const clangFormat = path.join(pythonPrograms, 'clang-format');
  const ruff = path.join(pythonPrograms, 'ruff');
  const scripts = ['lib', 'test', 'scripts', 'examples', 'bench', 'gpu-check'].filter((folder) =>
    existsSync(path.join(root, folder)),
  );
  const tsc = (project) => [process.execPath, typescriptCompiler(), '--project', project];
  return [
    { name: 'biome', command: [biome, 'check', '--error-on-warnings', ...(fix ? ['--write'] : []), ...scripts] },
    { name: 'types of lib', command: tsc('.') },
    { name: 'types of test', command: tsc('test') },
    { name: 'clang-format', command: [clangFormat, ...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...nativeFiles()] },
    { name: 'ruff check', command: [ruff, 'check', ...(fix ? ['--fix'] : []), '.'] },
    { name: 'ruff format', command: [ruff, 'format', ...(fix ? [] : ['--check']), '.'] },
    { name: 'licences', command: [process.execPath, 'scripts/licenses.mjs', '--check'] },
    { name: 'architecture', command: [process.execPath, 'scripts/check-architecture.mjs'] },
    ...shellScripts().map((file) => ({ name: `syntax of ${path.basename(file)}`, command: ['bash', '-n', file] })),
    ...workflowChecks(),
  ];
}

/** The check of .github/workflows; none where neither actionlint nor Go is at hand, which only CI must not accept. */
function workflowChecks() {
  if (outputOf('actionlint', ['-version']) !== null) return [{ name: 'actionlint', command: ['actionlint'] }];
  if (outputOf('go', ['version']) !== null) return [{ name: 'actionlint', command: ['go', 'run', actionlintModule] }];
  if (process.env.CI !== 'true') {
    say('lint', 'actionlint is left out: neither actionlint nor go is on PATH');
    return [];
  }
  throw new Problem('The check of .github/workflows needs actionlint.', [
    `\`go install ${actionlintModule}\``,
    'put go on PATH: `npm run lint` then runs actionlint itself',
  ]);
}

function fails({ name, command: [program, ...args] }) {
  say('lint', name);
  const { error, status } = spawnSync(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw error;
  return status !== 0;
}

function shellScripts() {
  const folder = path.join('.github', 'scripts');
  return [...readdirSync(path.join(root, folder)).map((name) => path.join(folder, name)), 'gpu-check/run.sh'];
}

function nativeFiles() {
  return readdirSync(path.join(root, 'native'), { recursive: true })
    .filter((name) => /\.(cc|h|cu|cuh)$/.test(name))
    .map((name) => path.join('native', name));
}
