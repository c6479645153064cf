#!/usr/bin/env python3
"""Holds the layers of docs/architecture.md: which folder may include what; one file alone may ask for the instruction set in
a preprocessor condition, none for the operating system.

usage: check-layers.py [ROOT]       prints each violation as FILE:LINE: what; fails if there is any
       check-layers.py --self-test  plants violations in a scratch tree and fails unless exactly those are found
"""
import pathlib
import re
import subprocess
import sys
import tempfile

# What an included file is. First match wins; a file given in quotes or in angle brackets is judged by its name alone.
KINDS = [
    ("codegen public", r"shunt/codegen/.*"),
    ("runtime public", r"shunt/runtime/.*"),
    ("arch public", r"shunt/arch/.*"),
    ("engine public", r"shunt/.*"),
    ("arch", r"arch/.*"),
    ("codegen", r"engine/codegen/.*"),
    ("engine", r"engine/.*"),
    ("flags", r"runtime/flags/.*"),
    ("wasm", r"runtime/wasm/.*"),
    ("capi", r"runtime/capi/.*"),
    ("cli", r"runtime/cli/.*"),
    ("checks", r"(tests|benchmarks|samples)/.*"),
    ("wasm.h", r"wasm\.h"),
    ("asmjit", r"asmjit/.*"),
    ("llvm", r"llvm(-c)?/.*"),
    ("wabt", r"wabt/.*"),
    ("json", r"nlohmann/.*"),
    ("lua", r"lua\.hpp"),
    ("fmt", r"fmt/.*"),
    ("options", r"CLI/.*"),
    ("test libraries", r"(gtest|gmock|benchmark|valgrind|xray)/.*"),
    ("system", r"(sys|linux|asm|arpa|netinet)/.*\.h"),
    ("system", r"(ucontext|unistd|execinfo|fcntl|signal|pthread|poll|dlfcn|dirent|elf|link|sched|spawn|malloc|cpuid)\.h"),
    ("standard", r"[a-z_]+"),
    ("standard", r"(assert|ctype|errno|float|inttypes|limits|math|setjmp|std[a-z]+|string|time)\.h"),
]

# For each folder: what its files may include besides their neighbours (names without a folder). The longest match holds.
EVERYTHING = {kind for kind, _ in KINDS}
PRODUCT = EVERYTHING - {"checks", "test libraries"}
ENGINE = {"standard", "system", "arch", "engine public", "engine"}
RULES = {
    "arch": {"standard", "arch", "arch public"},
    "arch/include": {"standard", "arch public"},
    "engine": ENGINE,
    "engine/codegen/asmjit": {"standard", "engine public", "codegen public", "codegen", "asmjit"},
    "engine/codegen/orc": {"standard", "system", "engine public", "codegen public", "codegen", "llvm"},
    "engine/include/shunt": {"standard", "arch public", "engine public"},
    "runtime/include": {"standard", "engine public", "runtime public"},
    "runtime/include/shunt/runtime/c": {"standard", "wasm.h"},
    "runtime/flags": {"standard", "system", "engine public", "runtime public", "flags", "json", "fmt"},
    "runtime/wasm": {"standard", "system", "engine public", "codegen public", "runtime public", "flags", "wasm", "asmjit", "wabt",
                     "fmt"},
    "runtime/wasm/tracing": {"standard", "system", "engine public", "runtime public", "wasm", "json", "fmt"},
    "runtime/wasm/optimising": {"standard", "engine public", "codegen public", "runtime public", "flags", "wasm", "llvm", "wabt"},
    "runtime/capi": {"standard", "engine public", "runtime public", "wasm", "capi", "wasm.h"},
    "runtime/cli": PRODUCT,
    "samples": {"standard", "wasm.h", "system", "engine public", "codegen public", "runtime public", "asmjit", "fmt", "options", "json", "lua", "llvm"},
    "tests": EVERYTHING,
    "benchmarks": EVERYTHING,
}

CONDITION = re.compile(r"^\s*#\s*(?:el)?if(?:def|ndef|)?\b(.*)")
INSTRUCTION_SET = re.compile(r"\b(__(x86_64|amd64|i386|aarch64|arm|riscv|AVX\w*|SSE\w*|ARM_\w*)_{0,2}|_M_(X64|IX86|ARM64|ARM))\b")
OPERATING_SYSTEM = re.compile(r"\b(__(linux|APPLE|FreeBSD|NetBSD|OpenBSD|unix|ANDROID|Fuchsia)(__)?|_WIN32|_WIN64)\b")
INSTRUCTION_SET_FILE = "arch/include/shunt/arch/host.h"

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def kind_of(name):
    for kind, pattern in KINDS:
        if re.fullmatch(pattern, name):
            return kind
    return None


def folder_of(path):
    """The folder of RULES that holds for a file; None if none does."""
    for parent in path.parents:
        if str(parent) in RULES:
            return str(parent)
    return None


def violations_in(root, path):
    folder = folder_of(path)
    if folder is None:
        return
    guest = path.parts[:2] == ("samples", "guests")  # runs on another machine: its own rules
    text = (root / path).read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{path}:{number}"
        if found := INCLUDE.match(line):
            name = found.group(1)
            if guest or (root / path.parent / name).is_file() and "/" not in name:
                continue
            kind = kind_of(name)
            if kind is None:
                yield f"{place}: <{name}> is of no kind that scripts/check-layers.py knows: add it there"
            elif kind not in RULES[folder]:
                yield f"{place}: {folder}/ may not include {name} ({kind}); it may: {', '.join(sorted(RULES[folder]))}"
        elif found := CONDITION.match(line):
            condition = found.group(1)
            if INSTRUCTION_SET.search(condition) and str(path) != INSTRUCTION_SET_FILE:
                yield f"{place}: only {INSTRUCTION_SET_FILE} may ask for the instruction set:{condition}"
            if OPERATING_SYSTEM.search(condition):
                yield f"{place}: give each operating system a file that CMake chooses, instead of asking here:{condition}"


def sources(root):
    suffixes = {".h", ".cpp", ".c"}
    for folder in sorted({rule.split("/")[0] for rule in RULES}):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path.relative_to(root)


def check(root):
    return [violation for path in sources(root) for violation in violations_in(root, path)]


# path, text, what the message must contain (None: no violation)
SELF_TEST = [
    ("arch/x86_64/encode.h", "#include <cstdint>\n#include \"arch/backend.h\"\n", None),
    ("arch/include/shunt/arch/host.h", "#if defined(__x86_64__)\n#elif defined(__aarch64__)\n#endif\n", None),
    ("arch/arm64/uses_engine.h", "#include \"shunt/engine.h\"\n", "arch/arm64/uses_engine.h:1: arch/ may not include"),
    ("arch/arm64/uses_system.h", "\n#include <sys/mman.h>\n", "arch/arm64/uses_system.h:2: arch/ may not include"),
    ("engine/patch/patcher.cpp", "#include \"arch/backend.h\"\n#include <unistd.h>\n", None),
    ("engine/patch/uses_asmjit.cpp", "#include <asmjit/core.h>\n", "engine/ may not include asmjit/core.h"),
    ("engine/patch/uses_codegen.cpp", "#include \"shunt/codegen/asmjit.h\"\n", "engine/ may not include shunt/codegen"),
    ("arch/include/shunt/arch/uses_arch.h", "#include \"arch/backend.h\"\n", "arch/include/ may not include arch"),
    ("engine/include/shunt/uses_arch.h", "#include \"arch/backend.h\"\n", "engine/include/shunt/ may not include arch"),
    ("engine/codegen/asmjit/uses_internals.cpp", "#include \"engine/sites/site_table.h\"\n", "may not include engine/sites"),
    ("engine/memory/asks.cpp", "#  ifdef __aarch64__\n", "only arch/include/shunt/arch/host.h may ask for the instruction set"),
    ("engine/memory/asks_os.cpp", "#if 1 || defined(__linux__)\n", "give each operating system a file"),
    ("runtime/flags/uses_internals.cpp", "#include \"engine/patch/patcher.h\"\n", "runtime/flags/ may not include engine/patch"),
    ("runtime/wasm/uses_cli.cpp", "#include \"runtime/cli/run.h\"\n", "runtime/wasm/ may not include runtime/cli"),
    ("runtime/capi/store.cpp", "#include <wasm.h>\n#include \"runtime/wasm/module/reader.h\"\n", None),
    ("runtime/wasm/uses_capi.cpp", "#include \"runtime/capi/store.h\"\n", "runtime/wasm/ may not include runtime/capi"),
    ("runtime/wasm/uses_test.cpp", "#include \"tests/support/skip.h\"\n", "runtime/wasm/ may not include tests/support"),
    ("runtime/cli/run.cpp", "#include \"runtime/wasm/module/module_data.h\"\n#include <CLI/CLI.hpp>\n", None),
    ("runtime/cli/uses_unknown.cpp", "#include <boost/any.hpp>\n", "is of no kind"),
    ("samples/02/uses_internals.cpp", "#include \"runtime/wasm/module/reader.h\"\n", "samples/ may not include runtime/wasm"),
    ("tests/engine/anything.cpp", "#include \"engine/patch/patcher.h\"\n#include <gtest/gtest.h>\n", None),
]


def self_test():
    wrong = []
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch)
        for name, text, _ in SELF_TEST:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        found = check(root)
        for name, _, expected in SELF_TEST:
            ours = [violation for violation in found if violation.startswith(name + ":")]
            if expected is None and ours:
                wrong.append(f"no violation, but reported: {ours}")
            if expected is not None and (len(ours) != 1 or expected not in ours[0]):
                wrong.append(f"{name}: expected one message with '{expected}', got {ours}")
        status = subprocess.run([sys.executable, __file__, scratch], stdout=subprocess.DEVNULL, check=False).returncode
        if status == 0:
            wrong.append("violations do not make the exit status non-zero")
    print("\n".join(wrong) if wrong else f"{len(SELF_TEST)} planted files judged rightly")
    return 1 if wrong else 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = check(root)
    checked = sum(1 for _ in sources(root))
    print("\n".join(found) if found else f"{checked} files keep the layers")
    if checked == 0:
        print(f"no source found below {root}")
    return 1 if found or checked == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
