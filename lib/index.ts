/** The public names of the package. */
export type { Batch, DimsBatch, ShapedBatch } from './batch.js';
export type { ArgumentError, NacueErrorCode } from './errors.js';
export { errorCodes, NacueError } from './errors.js';
export type { InspectOptions, ModuleInfo } from './inspect.js';
export { inspect } from './inspect.js';
export type { CallOptions, Counts, FitOptions, FitProgress, LayerInfo, Score, Tensor } from './nacue.js';
export { NACUE } from './nacue.js';
export type { Binning, Device, LayerOptions, NACUEOptions } from './options.js';
export { libtorchVersion, version } from './version.js';
