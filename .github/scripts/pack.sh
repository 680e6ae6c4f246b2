#!/usr/bin/env bash
# Packs the package with the binaries in prebuilds/, and its SBOM, into FOLDER: pack.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1

# npm packs without a word what is there: a binary that got lost would first be missed by a user.
for part in loader libtorch-2.11 libtorch-2.15; do
  compgen -G "prebuilds/$part/prebuilds/linux-x64/*.node" || { echo "prebuilds/ lacks $part" >&2; exit 1; }
done

npm ci --no-audit --no-fund
node node_modules/typescript/bin/tsc --project .
mkdir -p "$folder"
npm pack --pack-destination "$folder"
npm run --silent sbom > "$folder/nacue.cdx.json"
