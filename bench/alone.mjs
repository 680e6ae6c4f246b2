/** The measurements that need no pytorch-ood, each in a process of its own. */
import { say } from '../scripts/steps/project.mjs';
import { folder, startMeasurement } from './arena.mjs';

export async function measureAlone(env, { isQuick }) {
  const results = {};
  for (const name of ['loop', 'tune']) {
    const child = startMeasurement(env, name);
    results[name] = await child.ask(name, { folder, isQuick });
    await child.end();
    say(name, JSON.stringify(results[name]));
  }
  return results;
}
