#!/usr/bin/env bash
# Runs the first programs of README.md as they stand there, and fails unless the guest greets in both ways, and the C++ program
# takes its branch once.
# usage: scripts/check-readme.sh SHUNT_PROGRAM ENGINE_LIBRARY
set -euo pipefail
shunt=$(realpath "${1:?usage: check-readme.sh SHUNT_PROGRAM ENGINE_LIBRARY}")
engine=$(realpath "${2:?usage: check-readme.sh SHUNT_PROGRAM ENGINE_LIBRARY}")
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

program=$(sed -n '/^```sh$/,/^```$/{/^```/d;p}' README.md)
[ "$(wc -l <<<"$program")" -le 25 ] || { echo "the first program has more than 25 lines"; exit 1; }
program=${program//build\/release\/bin\/shunt/$shunt}
bash -euo pipefail -c "${program//build\/first/$scratch}" | tee "$scratch/output"
[ "$(uniq "$scratch/output" | tr '\n' ' ')" = "hello HELLO! " ]

sed -n '/^```cpp$/,/^```$/{/^```/d;p}' README.md >"$scratch/first.cpp"
[ "$(wc -l <"$scratch/first.cpp")" -le 25 ] || { echo "the C++ program has more than 25 lines"; exit 1; }
command=$(grep -E '^ +c\+\+ .* first\.cpp ' README.md)
command=${command/first.cpp/$scratch/first.cpp -o $scratch/first}
bash -euo pipefail -c "${command/build\/release\/engine\/libshunt_engine.a/$engine}"
[ "$("$scratch/first")" = "square(3)" ]
