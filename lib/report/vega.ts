/** Vega and Vega-Lite, which only reports need: optional packages, loaded and inlined from where they are installed. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { messageOf, NacueError } from '../errors.js';

/** A Vega-Lite or Vega specification. */
export type Spec = Readonly<Record<string, unknown>>;

interface VegaLite {
  compile(spec: Spec, options: { config: Spec }): { spec: Spec };
}

interface Vega {
  parse(spec: Spec): unknown;
  View: new (runtime: unknown, options: { renderer: 'none' }) => { toSVG(): Promise<string>; finalize(): void };
}

/** @throws NacueError `ERR_NACUE_OPTIONAL_DEPENDENCY` where a page could not be drawn */
export function checkVega(): void {
  for (const name of ['vega', 'vega-lite']) resolve(name);
}

/** @throws NacueError `ERR_NACUE_OPTIONAL_DEPENDENCY` */
export async function compileSpec(spec: Spec, config: Spec): Promise<Spec> {
  const { compile } = await load<VegaLite>('vega-lite');
  return compile(spec, { config }).spec;
}

/** @throws NacueError `ERR_NACUE_OPTIONAL_DEPENDENCY` */
export async function drawSvg(spec: Spec): Promise<string> {
  const { parse, View } = await load<Vega>('vega');
  const view = new View(parse(spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}

/**
 * Vega as a script for a page, with its licence.
 *
 * @throws NacueError `ERR_NACUE_OPTIONAL_DEPENDENCY`
 */
export function vegaScript(): { code: string; license: string; version: string } {
  const build = path.dirname(resolve('vega'));
  const read = (...names: string[]) => fs.readFileSync(path.join(build, ...names), 'utf8');
  return {
    code: read('vega.min.js'),
    license: read('..', 'LICENSE'),
    version: (JSON.parse(read('..', 'package.json')) as { version: string }).version,
  };
}

// The names are not written into import(): a bundler would follow them, to packages that may not be there.
async function load<T>(name: 'vega' | 'vega-lite'): Promise<T> {
  resolve(name);
  return (await import(name)) as T;
}

function resolve(name: string): string {
  try {
    return createRequire(__filename).resolve(name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    throw new NacueError(
      'ERR_NACUE_OPTIONAL_DEPENDENCY',
      `reports and plots need the package ${name}: run \`npm install vega vega-lite\``,
      { cause: error, detail: messageOf(error) },
    );
  }
}
