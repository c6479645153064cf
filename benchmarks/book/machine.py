"""What a reader has to know of the machine that was measured."""
import datetime
import os
import pathlib
import platform
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


def text(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None


def first_line(*command):
    if not shutil.which(command[0]):
        return None
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[0].strip() if lines else None


def cpu_field(name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", text("/proc/cpuinfo") or "", re.M)
    return found.group(1) if found else None


def caches():
    found = []
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = {"Instruction": "i", "Data": "d"}.get(text(index / "type"), "")
        found.append(f"L{text(index / 'level')}{kind} {text(index / 'size')}")
    return ", ".join(found) or None


def mitigations():
    """Vulnerabilities that the kernel does something about, or that are open."""
    found = {path.name: text(path) for path in sorted(pathlib.Path("/sys/devices/system/cpu/vulnerabilities").glob("*"))}
    return {name: state for name, state in found.items() if state and state != "Not affected"}


def git(*arguments):
    return subprocess.run(["git", "-C", str(HERE), *arguments], capture_output=True, text=True, check=False).stdout.strip()


def describe():
    memory = re.search(r"^MemTotal:\s*(\d+)", text("/proc/meminfo") or "", re.M)
    changed = [line for line in git("status", "--porcelain", "--untracked-files=no").splitlines() if not line.endswith((".md", ".svg"))]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else ""),
        "cpu": cpu_field("model name") or platform.machine(),
        "virtual": "hypervisor" in (cpu_field("flags") or "").split(),
        "processors": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory_gb": round(int(memory.group(1)) / 1e6, 1) if memory else None,
        "kernel": f"{platform.system()} {platform.release()}",
        "governor": text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "none that the system shows",
        "huge_pages": (re.findall(r"\[(\w+)\]", text("/sys/kernel/mm/transparent_hugepage/enabled") or "") or ["?"])[0],
        "mitigations": mitigations(),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": {
            name: version
            for name, version in (
                ("clang", first_line("clang-19", "--version")),
                ("c++", first_line("c++", "--version")),
                ("node", first_line("node", "--version")),
                ("V8", first_line("node", "-p", "process.versions.v8")),
                ("SpiderMonkey", first_line("js102", "--version")),
                ("Java", first_line("java", "-version")),
            )
            if version
        },
    }


def page(machine):
    """The section of the page, as rows of a table."""
    mitigated = "; ".join(f"{name}: {state}" for name, state in machine["mitigations"].items()) or "none"
    rows = [
        ("measured", f"{machine['date']}, source at {machine['commit']}"),
        ("processor", machine["cpu"] + (" (virtual machine)" if machine["virtual"] else "")),
        ("processors", str(machine["processors"])),
        ("caches", machine["caches"] or "?"),
        ("memory", f"{machine['memory_gb']} GB, transparent huge pages: {machine['huge_pages']}"),
        ("kernel", machine["kernel"]),
        ("frequency governor", machine["governor"]),
        ("mitigations", mitigated),
        ("load average", f"{machine['load_before']} before, {machine['load_most']} at most (the benchmarks themselves make some of it)"),
        *((name, version) for name, version in machine["versions"].items()),
    ]
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
