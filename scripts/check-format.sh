#!/usr/bin/env bash
# Fails if a C or C++ file is not as clang-format 19 writes it. To format: scripts/check-format.sh --fix
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run -Werror -ferror-limit=1)
[ "${1:-}" = --fix ] && mode=(-i)
git ls-files -z '*.h' '*.c' '*.cpp' ':!third_party' | xargs -0 -r clang-format-19 "${mode[@]}"
