/**
 * Prints what the Linux binaries of the package need of a system and fails when it is more than LibTorch itself does:
 * node scripts/check-binaries.mjs [FOLDER]
 */
import path from 'node:path';
import { checkBinaries } from './steps/binaries.mjs';
import { main, root } from './steps/project.mjs';

await main(() => checkBinaries(path.resolve(process.argv[2] ?? path.join(root, 'prebuilds'))));
