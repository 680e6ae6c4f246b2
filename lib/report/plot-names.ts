/** The plots of a report, in its order; apart from their specifications, because the table of a command names them. */
export const plotNames = ['histogram', 'roc', 'precision-recall', 'layers', 'coverage'] as const;

/** One of the plots of a report. */
export type PlotName = (typeof plotNames)[number];
