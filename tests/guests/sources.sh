# Sourced by third_party.sh: where the guests' sources come from.

# The guests' names in the system's source packages. Others must be there already.
declare -A source_package=([zlib]=zlib [bzip2]=bzip2 [lua]=lua5.4)

# sources_of GUEST: sets $sources to the folder with the guest's sources, which it fetches if need be.
sources_of() {
  local cache=${SHUNT_GUEST_SOURCES:-$folder/sources}
  sources=$cache/$1
  [ -d "$sources" ] && return
  local package=${source_package[$1]:-}
  [ -n "$package" ] || missing "no sources in $sources (SHUNT_GUEST_SOURCES names the folder above)"
  mkdir -p "$cache"
  exec 9>"$cache/.lock"  # several guests may be tested at once
  flock 9
  [ -d "$sources" ] || fetch_package "$package" "$cache" "$sources"
  flock -u 9
}

# private_apt FOLDER ARGUMENT...: apt-get with lists and settings of its own, so that the system's stay as they are.
private_apt() {
  local apt=$1
  shift
  timeout 240 apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$apt/parts" -o Dir::State::lists="$apt/lists" \
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 -o Acquire::http::Timeout=20 "$@"
}

# The system's package sources, asked for source packages instead.
write_apt_parts() {
  local parts=$1 file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] && sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$file" >"$parts/$(basename "$file" .list).list"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] && sed 's/^Types:.*/Types: deb-src/' "$file" >"$parts/$(basename "$file")"
  done
  return 0
}

# fetch_package PACKAGE CACHE TARGET: the original archive of a source package (apt-get checks its signature), unpacked.
fetch_package() {
  local package=$1 apt=$2/.apt target=$3 unpacked=$2/.unpacked
  command -v apt-get >/dev/null || missing "no apt-get to fetch the source package $package with"
  mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/download"
  write_apt_parts "$apt/parts"
  local log=$apt/$package.log
  rm -f "$apt/download/$package"_*
  (cd "$apt/download" && private_apt "$apt" source --download-only "$package") >"$log" 2>&1 ||
    { private_apt "$apt" update && cd "$apt/download" && private_apt "$apt" source --download-only "$package"; } >>"$log" 2>&1 ||
    { tail -n 5 "$log" >&2; missing "the source package $package cannot be fetched"; }
  rm -rf "$unpacked"
  mkdir "$unpacked"
  # Python unpacks all the formats that source packages use, without the programs for them.
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])' \
    "$apt/download/$package"_*.orig.tar.* "$unpacked"
  mv "$unpacked"/* "$target"
  rmdir "$unpacked"
}
