#!/usr/bin/env bash
# Installs what it takes to build for arm64 on an amd64 machine with Debian 12, and to run the result by emulation:
#   - by apt: the cross compiler, and the arm64 libraries beside the machine's own;
#   - unpacked into build/arm64-tools: what cannot be installed beside the machine's own, qemu-user 10 from bookworm-backports, and
#     Debian 12's qemu-user 7.2, which takes plugins.
# Says first what it changes in the system: it adds the architecture arm64 and the suite bookworm-backports. Does nothing if all is
# there. As root or with passwordless sudo it installs; otherwise it prints what to run and fails.
# usage: scripts/arm64/install.sh [system]     system: also what tests/system/arm64 boots: qemu-system 10, Debian's arm64 kernel, busybox
set -euo pipefail
cd "$(dirname "$0")/../.."

system=false
case ${1:-} in
  "") ;;
  system) system=true ;;
  *) echo "usage: $0 [system]" >&2; exit 2 ;;
esac

tools=$PWD/build/arm64-tools
packages=(
  g++-aarch64-linux-gnu libc6-dev:arm64 libstdc++-12-dev:arm64         # compiler and its libraries
  libasmjit-dev:arm64 libfmt-dev:arm64                                 # libraries of the product
  llvm-19-dev libllvm19:arm64                                          #   LLVM: headers of this machine
  nlohmann-json3-dev libcli11-dev                                      #   headers alone
  libgtest-dev:arm64 libgmock-dev:arm64                                # tests
  liblua5.4-dev:arm64                                                  # a sample embeds it
  libcapstone4 libglib2.0-0 libgnutls30 libnuma1 liburing2             # an emulator that is unpacked alone
)
suite=bookworm-backports
emulator=qemu-user/$suite      # 10
emulator_file=$tools/usr/bin/qemu-aarch64
# 7.2: takes the plugin of tests/models/arm64/sequence; and never sees what is written through an alias, which the engine is to notice.
plugin_emulator=qemu-user/bookworm
plugin_emulator_file=$tools/plugin-emulator/usr/bin/qemu-aarch64
wabt=wabt:arm64                # a library and its headers, in one package with programs of the same names
wabt_file=$tools/usr/lib/aarch64-linux-gnu/libwabt.a
machine=qemu-system-arm/$suite         # its libraries are installed by apt
machine_file=$tools/usr/bin/qemu-system-aarch64
kernel=linux-image-cloud-arm64:arm64   # depends on the current one
busybox=busybox-static:arm64
busybox_file=$tools/bin/busybox

fail() {
  echo "error: $1" >&2
  exit 1
}

check_system() {
  local system
  system=$(. /etc/os-release && echo "$ID ${VERSION_ID:-}")
  [ "$system" = "debian 12" ] || fail "made for Debian 12, and this is $system"
  [ "$(dpkg --print-architecture)" = amd64 ] || fail "made for amd64 machines, and this is $(dpkg --print-architecture)"
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || echo "$package"
  done
}

# The address that the system itself gets Debian 12 from, whatever its sources are written in.
mirror() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk '$2 == "bookworm" && $3 == "main" { print $1; exit }'
}

has_architecture() { dpkg --print-foreign-architectures | grep -qx arm64; }
has_suite() { apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -qx "$suite"; }

# Commands that need root, one a line.
changes() {
  local source=/etc/apt/sources.list.d/shunt-backports.list
  has_architecture || echo "dpkg --add-architecture arm64"
  has_suite || echo "sh -c 'echo deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main >$source'"
  echo "apt-get update -qq"
  [ -z "$1" ] || echo "env DEBIAN_FRONTEND=noninteractive apt-get install --no-install-recommends -y -qq" \
    "-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 $1"
}

as_root() {
  local command
  [ -n "$(mirror)" ] || fail "apt has no source of Debian 12 (bookworm main), so there is nowhere to get arm64 from"
  if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
    echo "Something is missing, and installing it needs root. Run this, then start again:" >&2
    changes "$1" | sed 's/^/  sudo /' >&2
    exit 1
  fi
  while read -r command; do
    if [ "$(id -u)" -eq 0 ]; then
      eval "$command" </dev/null || fail "failed: $command"
    else
      eval "sudo -n $command" </dev/null || fail "failed: $command"
    fi
  done < <(changes "$1")
}

# unpack PACKAGE PATTERN...: these files of a Debian package, into $tools; nothing of it is installed.
unpack() {
  local package=$1 scratch
  shift
  scratch=$(mktemp -d)
  (cd "$scratch" && apt-get -qq -o APT::Sandbox::User=root download "$package") || fail "apt cannot get the package $package"
  mkdir -p "$tools"
  dpkg-deb --fsys-tarfile "$scratch"/*.deb | tar -C "$tools" -x --wildcards "$@" || fail "$package does not hold $*"
  rm -rf "$scratch"
}

# What the emulated machine's emulator needs beside itself.
machine_libraries() {
  apt-cache depends --no-recommends --no-suggests "$machine" | awk '$1 == "Depends:" && $2 !~ /^(qemu-|<)/ { print $2 ":amd64" }'
}

has_kernel() { compgen -G "$tools/boot/vmlinuz-*" >/dev/null; }

install_system() {
  [ -e "$machine_file" ] && [ -e "$busybox_file" ] && has_kernel && return
  local libraries current
  libraries=$(machine_libraries)
  [ -n "$libraries" ] || fail "apt does not know $machine"
  mapfile -t packages <<<"$libraries"
  missing=$(missing_packages | tr '\n' ' ')
  [ -z "$missing" ] || { echo "Installing: $missing"; as_root "$missing"; }
  echo "Unpacking $machine, Debian's arm64 kernel and $busybox into build/arm64-tools"
  unpack "$machine" ./usr/bin/qemu-system-aarch64
  "$machine_file" --version >/dev/null || fail "$machine does not run here"
  unpack "$busybox" ./bin/busybox
  current=$(apt-cache depends "$kernel" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
  [ -n "$current" ] || fail "apt does not know $kernel"
  unpack "$current" './boot/vmlinuz-*'
}

missing=$(missing_packages | tr '\n' ' ')
if [ -z "$missing" ] && [ -e "$emulator_file" ] && [ -e "$plugin_emulator_file" ] && [ -e "$wabt_file" ]; then
  ! $system || install_system
  exit
fi

check_system
has_architecture || echo "Adding the architecture arm64 to this system (dpkg --add-architecture arm64)"
has_suite || echo "Adding the suite $suite to this system's apt sources"
[ -z "$missing" ] || echo "Installing: $missing"
as_root "$missing"
if [ ! -e "$emulator_file" ]; then
  echo "Unpacking $emulator into build/arm64-tools"
  unpack "$emulator" ./usr/bin/qemu-aarch64
fi
if [ ! -e "$plugin_emulator_file" ]; then
  echo "Unpacking $plugin_emulator into build/arm64-tools/plugin-emulator"
  (tools=$tools/plugin-emulator && unpack "$plugin_emulator" ./usr/bin/qemu-aarch64)
fi
if [ ! -e "$wabt_file" ]; then
  echo "Unpacking $wabt into build/arm64-tools"
  unpack "$wabt" ./usr/include './usr/lib/aarch64-linux-gnu'
fi
! $system || install_system
