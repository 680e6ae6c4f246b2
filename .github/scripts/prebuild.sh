#!/usr/bin/env bash
# Makes prebuilds/ for the platform it runs on; on Linux x64 the npm script fetches each LibTorch that it builds for.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The Pythons of a manylinux container are not on its PATH, and LibTorch is fetched with pip.
export PATH="/opt/python/cp312-cp312/bin:$PATH"

# nacue knows the wheels of Linux x64 alone.
options=()
if [ "$(uname -sm)" != "Linux x86_64" ]; then
  folder=$(mktemp -d)
  for version in 2.11.0 2.15.0; do
    python3 -m pip install --quiet --no-deps --target "$folder/$version" "torch==$version"
    options+=(--libtorch "$folder/$version")
  done
fi

npm ci --no-audit --no-fund
# An empty array counts as unset in the bash 3.2 of macOS.
npm run prebuild -- ${options[@]+"${options[@]}"}
