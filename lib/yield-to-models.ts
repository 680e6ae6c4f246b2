import { loadBinding } from './addon/first-use.js';
import { checkKeys, checkNativeBinding } from './option-checks.js';
import type { BindingOptions } from './options.js';

/**
 * Lets the threads of models interrupt the JavaScript thread that calls this, for scripts that want all scores soonest; `nacue score` does.
 *
 * LibTorch's threads wait for one another at each operator: a millisecond of JavaScript on a core that one of them needs holds up all. On
 * Linux 6.12 and later the calling thread gets a time slice of 100 ms, the longest there is (sched_setattr(2)), and threads with the usual
 * one go first when they wake up. Its priority and its share of the processor stay the same. A service that has to answer soon is better off
 * without. Opens LibTorch.
 *
 * @returns whether the system took it; on others nothing changes
 * @throws as {@link libtorchVersion}
 */
export function yieldToModels(options: BindingOptions = {}): boolean {
  const { nativeBinding } = checkKeys('options', options, ['nativeBinding']);
  return loadBinding(checkNativeBinding(nativeBinding)).lengthenTimeSlice();
}
