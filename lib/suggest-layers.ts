/** Which layers to watch, as far as the shapes of their outputs tell. */
import type { ModuleInfo } from './inspect.js';
import type { FeatureReduce } from './options.js';
import { sameShape } from './shape.js';

/** A layer for `layers` and its `featureReduce`. */
export interface LayerSuggestion {
  layer: string;
  featureReduce: FeatureReduce;
}

interface Stage extends ModuleInfo {
  outputShape: number[];
  suggestedReduce: FeatureReduce;
}

const mostLayers = 4;

/**
 * Suggests up to four layers to begin with: the last stages of a network, each resolution's last one, as the paper chooses them.
 *
 * A stage that a global pooling follows is left out for the pooling, which has the same neurons, and so is the output of the model. What
 * suits best depends on the data: `tune()` searches.
 *
 * @param modules what `inspect()` gave with an `inputShape`; without, nothing is suggested
 * @returns in the order of execution, as far as modules are registered in it
 *
 * @example
 * const suggested = suggestLayers(await inspect('resnet18.pt', { inputShape: [3, 224, 224] }));
 * const layers = suggested.map(({ layer }) => layer); // layer1, layer2, layer3, avgpool
 */
export function suggestLayers(modules: readonly ModuleInfo[]): LayerSuggestion[] {
  const stages = withoutPooled(lastOfEachShape(withoutRepeats(ofOneKind(hiddenStages(modules)))));
  return stages
    .slice(-mostLayers)
    .map(({ path, suggestedReduce }) => ({ layer: path, featureReduce: suggestedReduce }));
}

/** The outermost modules, opened where they are too few, without the one that gives the logits. */
function hiddenStages(modules: readonly ModuleInfo[]): Stage[] {
  let level = childrenOf(modules, '');
  for (;;) {
    const stages = level.filter(isStage).filter((stage, i, all) => !isLogits(stage, all.slice(i + 1)));
    if (lastOfEachShape(stages).length >= mostLayers - 1) return stages;
    const opened = level.flatMap((module) => {
      const children = childrenOf(modules, `${module.path}.`);
      return children.filter(isStage).length > 1 ? children : [module];
    });
    if (opened.length === level.length) return stages;
    level = opened;
  }
}

function childrenOf(modules: readonly ModuleInfo[], prefix: string): ModuleInfo[] {
  return modules.filter(({ path }) => path.startsWith(prefix) && !path.slice(prefix.length).includes('.'));
}

function isStage(module: ModuleInfo): module is Stage {
  return module.calls === 1 && module.outputShape !== null && module.suggestedReduce !== null;
}

/** Nothing but modules of the same shape (a softmax, a dropout) comes after the logits. */
function isLogits({ layout, outputShape }: Stage, later: readonly Stage[]): boolean {
  return layout === 'features' && later.every((other) => sameShape(other.outputShape, outputShape));
}

/** Maps before tokens only cut the picture into patches. */
function ofOneKind(stages: readonly Stage[]): Stage[] {
  return stages.filter((stage, i) => !isMap(stage) || !stages.slice(i).some(({ layout }) => layout === 'tokens'));
}

/** A flattening or a dropout after the pooling has its neurons again. */
function withoutRepeats(stages: readonly Stage[]): Stage[] {
  return stages.filter((stage, i) => {
    const before = stages[i - 1];
    return !before || isMap(stage) || !isSmallStep(stage) || !isPooled(before) || !isMap(before);
  });
}

/** Tokens and features have one shape in many layers, and each of them is a stage. */
function lastOfEachShape(stages: readonly Stage[]): Stage[] {
  return stages.filter((stage, i) => {
    const next = stages[i + 1];
    if (!isMap(stage)) return next === undefined || !isSmallStep(next);
    return next === undefined || !sameShape(sizeOf(stage), sizeOf(next));
  });
}

function isMap({ layout }: Stage): boolean {
  return layout === 'channels-first' || layout === 'channels-last';
}

/** A norm, an activation or a dropout only finishes the stage before it. */
function isSmallStep({ type }: Stage): boolean {
  return /relu|gelu|tanh|sigmoid|silu|norm|dropout|identity|flatten/i.test(type);
}

function withoutPooled(stages: readonly Stage[]): Stage[] {
  return stages.filter((stage, i) => {
    const next = stages[i + 1];
    return (
      !next || stage.layout !== 'channels-first' || !isPooled(next) || next.outputShape[0] !== stage.outputShape[0]
    );
  });
}

function isPooled({ outputShape }: Stage): boolean {
  return outputShape.slice(1).every((size) => size === 1);
}

/** Height and width. */
function sizeOf({ layout, outputShape }: Stage): number[] {
  return layout === 'channels-last' ? outputShape.slice(0, 2) : outputShape.slice(1);
}
