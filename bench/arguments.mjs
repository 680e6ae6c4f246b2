/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';
import { Problem } from '../scripts/steps/project.mjs';
import { efforts, modes, rows } from './workload.mjs';

const wholeRun = ['speed', 'memory', 'cost', 'deviation', 'alone', 'soak'];
const quickRun = ['speed', 'memory'];
const parts = [...wholeRun, 'profile'];
const soakMinutes = '10';

/** @param {string[]} args @throws Problem for what there is not */
export function readArguments(args) {
  const { values, positionals } = parse(args);
  // `--rows A B`: what follows the first name arrives as a positional.
  const rowNames = [...values.rows, ...positionals.filter((name) => rows.some((row) => row.name === name))];
  const named = positionals.filter((name) => !rowNames.includes(name));
  checkKnown('part', named, parts);
  checkKnown('row', rowNames, namesOf(rows));
  checkKnown('mode', values.mode, namesOf(modes));
  const isWhole = !values.quick && [...named, ...rowNames, ...values.mode].length === 0;
  if (values.write && !isWhole)
    throw new Problem('--write takes the figures of a whole run: leave all other options and the names of parts away.');
  const wanted = named.length > 0 ? named : defaultParts(values.quick, rowNames.length > 0);
  if (wanted.includes('profile') && wanted.length > 1)
    throw new Problem("The part 'profile' runs by itself: leave the names of other parts away.");
  return {
    wanted,
    rows: chosen(rows, rowNames),
    modes: chosen(modes, values.mode),
    effort: values.quick ? efforts.quick : efforts.full,
    isQuick: values.quick,
    isWrite: values.write,
    minutes: minutesOf(values.minutes, wanted),
  };
}

function parse(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        quick: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        rows: { type: 'string', multiple: true, default: [] },
        mode: { type: 'string', multiple: true, default: [] },
        minutes: { type: 'string' },
      },
    });
  } catch (error) {
    if (!error.code?.startsWith('ERR_PARSE_ARGS')) throw error;
    throw new Problem(error.message);
  }
}

function defaultParts(isQuick, hasRows) {
  if (hasRows) return ['speed'];
  return isQuick ? quickRun : wholeRun;
}

function minutesOf(text, wanted) {
  if (text !== undefined && !wanted.includes('soak')) throw new Problem("--minutes belongs to the part 'soak'.");
  const minutes = Number(text ?? soakMinutes);
  if (!(minutes > 0 && minutes <= 24 * 60))
    throw new Problem(`--minutes takes a number above 0 and up to a day (1440), not '${text}'.`);
  return minutes;
}

function checkKnown(what, names, known) {
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Problem(`There is no ${what} '${unknown}'; there are ${known.join(', ')}.`);
}

function chosen(all, names) {
  return names.length > 0 ? all.filter(({ name }) => names.includes(name)) : all;
}

function namesOf(items) {
  return items.map(({ name }) => name);
}
