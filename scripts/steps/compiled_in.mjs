/** What of others is compiled into the binaries of prebuilds/, and under which licence. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cudaRequirements } from './cuda_toolkit.mjs';
import { root } from './project.mjs';

/**
 * @typedef {object} CompiledIn
 * @property {string} name
 * @property {string} what what of it is in the binaries
 * @property {string} license an SPDX expression
 * @property {string} file its text, relative to the checkout
 * @property {string} url
 * @property {string} [version] where it is not that of the LibTorch or the compiler of a binary
 * @property {'libtorch' | 'gcc'} [comesWith] what its version is that of
 * @property {string[]} binaries those it is in, by their names before the first dot
 */

const withNodeApi = ['nacue', 'nacue_loader'];
const withLibTorch = ['nacue', 'nacue_cuda'];
const all = ['nacue', 'nacue_cuda', 'nacue_loader'];

/** @returns {CompiledIn[]} */
export function compiledIn() {
  return [
    {
      name: 'node-addon-api',
      what: 'headers',
      license: 'MIT',
      file: 'node_modules/node-addon-api/LICENSE.md',
      url: 'https://github.com/nodejs/node-addon-api',
      version: packageVersion('node-addon-api'),
      binaries: withNodeApi,
    },
    {
      name: 'node-api-headers',
      what: 'headers',
      license: 'MIT',
      file: 'node_modules/node-api-headers/LICENSE',
      url: 'https://github.com/nodejs/node-api-headers',
      version: packageVersion('node-api-headers'),
      binaries: withNodeApi,
    },
    {
      name: 'LibTorch headers',
      what: 'inline functions and templates of ATen, c10 and torch; LibTorch itself is not part of the package',
      license: 'BSD-3-Clause',
      file: 'scripts/licenses/pytorch.txt',
      url: 'https://github.com/pytorch/pytorch',
      comesWith: 'libtorch',
      binaries: withLibTorch,
    },
    {
      name: 'LLVM support headers in LibTorch',
      what: 'ArrayRef, SmallVector, FunctionRef and others in c10/util; Apache License 2.0 with this exception',
      license: 'Apache-2.0 WITH LLVM-exception',
      file: 'scripts/licenses/llvm-exception.txt',
      url: 'https://llvm.org/LICENSE.txt',
      comesWith: 'libtorch',
      binaries: withLibTorch,
    },
    {
      name: 'Hash table and hash headers in LibTorch',
      what: 'c10/util/flat_hash_map.h, copyright Malte Skarupke 2017, and c10/util/hash.h',
      license: 'BSL-1.0',
      file: 'scripts/licenses/boost.txt',
      url: 'https://www.boost.org/LICENSE_1_0.txt',
      comesWith: 'libtorch',
      binaries: withLibTorch,
    },
    {
      name: 'Mersenne Twister in LibTorch',
      what: 'ATen/core/MT19937RNGEngine.h',
      license: 'BSD-3-Clause',
      file: 'scripts/licenses/mersenne-twister.txt',
      url: 'http://www.math.sci.hiroshima-u.ac.jp/~m-mat/MT/emt.html',
      comesWith: 'libtorch',
      binaries: withLibTorch,
    },
    {
      name: 'GCC runtime libraries',
      what: 'of libstdc++ headers, std::from_chars and std::to_chars of double; start files of libgcc; GNU GPL 3 with this exception',
      license: 'GPL-3.0-or-later WITH GCC-exception-3.1',
      file: 'scripts/licenses/gcc-runtime-library-exception.txt',
      url: 'https://gcc.gnu.org/onlinedocs/libstdc++/manual/license.html',
      comesWith: 'gcc',
      binaries: all,
    },
    {
      name: 'CUDA device math functions',
      what: 'in the CUDA kernels, expf, logf and log1pf of libdevice; nothing else of the CUDA Toolkit',
      license: 'LicenseRef-NVIDIA-CUDA-Toolkit-EULA',
      file: 'scripts/licenses/cuda-device-math.txt',
      url: 'https://docs.nvidia.com/cuda/eula/',
      version: cudaCompilerVersion(),
      binaries: ['nacue'],
    },
  ];
}

function cudaCompilerVersion() {
  return readFileSync(path.join(root, cudaRequirements), 'utf8').match(/^nvidia-cuda-nvcc==(\S+)/m)[1];
}

function packageVersion(name) {
  const file = path.join(root, 'node_modules', name, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined;
}
