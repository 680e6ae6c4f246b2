/** The formats of scores; apart from what writes them, because the table of a command names them. */
export const formatNames = ['ndjson', 'csv', 'json', 'npy'] as const;

export type FormatName = (typeof formatNames)[number];
