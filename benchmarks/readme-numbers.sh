#!/usr/bin/env bash
# Prints every number of README.md, measured on this machine, each under the name that README's source marks it with. Options are
# run.sh's: --quick for a look; --coremark DIR for the two numbers that need CoreMark's sources.
exec "$(dirname "$0")/run.sh" --readme "$@"
