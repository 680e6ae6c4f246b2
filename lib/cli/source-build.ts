/** Builds the native part by the package's own scripts/build.mjs. */
import fs from 'node:fs';
import path from 'node:path';
import { messageOf, NacueError } from '../errors.js';
import type { LibTorch } from '../libtorch/search.js';
import { explainFailure } from '../load-failure.js';
import { packageRoot } from '../package.js';
import { buildToolFolder, installBuildTools } from './build-tools.js';
import { runProgram } from './child-program.js';

interface BuildRequest {
  /** Where the result goes; the package's build folder without it. */
  out: string | undefined;
  verbose: boolean;
  signal: AbortSignal;
}

/**
 * Returns the folder with the binaries.
 *
 * @throws NacueError `ERR_NACUE_BUILD`; what the tools said is on stderr by then
 */
export async function buildFromSource(libtorch: LibTorch, { out, verbose, signal }: BuildRequest): Promise<string> {
  const root = packageWithSources();
  const folder = out === undefined ? path.join(root, 'build') : path.resolve(out);
  makeWritable(folder, out === undefined);
  const tools = buildToolFolder(root) ?? (await installBuildTools(signal));
  const args = [path.join(root, 'scripts', 'build.mjs'), '--libtorch', libtorch.dir];
  if (out !== undefined) args.push('--out', folder);
  if (verbose) args.push('--verbose');
  const env = { ...process.env, NODE_PATH: [tools, process.env.NODE_PATH].filter(Boolean).join(path.delimiter) };
  const failure = await runProgram(process.execPath, args, { env, signal });
  if (failure === null) return folder;
  throw new NacueError(
    'ERR_NACUE_BUILD',
    `the native part could not be built: the lines above say why (it ${failure})`,
  );
}

function packageWithSources(): string {
  const root = packageRoot();
  if (root !== undefined && fs.existsSync(path.join(root, 'scripts', 'build.mjs'))) return root;
  throw new NacueError(
    'ERR_NACUE_BUILD',
    'this copy of nacue came without its sources: run `npx nacue build` in a package that npm installed',
  );
}

function makeWritable(folder: string, isOwn: boolean): void {
  try {
    fs.mkdirSync(folder, { recursive: true });
    fs.accessSync(folder, fs.constants.W_OK);
  } catch (error) {
    const elsewhere = 'run `npx nacue build --out DIR` with a folder of your own, then set NACUE_PREBUILD=DIR';
    const message = explainFailure(
      `the native part cannot be built into ${folder}.`,
      [{ place: folder, result: messageOf(error) }],
      isOwn ? [elsewhere, 'run `npx nacue build` as the user that installed the package'] : [elsewhere],
    );
    throw new NacueError('ERR_NACUE_BUILD', message, { cause: error });
  }
}
