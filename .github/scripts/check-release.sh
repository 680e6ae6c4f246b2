#!/usr/bin/env bash
# Refuses a tag that npm would refuse after an hour of building, or that names the wrong version: check-release.sh TAG
# Prints `dist-tag=latest` or, for a prerelease, `dist-tag=next`.
set -euo pipefail
cd "$(dirname "$0")/../.."
tag=$1

fail() { echo "$1" >&2; exit 1; }
field() { node -p "require('./package.json').$1 ?? ''"; }

version=$(field version)
[ "$tag" = "v$version" ] || fail "The tag is $tag, but package.json has the version $version."

grep -qE "^## ${version//./\\.} - [0-9]{4}-" CHANGELOG.md || fail "CHANGELOG.md has no dated heading for $version."

# npm compares the provenance with this field.
repository=$(field repository?.url)
[[ "$repository" = *"github.com/$GITHUB_REPOSITORY"?(.git) ]] ||
  fail "package.json has the repository '$repository', this is github.com/$GITHUB_REPOSITORY."

case $version in
  *-*) echo dist-tag=next ;;
  *) echo dist-tag=latest ;;
esac
