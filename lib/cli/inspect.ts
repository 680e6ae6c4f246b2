import type { ModuleInfo } from '../inspect.js';
import type { LayerSuggestion } from '../suggest-layers.js';
import { defineCommand } from './command.js';
import { exitCodes } from './exit-codes.js';
import { modelArgument } from './model-argument.js';
import { json, sampleShape } from './shared-options.js';
import { alignRows, print, printJson, tell } from './terminal.js';

export const inspect = defineCommand({
  name: 'inspect',
  summary: "list a model's layers, with shapes, and suggest which to watch",
  configurable: true,
  args: [modelArgument],
  options: {
    shape: {
      ...sampleShape,
      summary: 'the shape of one sample, for example 3,224,224: the model then runs once on zeros',
    },
    json,
  },
  examples: [
    { line: 'npx nacue inspect model.pt --shape 3,224,224', summary: 'a tree of layers, and a choice for --layers' },
  ],
  async run({ args: [model], options: { shape, json } }) {
    const { inspect: inspectModel } = await import('../inspect.js');
    const { suggestLayers } = await import('../suggest-layers.js');
    const modules = await inspectModel(model as string, shape && { inputShape: shape });
    const suggested = suggestLayers(modules);
    if (json) printJson({ modules, suggested });
    else {
      print(treeOf(modules).join('\n'));
      if (shape) tell(adviceOf(suggested));
      else tell('\nwith --shape, the shape of one sample, there are output shapes and suggestions');
    }
    return exitCodes.ok;
  },
});

function treeOf(modules: readonly ModuleInfo[]): string[] {
  const rows = modules.map(({ path, type, calls, outputType, outputShape, layout, suggestedReduce }) => [
    `${'  '.repeat(path.split('.').length - 1)}${path}`,
    type,
    calls === null ? '?' : String(calls),
    outputShape ? `(B, ${outputShape.join(', ')})` : (outputType ?? '-'),
    layout ?? '',
    suggestedReduce ?? '',
  ]);
  return alignRows([['LAYER', 'TYPE', 'CALLS', 'OUTPUT', 'LAYOUT', 'REDUCE'], ...rows]);
}

function adviceOf(suggested: readonly LayerSuggestion[]): string {
  if (suggested.length === 0) return '\nno layers stand out: choose late ones whose output is a tensor';
  const layers = suggested.map(({ layer }) => layer).join(',');
  const reduces = suggested.map(({ featureReduce }) => featureReduce);
  const reduce = reduces.every((name) => name === 'auto') ? '' : ` --feature-reduce ${reduces.join(',')}`;
  return `\nsuggested: --layers ${layers}${reduce}`;
}
