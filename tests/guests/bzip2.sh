# Sourced by third_party.sh. What bzip2's `make test` does with its samples, and more of the program's modes.

build_guest() {
  local library=()
  local unit
  for unit in blocksort huffman crctable randtable compress decompress bzlib; do library+=("$sources/$unit.c"); done
  build_both bzip2 -D_FILE_OFFSET_BITS=64 "$sources/bzip2.c" "${library[@]}"
}

run_guest() {
  local number options=("" -d -d -ds)
  for number in 1 2 3; do
    check "sample $number compresses" guest bzip2 -$number <"$sources/sample$number.ref" >sample$number.rb2
    same "to exactly its archive" sample$number.rb2 "$sources/sample$number.bz2"
    check "sample $number uncompresses (${options[$number]})" guest bzip2 "${options[$number]}" <"$sources/sample$number.bz2" \
      >sample$number.tst
    same "to exactly its reference" sample$number.tst "$sources/sample$number.ref"
  done

  # As on a command line: files of the folder, kept or replaced.
  cp "$sources/sample1.ref" file
  check "bzip2 -k makes an archive beside the file" guest bzip2 -k -9 file
  cp file copy
  native bzip2 -9 copy
  same "the same as natively" file.bz2 copy.bz2
  check "bzip2 -t accepts it" guest bzip2 -t file.bz2
  check "an archive is not overwritten" fails guest bzip2 -k file
  rm file
  check "bzip2 -d brings the file back" guest bzip2 -d file.bz2
  same "as it was" file "$sources/sample1.ref"
  check "and takes the archive away" test ! -e file.bz2

  { head -c 2000 copy.bz2; printf 'wrong'; tail -c +2006 copy.bz2; } >damaged.bz2
  check "bzip2 -t finds damage" fails guest bzip2 -t damaged.bz2
  check "bzip2 finds no file" fails guest bzip2 -k missing
}
