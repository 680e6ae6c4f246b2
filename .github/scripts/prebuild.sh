#!/usr/bin/env bash
# Makes prebuilds/ for the platform it runs on; the script fetches each LibTorch that it builds for.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The Pythons of a manylinux container are not on its PATH, and LibTorch is fetched with pip.
export PATH="/opt/python/cp312-cp312/bin:$PATH"

npm ci --no-audit --no-fund
npm run prebuild
