import { loadBinding } from './addon/first-use.js';
import { checkKeys, checkNativeBinding } from './option-checks.js';
import type { BindingOptions } from './options.js';

/**
 * The version of the LibTorch in use, for example `2.11.0`. Opens LibTorch.
 *
 * @throws NacueError `ERR_NACUE_LIBTORCH_NOT_FOUND`, `ERR_NACUE_LIBTORCH_VERSION`, `ERR_NACUE_LOAD_FAILED`
 */
export function libtorchVersion(options: BindingOptions = {}): string {
  const { nativeBinding } = checkKeys('options', options, ['nativeBinding']);
  return loadBinding(checkNativeBinding(nativeBinding)).libtorchVersion();
}
