// The process's SIGTRAP handler: one for all engines, installed when the first of them gets a site that is rewritten by
// breakpoints, and never removed (others may have saved it as the handler to pass signals on to). The library must
// therefore stay loaded.
//
// A thread that ran into a breakpoint of a batch in flight goes on as the site's *new* instruction would
// (answer_trap()). Everything else is passed on to whatever was there when the handler was installed, as if it were
// there still:
//
//   a handler          is called with the arguments that it asked for (SA_SIGINFO), under the mask that it would have
//                      (SA_NODEFER, sa_mask), once only with SA_RESETHAND; it may leave by longjmp
//   the default        the process ends by SIGTRAP, at the instruction that was interrupted
//   ignored            a signal that was sent is ignored; a trap that an instruction raised cannot be: it ends the
//   process
//
// On an alternative stack, if the thread has one. errno is kept. A handler that is installed later sees all traps first
// and must pass ours on, with siginfo and context; check_trap_handler() finds the action only if it is the default one
// or to ignore.
#pragma once

#include "shunt/error.h"

namespace shunt::detail {

// Installs the handler, if it is not. Thread-safe. Errors: SystemCall.
Status install_trap_handler();

// Whether breakpoints may be written: errors with TrapHandlerReplaced if SIGTRAP has its default action, or is ignored,
// although the handler was installed. One system call.
Status check_trap_handler();

}  // namespace shunt::detail
