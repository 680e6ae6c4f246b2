import { callNative, loadBinding, type NativeModule } from './binding.js';
import { checkModel } from './model.js';
import { parseSampleShape } from './options.js';

/** Options of {@link inspect}. */
export interface InspectOptions {
  /** Shape of one sample, without the batch: the model then runs once on zeros and output shapes are known. */
  inputShape?: readonly number[];
}

/** One submodule of a model. */
export interface ModuleInfo {
  /** The dotted name that `layers` takes. */
  path: string;
  /** Its class, for example `Conv2d`. */
  type: string;
  /** How often one forward() calls it; null when that depends on the input and no shape was given. Only 1 can be a layer. */
  calls: number | null;
  /** The static type of what it returns, null when it is never called. Only `Tensor` can be a layer. */
  outputType: string | null;
  /** Without the batch dimension; null without `inputShape`, when never called, and for other types than Tensor. */
  outputShape: number[] | null;
}

/**
 * Lists every submodule of a TorchScript model: how users find layer names.
 *
 * @param model path of the file, or its bytes
 * @throws NacueError `ERR_NACUE_MODEL_*`; TypeError and RangeError for wrong arguments
 *
 * @example
 * for (const { path, type, calls, outputShape } of await inspect('resnet18.pt', { inputShape: [3, 224, 224] }))
 *   console.log(path, type, calls, outputShape);
 */
export async function inspect(model: string | Uint8Array, options: InspectOptions = {}): Promise<ModuleInfo[]> {
  const source = checkModel(model);
  const shape = options.inputShape === undefined ? null : parseSampleShape('inputShape', options.inputShape);
  return callNative<NativeModule[]>((settle) => loadBinding().inspect(source, shape, settle));
}
