#!/usr/bin/env bash
# Runs the first program of README.md as it stands there, and fails unless its guest greets in both ways.
# usage: scripts/check-readme.sh SHUNT_PROGRAM
set -euo pipefail
shunt=$(realpath "${1:?usage: check-readme.sh SHUNT_PROGRAM}")
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program=$(sed -n '/^```sh$/,/^```$/{/^```/d;p}' README.md)
[ "$(wc -l <<<"$program")" -le 25 ] || { echo "the first program has more than 25 lines"; exit 1; }
program=${program//build\/release\/bin\/shunt/$shunt}
bash -euo pipefail -c "${program//build\/first/$scratch}" | tee "$scratch/output"
[ "$(uniq "$scratch/output" | tr '\n' ' ')" = "hello HELLO! " ]
