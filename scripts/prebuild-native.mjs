#!/usr/bin/env node
/**
 * What prebuildify starts in place of node-gyp: the CMake build of portable binaries, for the LibTorch in NACUE_LIBTORCH.
 *
 * The arguments are those of node-gyp and mean nothing here: Node-API is the same in every Node.js, and its headers are a package.
 */
import path from 'node:path';
import { buildNative } from './steps/native.mjs';
import { main, root } from './steps/project.mjs';

await main(async () => {
  const { findLibTorch } = await import(path.join(root, 'dist', 'libtorch', 'search.js'));
  await buildNative(findLibTorch(), { portable: true });
});
