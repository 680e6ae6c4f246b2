import { maskAddresses } from '../masked-addresses.js';
import { ok } from './check.js';
import type { Check } from './diagnosis.js';

const addresses = /_PROXY$|INDEX_URL$|_MIRROR$/i;
const notable = [
  /^NACUE_\w+$|^PREBUILDS_ONLY$|^LIBC$/,
  /^LD_(LIBRARY_PATH|PRELOAD)$|^(OMP|MKL)_NUM_THREADS$|^ATEN_CPU_CAPABILITY$|^CUDA_VISIBLE_DEVICES$/,
  /^PIP_\w*INDEX_URL$|^(HTTPS?|ALL|NO)_PROXY$/i,
];

/** The variables that are set and matter to nacue or LibTorch, without the passwords of proxies and mirrors. */
export function notableEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const isNotable = (name: string) => notable.some((pattern) => pattern.test(name));
  const set = Object.entries(env).flatMap(([name, value = '']): [string, string][] =>
    isNotable(name) ? [[name, addresses.test(name) ? maskAddresses(value) : value]] : [],
  );
  return Object.fromEntries(set.sort(([a], [b]) => a.localeCompare(b)));
}

export function environmentChecks(environment: Record<string, string>): Check[] {
  const set = Object.entries(environment).map(([name, value]) => ok('environment', name, value || '(empty)'));
  return set.length > 0 ? set : [ok('environment', 'variables', 'none that matters is set')];
}
