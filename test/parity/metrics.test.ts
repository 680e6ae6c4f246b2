/** The metrics equal those of pytorch_ood and scikit-learn on random scores. `npm run test:parity` says where Python is. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { metrics, type RocCurve } from 'nacue';

const cases = 1000;
const tolerance = 1e-6;

interface Values {
  auroc: number;
  auprIn: number;
  auprOut: number;
  fpr95: number;
  roc: { fpr: string; tpr: string; thresholds: string };
}

interface MetricsCase {
  name: string;
  dtype: 'float32' | 'float64';
  id: string;
  ood: string;
  pytorchOod: Values & {
    autc: number | null;
    fprAtTpr: Record<string, number>;
    fprAtIdTpr: Record<string, number>;
  };
  /** Null where scikit-learn refuses the scores: infinities. */
  sklearn: Values | null;
}

describe('metrics against Python', () => {
  let references: MetricsCase[] = [];

  before(function () {
    this.timeout(600_000);
    references = runReference();
    assert.equal(references.length, cases);
  });

  it('equals pytorch_ood.metrics.OODMetrics', () => {
    for (const { name, pytorchOod, ...scores } of references) {
      const found = metrics.all(...classesOf(scores));
      for (const metric of ['auroc', 'auprIn', 'auprOut', 'fpr95'] as const)
        close(found[metric], pytorchOod[metric], `${metric} of ${name}`);
      close(found.autc, pytorchOod.autc ?? Number.NaN, `autc of ${name}`);
    }
  });

  it('gives the same numbers one metric at a time', () => {
    for (const { name, ...scores } of references) {
      const classes = classesOf(scores);
      const { auroc, auprIn, auprOut, autc, fprAtTpr } = metrics;
      const single = { auroc: auroc(...classes), auprIn: auprIn(...classes), auprOut: auprOut(...classes) };
      assert.deepEqual(
        { ...single, fpr95: fprAtTpr(...classes), autc: autc(...classes) },
        metrics.all(...classes),
        name,
      );
    }
  });

  it('equals pytorch_ood at other true positive rates, of either class', () => {
    for (const { name, pytorchOod, ...scores } of references) {
      const [id, ood] = classesOf(scores);
      for (const [rate, expected] of Object.entries(pytorchOod.fprAtTpr))
        close(metrics.fprAtTpr(id, ood, Number(rate)), expected, `FPR at TPR ${rate} of ${name}`);
      for (const [rate, expected] of Object.entries(pytorchOod.fprAtIdTpr))
        close(metrics.fprAtTpr(id, ood, Number(rate), 'id'), expected, `FPR at ID TPR ${rate} of ${name}`);
    }
  });

  it('equals scikit-learn', () => {
    let compared = 0;
    for (const { name, sklearn, ...scores } of references) {
      if (!sklearn) continue;
      compared++;
      const found = metrics.all(...classesOf(scores));
      for (const metric of ['auroc', 'auprIn', 'auprOut', 'fpr95'] as const)
        close(found[metric], sklearn[metric], `${metric} of ${name}`);
    }
    assert.ok(compared > 0.8 * cases, `scikit-learn took only ${compared} cases`);
  });

  it('draws the ROC curve of both, point by point', () => {
    for (const { name, pytorchOod, sklearn, ...scores } of references) {
      const curve = metrics.rocCurve(...classesOf(scores));
      const { fpr, tpr, thresholds } = decodedCurve(pytorchOod.roc);
      sameCurve(curve, { fpr, tpr, thresholds: Float64Array.of(Number.POSITIVE_INFINITY, ...thresholds) }, name);
      if (sklearn) sameCurve(curve, decodedCurve(sklearn.roc), name);
    }
  });
});

function runReference(): MetricsCase[] {
  const python = process.env.NACUE_PARITY_PYTHON;
  assert.ok(python, 'NACUE_PARITY_PYTHON must name the Python of the parity tests; npm run test:parity sets it');
  const env = { ...process.env, PYTHONPATH: __dirname, PYTHONDONTWRITEBYTECODE: '1' };
  const options = { env, encoding: 'utf8', maxBuffer: 2 ** 29 } as const;
  const output = execFileSync(python, ['-m', 'reference.metrics', '--cases', String(cases)], options);
  return output
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as MetricsCase);
}

function classesOf({ dtype, id, ood }: Pick<MetricsCase, 'dtype' | 'id' | 'ood'>) {
  const restored = (text: string) => (dtype === 'float32' ? new Float32Array(decoded(text)) : decoded(text));
  return [restored(id), restored(ood)] as const;
}

function decodedCurve(curve: Values['roc']): RocCurve {
  return { fpr: decoded(curve.fpr), tpr: decoded(curve.tpr), thresholds: decoded(curve.thresholds) };
}

function decoded(text: string): Float64Array {
  return new Float64Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer);
}

function close(actual: number, expected: number, what: string): void {
  const same = Number.isNaN(expected) ? Number.isNaN(actual) : Math.abs(actual - expected) <= tolerance;
  assert.ok(same, `${what}: ${actual}, the reference has ${expected}`);
}

function sameCurve(actual: RocCurve, expected: RocCurve, name: string): void {
  for (const column of ['fpr', 'tpr', 'thresholds'] as const) {
    assert.equal(actual[column].length, expected[column].length, `points of ${column} of ${name}`);
    actual[column].forEach((value, i) => {
      const wanted = expected[column][i] as number;
      if (value !== wanted) close(value, wanted, `${column}[${i}] of ${name}`);
    });
  }
}
