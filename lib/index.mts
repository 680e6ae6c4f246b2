/** The same names for `import`: one implementation, so that `instanceof` agrees between the two. */
export type * from './index.js';
export {
  errorCodes,
  evaluate,
  inspect,
  libtorchVersion,
  metrics,
  NACUE,
  NacueError,
  openSamples,
  presets,
  tune,
  version,
} from './index.js';
