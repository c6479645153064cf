"""Boots the emulated machine and follows its console: what each job said, how it ended, and what became of the machine."""
import collections
import dataclasses
import re
import selectors
import subprocess
import time

BOOT_LIMIT = 90          # seconds until the guest's init speaks
GRACE = 20               # seconds without which no job is given up
SLOWEST = 6              # how many times slower than the machine's clock a job may be on this one
MARK = re.compile(rb"@@(up|begin|end|done)\b ?(.*)")


@dataclasses.dataclass
class Ended:
    """A job's end as the console showed it. `status` is None if it never came."""
    status: int | None = None
    seconds: float = 0.0
    output: str = ""


@dataclasses.dataclass
class Run:
    up: str = ""             # what the guest says of itself
    problem: str = ""        # why the machine itself failed; empty: it ran all jobs and switched off
    jobs: dict = dataclasses.field(default_factory=dict)  # number -> Ended
    tail: collections.deque = dataclasses.field(default_factory=lambda: collections.deque(maxlen=40))


# With one thread for all CPUs the machine's clock counts instructions, 4 ns each: a run does not depend on how busy this machine is, a
# CPU that waits for an interrupt is not waited for, and CPUs take turns so often that a membarrier takes half a millisecond of that clock.
CLOCKS = {"single": ["-icount", "shift=2,sleep=off"], "multi": []}


def command(qemu, kernel, initramfs, cpu, thread):
    return [qemu, "-M", "virt", "-cpu", cpu, "-smp", "4", "-m", "1536", "-accel", f"tcg,thread={thread}", *CLOCKS[thread], "-kernel", kernel,
            "-initrd", initramfs, "-append", "console=ttyAMA0 quiet panic=-1 oops=panic", "-nodefaults", "-nic", "none",
            "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"]


class Console:
    """Follows one boot. `show(line)` is called with each line of the jobs' output as it comes. `patience` multiplies all limits."""

    def __init__(self, jobs, deadline, patience, show):
        self.jobs, self.patience, self.show = jobs, patience, show
        self.run = Run()
        self.current = None
        self.begun = 0.0
        self.deadline = deadline                     # of the whole run
        self.due = time.monotonic() + BOOT_LIMIT * patience  # of the step that is under way
        self.done = False

    def line(self, raw):
        self.run.tail.append(raw.decode(errors="replace"))
        mark = MARK.search(raw)
        if mark is None:
            self.text(raw)
            return
        if raw[:mark.start()]:
            self.text(raw[:mark.start()])            # a line that a program did not end
        words = mark.group(2).decode(errors="replace").split()
        self.mark(mark.group(1).decode(), words)

    def text(self, raw):
        text = raw.decode(errors="replace")
        if self.current is not None:
            self.run.jobs[self.current].output += text + "\n"
        self.show(text)
        if re.search("Kernel panic|Internal error: Oops", text):
            self.run.problem = text.strip()

    def mark(self, kind, words):
        now = time.monotonic()
        if kind == "up":
            self.run.up = " ".join(words)
            self.due = now + GRACE * self.patience
        elif kind == "begin":
            self.current, self.begun = int(words[0]), now
            self.run.jobs[self.current] = Ended()
            self.due = now + SLOWEST * self.jobs[self.current].limit + GRACE * self.patience  # the job's own is multiplied already
        elif kind == "end":
            ended = self.run.jobs[int(words[0])]
            ended.status, ended.seconds = int(words[1]), now - self.begun
            self.current, self.due = None, now + GRACE * self.patience
        else:
            self.done = True

    def late(self):
        """Why the machine is given up, or empty."""
        now = time.monotonic()
        if now > self.deadline:
            return "not done in the time for the whole run"
        if now <= self.due:
            return ""
        if not self.run.up:
            return f"did not boot within {BOOT_LIMIT * self.patience} s"
        if self.current is not None:
            return f"hangs in {self.jobs[self.current].program}, or is more than {SLOWEST} times too slow"
        return "hangs between two jobs"


def run(arguments, jobs, limit, patience, show):
    """Boots and runs all jobs, for at most `limit` seconds; a Run, whatever happens."""
    console = Console(jobs, time.monotonic() + limit, patience, show)
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        follow(process, console)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    if not console.run.problem and not console.done:
        console.run.problem = f"the machine stopped (qemu's status {process.returncode})"
    return console.run


def follow(process, console):
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if selector.select(timeout=1):
                chunk = process.stdout.read1(65536)
                if not chunk:
                    break
                *lines, rest = (rest + chunk.replace(b"\r", b"")).split(b"\n")
                for line in lines:
                    console.line(line)
            reason = console.late()
            if reason:
                console.run.problem = reason
                break
    if rest:
        console.line(rest)
