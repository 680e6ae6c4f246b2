#!/usr/bin/env bash
# Installs the npm packages, dist/, and with the latter LibTorch into the user's cache: libtorch.sh VERSION...
# Nothing native is built.
set -euo pipefail
cd "$(dirname "$0")/../.."

npm ci --no-audit --no-fund
node node_modules/typescript/bin/tsc --project .
for version in "$@"; do node dist/cli/main.js libtorch install --version "$version"; done
