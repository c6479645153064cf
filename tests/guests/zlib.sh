# Sourced by third_party.sh. zlib's own test programs (its `make check`), and what minigzip makes of real files.

build_guest() {
  # What zlib's configure would find; wasi-libc and the host have it both.
  local library=("$sources"/*.c) flags=(-DHAVE_UNISTD_H -DHAVE_STDARG_H -I "$sources")
  build_both example "${flags[@]}" "$sources/test/example.c" "${library[@]}"
  build_both minigzip "${flags[@]}" "$sources/test/minigzip.c" "${library[@]}"
  build_both infcover "${flags[@]}" "$sources/test/infcover.c" "${library[@]}"
}

run_guest() {
  # Calls every interface of the library and checks the results itself.
  check "example ends well" guest example >example.out 2>&1
  has "example: uncompress" example.out "uncompress(): hello, hello!"
  has "example: gzread" example.out "gzread(): hello, hello!"
  has "example: gzgets" example.out "gzgets() after gzseek:  hello!"
  has "example: inflate" example.out "inflate(): hello, hello!"
  has "example: large_inflate" example.out "large_inflate(): OK"
  has "example: inflateSync" example.out "after inflateSync(): hello, hello!"
  has "example: dictionary" example.out "inflate with dictionary: hello, hello!"
  native example >example.native 2>&1
  # The first line tells the word sizes that it was compiled for.
  tail -n +2 example.out >example.tail
  tail -n +2 example.native >example.native.tail
  same "example: the same as natively" example.tail example.native.tail

  # Every branch of inflate, with allocation failures.
  check "infcover ends well" guest infcover >infcover.out 2>&1
  native infcover >infcover.native 2>&1
  # It counts allocated bytes, which depend on the size of a pointer.
  sed -i 's/[0-9]* \(allocated\|high water mark\)/some \1/' infcover.out infcover.native
  same "infcover: the same as natively" infcover.out infcover.native

  cat "$sources"/*.c "$sources"/*.h "$work/minigzip.wasm" "$sources"/*.pdf >input
  local level
  for level in 1 6 9; do
    check "minigzip -$level compresses" guest minigzip -$level <input >input.$level.gz
    native minigzip -$level <input >input.$level.native.gz
    same "minigzip -$level: the same bytes as natively" input.$level.gz input.$level.native.gz
    check "minigzip -d undoes it" guest minigzip -d <input.$level.gz >output
    same "and gives the input again" output input
  done

  # With files: NAME becomes NAME.gz and comes back.
  cp input file
  check "minigzip compresses a file" guest minigzip file
  check "the file is gone" test ! -e file
  check "minigzip -d uncompresses a file" guest minigzip -d file.gz
  same "the file is back" file input
  check "the archive is gone" test ! -e file.gz
  head -c 1000 input.6.gz >damaged.gz
  check "a truncated archive is an error" fails guest minigzip -d damaged.gz
}
