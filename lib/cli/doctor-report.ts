/** A diagnosis for a terminal. */
import { type Check, type Diagnosis, type Status, topics } from '../doctor/diagnosis.js';
import { alignRows } from './terminal.js';

const marks: Record<Status, string> = { ok: 'ok', warning: 'warning', problem: 'PROBLEM' };

/** With `verbose` also what LibTorch or the dynamic linker said of a failed self-test. */
export function formatDiagnosis(diagnosis: Diagnosis, { verbose = false } = {}): string {
  const { nacue, checks, verdict, selfTest } = diagnosis;
  const detail = verbose && selfTest.failure?.detail ? ['', selfTest.failure.detail] : [];
  const sections = topics.flatMap((topic) => section(topic, checks));
  return [`nacue ${nacue.version}${nacue.dir ? ` in ${nacue.dir}` : ''}`, ...sections, '', verdict, ...detail].join(
    '\n',
  );
}

function section(topic: Check['topic'], checks: readonly Check[]): string[] {
  const rows = checks.filter((check) => check.topic === topic);
  if (rows.length === 0) return [];
  const lines = alignRows(rows.map(({ status, name, value }) => [` ${marks[status]}`, name, value]));
  return ['', topic, ...rows.flatMap(({ fix }, i) => [lines[i] ?? '', ...(fix ? [`    -> ${fix}`] : [])])];
}
