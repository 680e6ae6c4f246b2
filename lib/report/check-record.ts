/** Tells whether what was read from a file is what an evaluation wrote. */

import { NacueError } from '../errors.js';
import { scoreTitles } from '../evaluation-table.js';
import { type EvaluationRecord, recordFormat, recordVersion } from './evaluation-record.js';

/** What a single value is asked for. */
class Test {
  constructor(
    readonly expected: string,
    readonly holds: (value: unknown) => boolean,
  ) {}

  or(other: null | undefined): Test {
    return new Test(this.expected, (value) => value === other || this.holds(value));
  }
}

/** An object with values of one form under any names. */
class ByName {
  constructor(readonly form: Form) {}
}

/** What a part of the record must be: a list holds items of its one form. */
type Form = Test | ByName | Form[] | { [name: string]: Form };

const number = new Test('a number', Number.isFinite);
const text = new Test('a text', (value) => typeof value === 'string');
const scoreName = new Test('the name of a score', (value) => Object.hasOwn(scoreTitles, String(value)));
const picture = new Test('a PNG, WebP or JPEG as data URI', (value) =>
  /^data:image\/(png|webp|jpeg);base64,[\w+/=]+$/.test(String(value)),
);

const scoreForm: Form = {
  auroc: number,
  auprIn: number,
  auprOut: number,
  fpr95: number,
  autc: number.or(null),
};
const comparison = { nacue: scoreForm, maxSoftmax: scoreForm, energy: scoreForm, maxLogit: scoreForm };

const recordForm: Form = {
  created: text,
  evaluation: {
    id: { samples: number },
    sets: new ByName({ group: text, samples: number, ...comparison }),
    means: new ByName(comparison),
  },
  threshold: { value: number, from: text },
  scores: [
    {
      set: text,
      samples: number,
      quantiles: {
        min: number,
        q05: number,
        q25: number,
        median: number,
        q75: number,
        q95: number,
        max: number,
      },
      outliers: number,
    },
  ],
  histogram: { edges: [number], counts: [{ set: text, counts: [number] }] },
  curves: [
    {
      set: text,
      score: scoreName,
      roc: { fpr: [number], tpr: [number] },
      precisionRecall: { recall: [number], precision: [number] },
      points: [{ tpr: number, fpr: number, precision: number }],
    },
  ],
  layers: [
    {
      layer: text,
      weight: number,
      idCoverage: number,
      sets: [{ set: text, coverage: number, gap: number, auroc: number, aurocWithout: number.or(null) }],
    },
  ],
  coverage: [{ layer: text, neurons: number, bins: number, coverage: number, rows: [[number]] }],
  samples: [
    {
      set: text,
      end: text,
      index: number,
      name: text.or(undefined),
      label: text.or(undefined),
      score: number,
      predicted: number,
      coverage: [number],
      picture: picture.or(undefined),
    },
  ],
  detector: {
    preset: text,
    binning: text,
    aggregation: text,
    samples: number,
    device: text,
    plan: { mode: text, precision: text, memoryFormat: text },
    layers: [{ name: text, alpha: number, oStar: number, featureReduce: text, weight: number }],
  },
  about: new ByName(text),
  versions: { nacue: text, libtorch: text, node: text },
};

/** @throws NacueError `ERR_NACUE_DATA` */
export function checkRecord(record: unknown): EvaluationRecord {
  const { format, version } = (record ?? {}) as { format?: unknown; version?: unknown };
  if (format !== recordFormat) throw damaged(`it is no evaluation: its format is not '${recordFormat}'`);
  if (version !== recordVersion) throw damaged(`this nacue reads version ${recordVersion}, not ${String(version)}`);
  checkForm(record, recordForm, '');
  return record as EvaluationRecord;
}

function checkForm(value: unknown, form: Form, place: string): void {
  if (form instanceof Test) {
    if (!form.holds(value)) throw wrong(place, form.expected);
  } else if (Array.isArray(form)) {
    if (!Array.isArray(value)) throw wrong(place, 'a list');
    for (const [i, item] of value.entries()) checkForm(item, form[0] as Form, `${place}[${i}]`);
  } else {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(place, 'an object');
    const members = value as Record<string, unknown>;
    for (const name of Object.keys(form instanceof ByName ? members : form)) {
      const member = form instanceof ByName ? form.form : (form[name] as Form);
      checkForm(members[name], member, place === '' ? name : `${place}.${name}`);
    }
  }
}

function wrong(place: string, expected: string): NacueError {
  return damaged(`${place} is not ${expected}`);
}

function damaged(problem: string): NacueError {
  return new NacueError('ERR_NACUE_DATA', problem);
}
