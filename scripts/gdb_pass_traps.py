"""For gdb: a command that gives a program the SIGTRAPs of its own breakpoints, while gdb's breakpoints work as ever.

    (gdb) source scripts/gdb_pass_traps.py
    (gdb) pass-traps run
    (gdb) pass-traps continue

Code that shunt rewrites by breakpoints raises SIGTRAP, which gdb keeps for itself: the thread would run on behind the breakpoint, in
the middle of an instruction. `handle SIGTRAP pass` is no remedy: gdb then also delivers the traps of its own breakpoints and steps,
which end the program. This command tells them apart: the program's own stop is at no breakpoint of gdb's, and an instruction raised the
signal (SI_KERNEL; a step says TRAP_TRACE). The breakpoint itself may be gone by the time that gdb has stopped all threads.
"""
import gdb

SI_KERNEL = 0x80


class PassTraps(gdb.Command):
    """pass-traps COMMAND: runs COMMAND (run, continue), and goes on as long as the program stops at its own breakpoints."""

    def __init__(self):
        super().__init__("pass-traps", gdb.COMMAND_RUNNING)
        self.stop = None
        self.passed = 0  # SIGTRAPs given to the program
        gdb.events.stop.connect(self.note)

    def note(self, event):
        self.stop = event

    def at_own_breakpoint(self):
        if type(self.stop) is not gdb.StopEvent or gdb.selected_inferior().pid == 0:
            return False
        try:
            return int(gdb.parse_and_eval("$_siginfo.si_code")) == SI_KERNEL
        except gdb.error:
            return False

    def invoke(self, argument, from_tty):
        self.stop = None
        gdb.execute(argument or "continue", from_tty)
        while self.at_own_breakpoint():
            self.stop = None
            self.passed += 1
            gdb.execute("signal SIGTRAP", False, True)


pass_traps = PassTraps()
