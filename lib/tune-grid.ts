/** What {@link tune} tries: checks it and puts the detector's own values first. */
import type { NativeConfig, NativeSearchConfig } from './addon/binding.js';
import { invalidType, outOfRange } from './errors.js';
import { type Check, checkKeys, positive, wholeNumber } from './option-checks.js';
import { type Binning, parseBinning, parseBins } from './options.js';

/** Values for one layer; every combination of them is a candidate. */
export interface LayerGrid {
  mBins?: readonly number[];
  alpha?: readonly number[];
  oStar?: readonly number[];
}

/**
 * Values to try. The detector's own are always among them.
 *
 * Without any of `mBins`, `alpha`, `oStar`: M 20, 50, 200; alpha in decades from 0.001 to 10,000, because published values span seven; O*
 * 5, 10, 50, 100. What is left out beside others stays as the detector has it.
 */
export interface TuneGrid extends LayerGrid {
  /** Bin rules, one for all layers. Default: the detector's own. With `'openood'` among them every M, also the detector's own, is even. */
  binning?: readonly Binning[];
  /** Other values for some layers, by name. */
  layers?: Readonly<Record<string, LayerGrid>>;
  /**
   * Which layers may be used together: true for every subset, the default for up to 8 layers, false for all of them only, or lists of
   * names. All of them together are always tried; layers that all have weight 0 never.
   */
  subsets?: boolean | readonly (readonly string[])[];
}

type ParsedGrid = Pick<NativeSearchConfig, 'layers' | 'binnings' | 'subsets'>;

const gridNames = ['mBins', 'alpha', 'oStar'] as const;
const defaults = {
  mBins: [20, 50, 200],
  alpha: [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000],
  oStar: [5, 10, 50, 100],
};
const mostSubsetLayers = 8;

/** @throws TypeError `ERR_NACUE_INVALID_ARG_TYPE`, RangeError `ERR_NACUE_OUT_OF_RANGE` */
export function parseGrid(grid: TuneGrid, config: NativeConfig): ParsedGrid {
  checkKeys('grid', grid, [...gridNames, 'binning', 'layers', 'subsets']);
  const names = config.layers.map(({ name }) => name);
  const { subsets = names.length <= mostSubsetLayers } = grid;
  const perLayer = parseLayers(grid.layers, names);
  const binnings = withOwn(config.binning, list('grid.binning', grid.binning, parseRule));
  const isEmpty = gridNames.every((name) => grid[name] === undefined) && perLayer.size === 0;
  const general = isEmpty ? defaults : grid;
  const evenBins: Binning = binnings.includes('openood') ? 'openood' : 'geometric';
  const bins: Check<number> = (name, value) => parseBins(name, value, evenBins);
  return {
    layers: config.layers.map((layer) => {
      const special = perLayer.get(layer.name);
      const values = (key: keyof LayerGrid, check: Check<number>) =>
        withOwn(
          layer[key],
          special?.[key] === undefined
            ? list(`grid.${key}`, general[key], check)
            : list(`grid.layers['${layer.name}'].${key}`, special[key], check),
        );
      bins(`the detector's mBins for layer '${layer.name}'`, layer.mBins);
      return {
        mBins: values('mBins', bins),
        alpha: values('alpha', positive),
        oStar: values('oStar', (name, value) => wholeNumber(name, value, 1)),
      };
    }),
    binnings,
    subsets: parseSubsets(subsets, names).filter((subset) =>
      config.layers.some(({ weight }, i) => subset[i] && weight > 0),
    ),
  };
}

function parseLayers(layers: unknown = {}, names: string[]): Map<string, LayerGrid> {
  if (typeof layers !== 'object' || layers === null)
    throw invalidType('grid.layers', 'an object of grids by layer', layers);
  for (const [name, special] of Object.entries(layers)) {
    if (!names.includes(name)) throw outOfRange('grid.layers', `an object with the keys ${names.join(', ')}`, name);
    checkKeys(`grid.layers['${name}']`, special, gridNames);
  }
  return new Map(Object.entries(layers));
}

function parseRule(name: string, value: unknown): Binning {
  if (value === undefined) throw invalidType(name, 'a bin rule', value);
  return parseBinning(name, value, 'geometric');
}

function list<T>(name: string, values: unknown, check: Check<T>): T[] {
  if (values === undefined) return [];
  if (!Array.isArray(values)) throw invalidType(name, 'an array', values);
  const list = Array.from(values, (value: unknown, i) => check(`${name}[${i}]`, value));
  if (list.length === 0) throw outOfRange(name, 'a list with at least one value', list);
  return list;
}

function withOwn<T>(own: T, values: T[]): T[] {
  return [...new Set([own, ...values])];
}

/** Per subset, which layers are in it; all of them first. */
function parseSubsets(subsets: unknown, names: string[]): boolean[][] {
  const all = names.map(() => true);
  if (subsets === false) return [all];
  if (subsets === true) {
    if (names.length > mostSubsetLayers)
      throw outOfRange('grid.subsets', `lists of names with more than ${mostSubsetLayers} layers`, subsets);
    const count = 2 ** names.length - 1;
    return Array.from({ length: count }, (_, i) => names.map((_, layer) => ((count - i) >> layer) % 2 === 1));
  }
  if (!Array.isArray(subsets)) throw invalidType('grid.subsets', 'true, false or lists of layer names', subsets);
  const listed = Array.from(subsets, (subset: unknown, i) => {
    if (!Array.isArray(subset)) throw invalidType(`grid.subsets[${i}]`, 'a list of layer names', subset);
    const members: unknown[] = Array.from(subset);
    const isKnown = members.length > 0 && members.every((name) => names.includes(name as string));
    if (!isKnown) throw outOfRange(`grid.subsets[${i}]`, `a list of names out of ${names.join(', ')}`, members);
    return names.map((name) => members.includes(name));
  });
  return [...new Map([all, ...listed].map((subset) => [String(subset), subset])).values()];
}
