// Lets a process's owner list, get, set and watch its flags from outside, through a Unix socket: `shunt flags`.
//
// Nobody else reaches it: the socket has mode 0600, lies in a folder of the owner's with mode 0700, and whoever
// connects is asked for by the kernel (SO_PEERCRED). A request is a JSON object on one line, and so is each answer:
//
//   {"op": "list"}                               {"flags": [{"key": ..., "value": ..., "variant": ..., "reason": ...},
//   ...]}
//   {"op": "get", "key": K}                      {"key": K, "value": ..., ...}
//   {"op": "set", "key": K, "value": V}          {"key": K, "value": V, ..., "sites_written": N}
//   {"op": "watch"}                              {"watching": true}, then each time that flags change {"flags": [...]}
//   anything else                                {"error": "what: remedy"}; a line of more than 64 KiB ends the
//   connection
//
// A flag is told as the set's own context has it. "targeting" is there if rules decide it: "agreed" while all contexts
// in use see the same, else "differs".
#pragma once

#include <memory>
#include <string>

#include "shunt/error.h"
#include "shunt/runtime/flags.h"

namespace shunt::flags {

class FlagControl {
 public:
  // Listens at `path`, on a thread of its own that takes no signals; makes the folder if it is not there. Takes the
  // set's on_change(). `set` must outlive it. Errors: InvalidArgument (others may open the folder, another process
  // listens there, the path is none), SystemCall. May block.
  static Result<std::unique_ptr<FlagControl>> start(FlagSet& set, const std::string& path);
  // Ends connections, and removes the socket. Blocks while a request is being answered.
  ~FlagControl();
  FlagControl(const FlagControl&) = delete;
  FlagControl& operator=(const FlagControl&) = delete;

 private:
  struct Impl;
  explicit FlagControl(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace shunt::flags
