// More that a flip can be: in the program's own text, by signals, together with others; and what a site costs in
// memory.
//
//   host/SITES/BUSY    all host sites of a key, after the text was moved. Controls: alias, as many toggles in an
//                      engine's own memory; membarrier
//   signal/BUSY        one site, cores serialised by signals to all threads. Control: membarrier
//   group/THREADS      threads that commit at the same time, each its own key of one site; serialisations_a_batch.
//   Control:
//                      alone, the same commits by one thread
//   metadata/STATES    bytes_a_site: heap memory that the sites of published code keep. metadata/host: a host site's
//                      record in the program's file
#pragma once

namespace shunt::bench {

void register_more();

}  // namespace shunt::bench
