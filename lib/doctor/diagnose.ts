/** Looks at everything that scoring needs on this machine, and tries it. */
import { searchLibTorch } from '../libtorch/search.js';
import { packageRoot } from '../package.js';
import { version } from '../version.js';
import { cudaChecks, cudaFacts } from './cuda.js';
import type { Check, Diagnosis, SelfTest } from './diagnosis.js';
import { environmentChecks, notableEnvironment } from './environment.js';
import { availableBinaries, binaryChecks, chooseBinary, libtorchChecks } from './libtorch.js';
import { cpuFacts, machineChecks, memoryFacts } from './machine.js';
import { runSelfTest, selfTestChecks } from './self-test.js';
import { systemChecks, systemFacts } from './system.js';

/** Opens nothing native in this process: the self-test has one of its own. */
export async function diagnose({ signal }: { signal?: AbortSignal } = {}): Promise<Diagnosis> {
  const system = systemFacts();
  const { available, failure } = availableBinaries();
  // Without any binary none would fit, and the row of the binaries says so already.
  const minors = available.length > 0 ? { minors: available.map(({ minor }) => minor) } : {};
  const libtorch = searchLibTorch({ ...minors, all: true });
  const binaries = { available, chosen: chooseBinary(available, libtorch.found), failure };
  const cuda = cudaFacts(libtorch.found);
  const cpu = cpuFacts();
  const memory = memoryFacts();
  const environment = notableEnvironment(process.env);
  const selfTest = await runSelfTest(signal);
  const checks = [
    ...systemChecks(system),
    ...libtorchChecks(libtorch),
    ...binaryChecks(binaries),
    ...cudaChecks(cuda, selfTest),
    ...machineChecks(cpu, memory),
    ...environmentChecks(environment),
    ...selfTestChecks(selfTest),
  ];
  const facts = { system, libtorch, binaries, cuda, cpu, memory, environment, selfTest };
  return { ...verdictOf(checks, selfTest), nacue: { version, dir: packageRoot() ?? null }, ...facts, checks };
}

/** Where the self-test failed, its error says best what is wrong and how to fix it. */
function verdictOf(checks: readonly Check[], { failure }: SelfTest): Pick<Diagnosis, 'canScore' | 'verdict'> {
  const problems = checks.filter(({ status }) => status === 'problem');
  if (problems.length === 0) return { canScore: true, verdict: 'nacue can score on this machine.' };
  const reason = failure?.message ?? problems.map(({ name, value, fix }) => `${name}: ${value}; ${fix}`).join('\n');
  return { canScore: false, verdict: `nacue cannot score on this machine: ${reason}` };
}
