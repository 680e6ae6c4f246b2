/** A process that answers requests: each line on stdin is one, its answer a line on stdout, both JSON. Ends with stdin. */
import { createInterface } from 'node:readline';

/** @param {Record<string, (values: any) => unknown>} answers by what a request names as `do` */
export async function serve(answers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { do: what, ...values } = JSON.parse(line);
    console.log(JSON.stringify(await answers[what](values)));
  }
}
