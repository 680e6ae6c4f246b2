/** How often a test repeats something at random: less often where `npm test` does it in full and this run looks for something else. */
export function repeats(full: number, brief: number): number {
  return process.env.NACUE_TEST_BRIEF ? brief : full;
}
