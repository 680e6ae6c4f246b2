/** The commands of `nacue`, in the order of --help. */
import { build } from './build.js';
import type { CommandGroup, Commands } from './command.js';
import { doctor } from './doctor.js';
import { libtorchInstall } from './libtorch-install.js';
import { libtorchList } from './libtorch-list.js';
import { libtorchPath } from './libtorch-path.js';
import { libtorchRemove } from './libtorch-remove.js';

const libtorch: CommandGroup = {
  name: 'libtorch',
  summary: 'fetch LibTorch, and see which there are',
  commands: [libtorchInstall, libtorchList, libtorchPath, libtorchRemove],
};

export const commands: Commands = [libtorch, doctor, build];
