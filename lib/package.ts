/** Where this package lies, and how its own commands are called from there. */
import fs from 'node:fs';
import path from 'node:path';

/** The package's folder; undefined inside of a bundle, which has no files of the package around it. */
export function packageRoot(): string | undefined {
  if (typeof __dirname !== 'string') return undefined;
  const root = path.resolve(__dirname, '..');
  return fs.existsSync(path.join(root, 'dist', 'addon', 'open.js')) ? root : undefined;
}

/** The command that fetches a LibTorch, as a fix in an error's text. */
export function installCommand(): string {
  return checkout() ? `run \`npm run setup\` in ${checkout()}` : 'run `npx nacue libtorch install`';
}

/** The command that builds the native part for the LibTorch at hand. */
export function buildCommand(): string {
  return checkout() ? `run \`npm run build\` in ${checkout()}` : 'run `npx nacue build`';
}

function checkout(): string | undefined {
  const root = packageRoot();
  return root !== undefined && fs.existsSync(path.join(root, 'tsconfig.json')) ? root : undefined;
}
