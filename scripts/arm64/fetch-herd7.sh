#!/usr/bin/env bash
# Fetches herd7, the simulator of Arm's memory model, from Debian's unstable suite (sid), the only one that has it, into
# build/arm64-tools/herd7. The system's apt sources and packages stay as they are: apt runs on lists and a status of its own, and
# herd7 with sid's C library beside it. Prints herd7's path. Does nothing if it is there.
# usage: scripts/arm64/fetch-herd7.sh
# Exit codes: 0; 75: sid cannot be reached; 1: anything else.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$PWD/build/arm64-tools/herd7
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
packages=(herdtools7 libc6 libgmp10)

fail() {
  echo "error: $1" >&2
  exit 1
}

# It runs, and knows instruction fetch: without a single step a new instruction may be missed, with an ISB it may not.
check() {
  local test verdict
  verdict=$("$1/herd7" -variant ifetch tests/models/arm64/self.litmus | sed -n 's/^Observation self \([A-Za-z]*\) .*/\1/p')
  [ "$verdict" = Never ] || return 1
  test=$(mktemp -d)
  sed '/ISB/d; s/^AArch64 self/AArch64 mutant/' tests/models/arm64/self.litmus >"$test/mutant.litmus"
  verdict=$("$1/herd7" -variant ifetch "$test/mutant.litmus" | sed -n 's/^Observation mutant \([A-Za-z]*\) .*/\1/p')
  rm -r "$test"
  [ "$verdict" = Sometimes ]
}

if [ -x "$target/herd7" ] && check "$target"; then
  echo "$target/herd7"
  exit 0
fi

[ "$(dpkg --print-architecture)" = amd64 ] || fail "made for amd64 machines, and this is $(dpkg --print-architecture)"
[ -r "$keyring" ] || fail "$keyring is missing (package debian-archive-keyring)"
# The address that the system itself gets Debian from, whatever its sources are written in.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' 'Created-By: Packages' | awk '$2 == "main" && !/security/ { print $1; exit }')
[ -n "$mirror" ] || fail "apt has no source of Debian's packages, so there is nowhere to get sid from"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch"/{lists/partial,archives/partial,root}
: >"$scratch/status"
echo "deb [signed-by=$keyring] $mirror sid main" >"$scratch/sources.list"
apt_options=(
  -qq -o Dir::Etc::sourcelist="$scratch/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
  -o Dir::State="$scratch" -o Dir::State::lists="$scratch/lists" -o Dir::State::status="$scratch/status"
  -o Dir::Cache="$scratch" -o APT::Architectures=amd64 -o APT::Sandbox::User=root
  -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o APT::Update::Error-Mode=any
)

# apt COMMAND...: what fails because nobody answers, or who answers has no sid, ends with 75.
apt() {
  (cd "$scratch/archives" && apt-get "${apt_options[@]}" "$@") >"$scratch/log" 2>&1 && return
  cat "$scratch/log" >&2
  if grep -qE 'Could not (resolve|connect)|Temporary failure|Connection (failed|refused|timed out|reset)|Cannot initiate|Unable to connect|Network is unreachable|No route to host|does not have a Release file|50[0-9]  ' "$scratch/log" &&
    ! grep -qE 'NO_PUBKEY|BADSIG|EXPKEYSIG|is not signed|Hash Sum mismatch' "$scratch/log"; then
    echo "Debian's sid cannot be reached, and only sid has herd7" >&2
    exit 75
  fi
  fail "apt-get $1 failed"
}
apt update
apt download "${packages[@]}"
for package in "$scratch"/archives/*.deb; do
  dpkg-deb --extract "$package" "$scratch/root" || fail "${package##*/} cannot be unpacked"
done

# Only what it takes to run; the loader of sid's C library lies beside it.
rm -rf "$target"
mkdir -p "$target"
cp -a "$scratch/root/usr/lib/x86_64-linux-gnu" "$target/lib"
cp -a "$scratch/root/usr/bin/herd7" "$target/herd7.bin"
cp -a "$scratch/root/usr/share/herdtools7/herd" "$target/models"
cat >"$target/herd7" <<'H'
#!/bin/sh
here=$(dirname "$0")
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/herd7.bin" -set-libdir "$here/models" "$@"
H
chmod +x "$target/herd7"
check "$target" || fail "the herd7 that was fetched does not know Arm's instruction fetch: $("$target/herd7" -version 2>&1)"
"$target/herd7" -version >&2
echo "$target/herd7"
