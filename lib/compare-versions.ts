/** Orders versions by their numbers, so that 2.9 comes before 2.11: negative when `a` is the older one. */
export function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}
