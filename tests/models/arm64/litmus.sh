#!/usr/bin/env bash
# check_litmus.py, where herd7 is. usage: litmus.sh HERD7
set -euo pipefail
here=$(dirname "$0")
. "$here/../../support/skip.sh"
[ -x "$1" ] || skip "no herd7 at $1: scripts/arm64/fetch-herd7.sh fetches it"
exec python3 "$here/check_litmus.py" "$1"
