import { callNative, type NativeModule } from './addon/binding.js';
import { loadBinding } from './addon/first-use.js';
import { type Layout, layoutOf, suggestedReduce } from './layout.js';
import { checkModel } from './model.js';
import { checkKeys, checkNativeBinding } from './option-checks.js';
import { type BindingOptions, type FeatureReduce, parseSampleShape } from './options.js';

/** Options of {@link inspect}. */
export interface InspectOptions extends BindingOptions {
  /** Shape of one sample, without the batch: the model then runs once on zeros and output shapes are known. */
  inputShape?: readonly number[];
}

/** One submodule of a model. */
export interface ModuleInfo {
  /** The dotted name that `layers` takes. */
  path: string;
  /** Its class, for example `Conv2d`. */
  type: string;
  /** How often one forward() calls it; null when that depends on the input and no shape was given. Above 1 a layer is `path#CALL`. */
  calls: number | null;
  /** The static type of what it returns, null when it is never called. Of a tuple, a layer is `path[INDEX]`. */
  outputType: string | null;
  /**
   * Without the batch dimension; null without `inputShape`, when never called, for other types than Tensor, and where the first
   * dimension is not the batch, as inside of Swin's windows.
   */
  outputShape: number[] | null;
  /** Where the features stand, as far as the shapes of output and input tell. */
  layout: Layout | null;
  /** The `featureReduce` that suits this layout; null where none does or the layout is not known. */
  suggestedReduce: FeatureReduce | null;
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
  const { inputShape, nativeBinding } = checkKeys('options', options, ['inputShape', 'nativeBinding']);
  const shape = inputShape === undefined ? null : parseSampleShape('inputShape', inputShape);
  const binding = loadBinding(checkNativeBinding(nativeBinding));
  const modules = await callNative<NativeModule[]>((settle) => binding.inspect(source, shape, settle));
  return modules.map((module) => {
    const layout = module.outputShape && shape ? layoutOf(module.outputShape, shape) : null;
    return { ...module, layout, suggestedReduce: suggestedReduce(layout) };
  });
}
