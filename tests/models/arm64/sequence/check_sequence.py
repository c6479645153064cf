#!/usr/bin/env python3
"""Shows that the real code executes what the litmus tests model: runs sequence_program under an emulator with sequence_plugin.c, and
compares what was executed with the columns of instructions of the tests. So whoever changes one must change the other.

usage: check_sequence.py QEMU PROGRAM [MUTANT...]

PROGRAM is built for arm64, QEMU an emulator for it that takes plugins. With MUTANT (engine/patch/mutant.h) PROGRAM contains deliberate
faults, and each of those that are named must be noticed.
"""
import dataclasses
import itertools
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import litmus  # noqa: E402

CLOCK_GETTIME = "113"  # the report's times; on a kernel, no system call
NO_IDC_NO_DIC, IDC, DIC, IDC_DIC = "0x8444C004", "0x9444C004", "0xA444C004", "0xB444C004"
TEST_OF = {NO_IDC_NO_DIC: "commit", IDC: "commit-idc", DIC: "commit-dic", IDC_DIC: "commit-idc-dic"}


@dataclasses.dataclass
class Region:
    events: list        # letters of sequence_plugin.c, of the thread that began it
    others: list        # of other threads
    stores: list        # (kind, offset, size)
    calls: set          # numbers of system calls without a letter
    instructions: int = 0


def execute(qemu, plugin, program, arguments, cpu="cortex-a57", mutant="none"):
    """(CTR_EL0 that the program went by, its regions)"""
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run([qemu, "-cpu", cpu, "-L", "/", "-plugin", plugin, "-d", "plugin", "-D", log.name, program, *arguments],
                              capture_output=True, text=True, timeout=120, env={**os.environ, "SHUNT_MUTANT": mutant})
        lines = log.read().splitlines()
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)}: {program} failed ({done.returncode}): {done.stderr}")
    regions = []
    for line in lines:
        words = line.split()
        if words[0] == "region":
            regions.append(Region([], [], [], set()))
        elif words[0] == "end":
            regions[-1].instructions = int(words[1].split("=")[1])
        elif words[0] == "other":
            regions[-1].others.append(words[1])
        elif words[0] == "y":
            regions[-1].calls.add(words[1])
        else:
            if words[0] in "SF":
                regions[-1].stores.append((words[0], int(words[1], 16), int(words[2])))
            regions[-1].events.append("S" if words[0] == "F" else words[0])
    ctr = re.search(r"^ctr (\w+)", done.stdout, re.MULTILINE)
    return int(ctr.group(1), 16) if ctr else 0, regions


def modelled(name, thread=0):
    """The letters of a thread's column of a litmus test. What it does to data is left out."""
    test = litmus.Litmus.read(HERE.parent / f"{name}.litmus")
    letters = []
    for instruction in test.columns[thread]:
        store = re.fullmatch(r"STL?R W\d+,\[(X\d+)\]", instruction)
        target = test.initial(thread, store.group(1)) if store else ""
        if target == "ipi":  # membarrier interrupts the other thread
            letters.append("M")
        elif target == "sent":  # tgkill
            letters.append("K")
        elif target == "P1:Lpage":  # what plays a page-table entry
            letters.append("R")
        elif target == "word" or re.match(r"P\d:L", target):
            letters.append("S")
        else:
            letter = {"DC": "D", "IC": "I", "ISB": "i", "DSB ISH": "B", "DSB ISHLD": "b"}
            letters += [letter[key] for key in (instruction, instruction.split(" ")[0]) if key in letter][:1]
    return letters


def collapsed(letters):
    return [letter for letter, _ in itertools.groupby(letters)]


def lines_touched(stores, size):
    return len({offset // size for _, begin, length in stores for offset in (begin, begin + length - 1)})


class Checker:
    def __init__(self, qemu, plugin, program, mutant="none"):
        self.run = lambda arguments, cpu="cortex-a57": execute(qemu, plugin, program, arguments, cpu, mutant)
        self.passed, self.problems = 0, []

    def expect(self, what, found, expected):
        if found == expected:
            self.passed += 1
            if ".litmus" in what:
                print(f"{what}: the same")
            return
        text = lambda value: "".join(value) if isinstance(value, list) else value
        self.problems.append(f"{what}: {text(found)}, expected {text(expected)}")

    def maintenance(self, what, ctr, region):
        """Barriers do not depend on how many sites or pieces there are, clean and invalidation on lines alone."""
        idc, dic = ctr >> 28 & 1, ctr >> 29 & 1
        count = region.events.count
        lines = {"D": 0 if idc else lines_touched(region.stores, 4 << (ctr >> 16 & 15)),
                 "I": 0 if dic else lines_touched(region.stores, 4 << (ctr & 15))}
        self.expect(f"{what}: DC CVAU", count("D"), lines["D"])
        self.expect(f"{what}: IC IVAU", count("I"), lines["I"])
        self.expect(f"{what}: DSB ISH", count("B"), 1 if dic else 2)
        self.expect(f"{what}: ISB", count("i"), 1)
        print(f"{what}: {len(region.stores)} stores, {count('D')} DC CVAU, {count('I')} IC IVAU, {count('B')} DSB ISH, "
              f"{count('i')} ISB, {count('M')} membarrier")

    def counts(self, what, ctr, region, sites=None):
        self.maintenance(what, ctr, region)
        self.expect(f"{what}: membarrier", region.events.count("M"), 1)
        if sites is not None:
            offsets = {offset for _, offset, _ in region.stores}
            self.expect(f"{what}: stores", (len(region.stores), len(offsets), {size for *_, size in region.stores}),
                        (sites, sites, {4}))
        self.expect(f"{what}: other system calls", region.calls - {CLOCK_GETTIME}, set())

    def commit(self, ctr, sites, stride, test, cpu="cortex-a57"):
        value, (region,) = self.run([ctr, "commit", str(sites), str(stride)], cpu)
        what = f"commit of {sites} sites, {stride} bytes apart, CTR_EL0 {value:#x}"
        exact = (sites, stride) in ((1, 4), (2, 64))
        letters = region.events if exact else collapsed(region.events)
        self.expect(f"{what}: {test}.litmus", letters, modelled(test) if exact else collapsed(modelled(test)))
        self.counts(what, value, region, sites)

    def commits(self):
        for ctr, test in TEST_OF.items():
            self.commit(ctr, 1, 4, test)
            self.commit(ctr, 10, 20, test)
            self.commit(ctr, 1000, 20, test)
        self.commit(NO_IDC_NO_DIC, 2, 64, "commit-batch")
        for cpu in ("cortex-a57", "neoverse-n1", "a64fx", "max"):  # lines of 64, 64, 256 and 32 bytes
            self.commit("host", 10, 20, "commit", cpu)

    def publication(self):
        for size in ("64", "4000"):
            ctr, (region,) = self.run([NO_IDC_NO_DIC, "publish", size])
            self.expect(f"publish of {size} bytes: publish-pointer.litmus", collapsed(region.events), collapsed(modelled("publish-pointer")))
            self.counts(f"publish of {size} bytes", ctr, region)
        _, regions = self.run([NO_IDC_NO_DIC, "publish_nosync"])
        test = collapsed(modelled("publish-branch"))
        executed = [letter for region in regions for letter in collapsed(region.events)]
        self.expect("publish_nosync, then a commit: publish-branch.litmus", executed[:len(test)], test)
        self.expect("publish_nosync: membarrier", regions[0].events.count("M"), 0)
        self.expect("the commit after publish_nosync: commit.litmus", regions[1].events, modelled("commit"))

    def fork(self):
        _, (region,) = self.run([NO_IDC_NO_DIC, "fork"])
        test = collapsed(modelled("fork-copy"))
        executed = collapsed(region.events)
        self.expect("the first commit after fork: fork-copy.litmus", executed[:len(test)], test)
        self.expect("the first commit after fork, behind the copy: commit.litmus", executed[len(test):], modelled("commit"))
        copied = lines_touched([store for store in region.stores if store[0] == "F"], 64)
        self.expect("the first commit after fork: DC CVAU", region.events.count("D"), copied + 1)

    def waiting(self):
        _, (region,) = self.run([NO_IDC_NO_DIC, "retire"])
        for test in ("retire", "retire-inside"):
            self.expect(f"a commit, and the end of the old path: {test}.litmus, ended.litmus", collapsed(region.events),
                        collapsed(modelled(test) + modelled("ended")))
        _, (region,) = self.run([NO_IDC_NO_DIC, "data_flip"])
        self.expect("a flip of a demoted key: data-flip.litmus", region.events, modelled("data-flip"))
        _, (region,) = self.run([NO_IDC_NO_DIC, "signals"])
        self.expect("a commit by signals: signal.litmus", collapsed(region.events), collapsed(modelled("signal")))
        self.expect("a signal's handler: signal.litmus", region.others, modelled("signal", 1))
        self.expect("a late signal's handler: signal-late.litmus", region.others, modelled("signal-late", 1))

    def ends(self):
        for ctr in (NO_IDC_NO_DIC, IDC_DIC):
            for pieces in (1, 10, 1000):
                value, (region,) = self.run([ctr, "end", str(pieces)])
                what = f"the end of {pieces} pieces of code, CTR_EL0 {value:#x}"
                if ctr == NO_IDC_NO_DIC:
                    self.expect(f"{what}: ended.litmus", collapsed(region.events), collapsed(modelled("ended")))
                self.maintenance(what, value, region)
                self.expect(f"{what}: membarrier", region.events.count("M"), 0)

    def instructions(self):
        """A site that is off is one instruction. Two lengths of each loop, so that what stands outside of it cancels out. A compiler
        lays out a loop without any site in its own way, so its loops with sites are compared with each other."""
        for loop, fewer, more in (("loop", 0, 1), ("loop", 0, 16), ("host_loop", 1, 16)):
            count = lambda sites, rounds: self.run(["host", loop, str(sites), str(rounds)])[1][0].instructions
            few, many = ((count(sites, 3000) - count(sites, 1000)) / 2000 for sites in (fewer, more))
            a_site = (many - few) / (more - fewer)
            print(f"{loop}: {few:.3f} instructions a round with {fewer} sites that are off, {many:.3f} with {more}: {a_site:.3f} a site")
            self.expect(f"{loop}: instructions a site, with {more}", a_site, 1.0)

    def protocol(self, to_the_end=True):
        for check in (self.fork, self.waiting, self.ends, self.publication, self.commits):
            if to_the_end or not self.problems:
                check()
        return self


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    qemu, program, mutants = sys.argv[1], sys.argv[2], sys.argv[3:]
    with tempfile.TemporaryDirectory() as folder:
        plugin = f"{folder}/plugin.so"
        subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden", "-o", plugin,
                        HERE / "sequence_plugin.c"], check=True)
        if not mutants:
            checker = Checker(qemu, plugin, program).protocol()
            checker.instructions()
            passed, problems = checker.passed, checker.problems
        else:
            passed, problems = 0, []
            for mutant in mutants:
                noticed = Checker(qemu, plugin, program, mutant).protocol(to_the_end=False).problems
                print(f"mutant {mutant}: {noticed[0] if noticed else 'not noticed'}")
                passed += bool(noticed)
                problems += [] if noticed else [f"mutant {mutant} was not noticed"]
    for problem in problems:
        print(problem)
    print(f"[  PASSED  ] {passed} tests.")  # as GoogleTest does: scripts/count-tests.py reads it
    if problems:
        print(f"[  FAILED  ] {len(problems)} tests")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
