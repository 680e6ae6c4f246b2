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
  return checkoutRoot() ? `run \`npm run setup\` in ${checkoutRoot()}` : 'run `npx nacue libtorch install`';
}

/** The command that builds the native part for the LibTorch at hand. */
export function buildCommand(): string {
  const first = process.env.NACUE_PREBUILD ? 'unset NACUE_PREBUILD and ' : ''; // whose binaries go before what is built
  return checkoutRoot() ? `${first}run \`npm run build\` in ${checkoutRoot()}` : `${first}run \`npx nacue build\``;
}

/** The package's folder when it is a checkout of the repository; undefined for an installed package. */
export function checkoutRoot(): string | undefined {
  const root = packageRoot();
  return root !== undefined && fs.existsSync(path.join(root, 'tsconfig.json')) ? root : undefined;
}
