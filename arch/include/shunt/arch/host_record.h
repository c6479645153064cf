// The record of a host site as assembly puts it into the module's table: 16 bytes, nothing in it depends on where the
// module is loaded.
//
//   offset 0   4 bytes   distance from this field to the site
//   offset 4   4 bytes   distance from this field to where the site's branch leads
//   offset 8   8 bytes   distance from this field to a pointer to the key, a multiple of 8, plus flags (bits 2:0)
//
// The section has link order ("o"): a linker that drops the code, because nothing needs it, or because it folded two
// equal functions into one, drops the record with it, and the table stays in order of address. "?" puts the record into
// the code's group, so that duplicates of templates and inline functions go with theirs. An ordinary section would fail
// at both: its records would refer to code that is gone.
//
// `.reloc ..., NONE, key` writes nothing. It makes the code refer to the key, so that identical code folding keeps
// functions apart that differ in their keys alone.
#pragma once

#define SHUNT_HOST_RECORD(none_relocation)                       \
  ".reloc .Lshunt_site%=, " none_relocation                      \
  ", %c[key]\n"                                                  \
  ".pushsection shunt_sites,\"awo?\",@progbits,.Lshunt_site%=\n" \
  ".balign 8\n"                                                  \
  ".long .Lshunt_site%= - .\n"                                   \
  ".long %l[branch] - .\n"                                       \
  ".quad %c[key] + %c[flags] - .\n"                              \
  ".popsection\n"
