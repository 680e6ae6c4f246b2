#!/usr/bin/env bash
# Installs packages of the runner's distribution; run as root: apt.sh PACKAGE...
set -euo pipefail
apt-get update -qq
apt-get install --yes --no-install-recommends -qq "$@"
