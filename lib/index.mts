/** The same names for `import`: one implementation, so that `instanceof` agrees between the two. */
export type * from './index.js';
export { errorCodes, inspect, libtorchVersion, NACUE, NacueError, version } from './index.js';
