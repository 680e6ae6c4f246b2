#!/usr/bin/env bash
# Runs nacue on the GPU of this machine, beside pytorch-ood: see README.md.
#   ./run.sh [--cpu] [--quick] [--out FILE] [PART ...]       PYTHON=python3.12 ./run.sh takes another Python
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${PYTHON:-python3}
"$python" "$here/nacue/gpu-check/unpack.py" "$here/packed" "$here"
export PYTHONDONTWRITEBYTECODE=1
exec "$here/bin/node" "$here/nacue/gpu-check/check.mjs" --python "$python" --bundle "$here" "$@"
