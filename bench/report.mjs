/** A run as Markdown: the machine, the tables, and what was measured alone. */

import {
  agreementTable,
  costTable,
  demoTable,
  layerCostLine,
  memoryTable,
  netsTable,
  planLines,
  rooflineLine,
  speedTable,
} from './tables.mjs';
import { aloneTable, soakTable, tuneTable } from './tables-alone.mjs';

/** The parts that a run has, in order. */
export function report({ machine, rates, rows, costs, memory, deviation, alone, soak }) {
  return [
    machineLine(machine),
    rows && `## Beside pytorch-ood\n\n${speedSection(rows, rates)}`,
    rows && `## The numbers that were timed\n\n${agreementTable(rows)}`,
    deviation && `## Deviation\n\n${demoTable(deviation.demo)}\n\n${netsTable(deviation.nets)}`,
    memory && `## Memory\n\n${memoryTable(memory)}`,
    costs && `## What a predict costs\n\n${costs.map(costTable).join('\n\n')}\n\n${layerCostLine(costs)}`,
    soak && `## Over time\n\n${soakTable(soak)}`,
    alone && `## Alone\n\n${aloneTable(alone.loop)}\n\n${tuneTable(alone.tune)}`,
  ]
    .filter(Boolean)
    .join('\n\n');
}

function machineLine({ processor, threads, node, libtorch, pytorchOod }) {
  return (
    `${processor}, ${threads} threads, Node.js ${node}, LibTorch ${libtorch}, pytorch-ood ${pytorchOod}. Medians (and quartiles) in ms of ` +
    'runs in turns; ratios are to pytorch-ood.'
  );
}

function speedSection(rows, rates) {
  const plans = planLines(rows).map((line) => `- ${line}`);
  return [speedTable(rows, rates), rooflineLine(rows, rates), plans.join('\n')].filter(Boolean).join('\n\n');
}
