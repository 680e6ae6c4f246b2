/** The same names for `import`: one implementation, so that `instanceof` agrees between the two. */
export type * from './index.js';
export {
  decodeImage,
  errorCodes,
  evaluate,
  inspect,
  libtorchVersion,
  metrics,
  NACUE,
  NacueError,
  openSamples,
  presets,
  recordEvaluation,
  renderPlot,
  renderReport,
  suggestLayers,
  transformImages,
  tune,
  version,
} from './index.js';
