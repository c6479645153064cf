#!/usr/bin/env bash
# Everything at once for a long time: tests/stress/soak/main.cpp. Ends with a summary to paste; fails if a reader saw an old state, or
# if memory, descriptors or mappings are not flat.
#
#   tests/soak.sh [MINUTES=30]
#
# Environment:
#   SHUNT_SOAK_PRESET   the CMake preset that it is built by (release)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=${1:-30}
case "$minutes" in
  *[!0-9]* | "") sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$0"; exit 2 ;;
esac
preset=${SHUNT_SOAK_PRESET:-release}
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --target soak >/dev/null
echo "$(git rev-parse --short HEAD 2>/dev/null || echo 'no revision'), $(uname -sr), $(nproc) processors, $minutes minutes"
exec nice -n 10 "build/$preset/bin/soak" $((minutes * 60))
