/** Whether what is timed gives the right numbers: an exact mode the reference's bits, the others close ones. */
import { Problem } from '../scripts/steps/project.mjs';
import { deviation } from './statistics.mjs';

/** Scores the same batches with pytorch-ood and with every mode; `files` are those of the batches. */
export async function compareScores({ peer, ours }, files) {
  const reference = await bytesOfScores(peer, files);
  const agreement = {};
  for (const { mode, child } of ours) {
    const scores = await bytesOfScores(child, files);
    const equal = reference.equals(scores);
    if (mode.isExact && !equal) throw new Problem(`The scores of mode '${mode.name}' are not those of pytorch-ood.`);
    agreement[mode.name] = { ...deviation(floatsIn(reference), floatsIn(scores)), equal };
  }
  return agreement;
}

/** The scores of batches that a process has read and is fitted for. */
export async function scoresOf(child, files) {
  return floatsIn(await bytesOfScores(child, files));
}

async function bytesOfScores(child, files) {
  const { scores } = await child.ask('scores', { files });
  return Buffer.concat(scores.map((batch) => Buffer.from(batch, 'base64')));
}

function floatsIn(bytes) {
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}
