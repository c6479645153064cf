#!/usr/bin/env bash
# clang-tidy 19 over the product's and the samples' sources. usage: scripts/check-tidy.sh BUILD_FOLDER [FILE...]
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: check-tidy.sh BUILD_FOLDER [FILE...]}
shift
files=("$@")
if [ ${#files[@]} -eq 0 ]; then  # what this machine compiles
  mapfile -t files < <(git ls-files 'arch/*.cpp' 'engine/*.cpp' 'runtime/*.cpp' 'samples/*.cpp' |
    while read -r file; do grep -qF "\"file\": \"$PWD/$file\"" "$build/compile_commands.json" && echo "$file"; done)
fi
# What it says about its own count of suppressed warnings is noise.
printf '%s\0' "${files[@]}" | xargs -0 -r -n 1 -P "$(nproc)" clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' \
  2> >(grep -v -E '^[0-9]+ warnings? generated' >&2)
