"""Litmus tests as texts: their columns of instructions, and the mutants of a test."""
import dataclasses
import pathlib
import re

COMMENT = re.compile(r"\(\*.*?\*\)", re.DOTALL)


@dataclasses.dataclass
class Litmus:
    name: str
    head: str            # everything before the instructions
    columns: list        # of instructions, one list a thread; "" where there is none
    condition: str

    @classmethod
    def read(cls, path):
        text = COMMENT.sub("", pathlib.Path(path).read_text())
        first, rest = text.split("\n", 1)
        head, rest = rest.split("}", 1)
        lines = [line.strip() for line in rest.strip().splitlines()]
        rows = [line.rstrip(";").split("|") for line in lines if line.endswith(";")]
        condition = "\n".join(line for line in lines if line and not line.endswith(";"))
        columns = [[row[i].strip() if i < len(row) else "" for row in rows[1:]] for i in range(len(rows[0]))]
        return cls(first.split()[1], head + "}", columns, condition)

    def text(self):
        threads = range(len(self.columns))
        rows = [[f"P{i}" for i in threads]] + [list(row) for row in zip(*self.columns)]
        body = "\n".join(" " + " | ".join(row) + " ;" for row in rows)
        return f"AArch64 {self.name}\n{self.head}\n{body}\n{self.condition}\n"

    def initial(self, thread, register):
        """The text of a register's initial value."""
        found = re.search(rf"\b{thread}:{register}=([^;]*);", self.head)
        return found.group(1).strip() if found else ""

    def stores_instruction(self, thread, instruction):
        found = re.fullmatch(r"STL?R W(\d+),\[X\d+\]", instruction)
        return bool(found) and self.initial(thread, f"X{found.group(1)}").startswith("instr:")

    def replaced(self, thread, row, instruction, name):
        columns = [list(column) for column in self.columns]
        columns[thread][row] = instruction
        return Litmus(name, self.head, columns, self.condition)

    def mutants(self):
        """(what, mutant) for each step left out, and for each step made weaker."""
        number = 0
        for thread, column in enumerate(self.columns):
            for row, instruction in enumerate(column):
                for weaker in weaker_than(instruction, self.stores_instruction(thread, instruction)):
                    number += 1
                    what = f"P{thread}.{row + 1} {instruction} -> {weaker or 'nothing'}"
                    yield what, self.replaced(thread, row, weaker, f"{self.name}-mutant-{number}")


def weaker_than(instruction, stores_instruction):
    """What may stand in the place of a step; "" is nothing."""
    if stores_instruction or re.match(r"(DC|IC|ISB|DMB)\b", instruction):
        return [""]
    if instruction.endswith(",Lout"):  # what gives up where the wanted word is not there yet: without it nobody waits
        return [""]
    if instruction == "DSB ISH":
        return ["", "DMB ISH", "DSB ISHST"]
    if instruction == "DSB ISHLD":
        return [""]
    if instruction.startswith("LDAR "):
        return ["LDR " + instruction[5:]]
    if instruction.startswith("STLR "):
        return ["STR " + instruction[5:]]
    return []
