"""An initial file system for the emulated machine: programs, the libraries that they need, busybox, the jobs."""
import pathlib
import re
import shlex
import stat
import subprocess

READELF = "aarch64-linux-gnu-readelf"
# Where libraries of arm64 programs are on the machine that builds them: Debian's packages, and the cross compiler's own.
LIBRARY_FOLDERS = ("/usr/lib/aarch64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/aarch64-linux-gnu/lib")
GUEST_LIBRARIES = "lib/aarch64-linux-gnu"  # one of the places where the guest's loader looks


class MissingLibrary(Exception):
    pass


def dynamic_section(file):
    """(names of needed libraries, folders to look in first, the loader's path or None) of an ELF file."""
    text = subprocess.run([READELF, "-W", "-l", "-d", file], check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", text)
    runpaths = [folder for entry in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", text) for folder in entry.split(":")]
    loader = re.search(r"program interpreter: (.+)\]", text)
    return needed, [folder for folder in runpaths if folder], loader.group(1) if loader else None


def find_library(name, runpaths, user):
    for folder in (*runpaths, *LIBRARY_FOLDERS):
        file = pathlib.Path(folder, name)
        if file.exists():
            return file.resolve()
    raise MissingLibrary(f"{user} needs {name}, which is in none of {', '.join((*runpaths, *LIBRARY_FOLDERS))}")


def with_libraries(programs):
    """Path in the guest -> file here, for the programs and for everything that they need, directly or not."""
    files, waiting = {}, []
    for program in programs:
        files[f"bin/{program.name}"] = program
        waiting.append(program)
    while waiting:
        file = waiting.pop()
        needed, runpaths, loader = dynamic_section(file)
        wanted = {f"{GUEST_LIBRARIES}/{name}": name for name in needed}
        if loader:
            wanted[loader.lstrip("/")] = pathlib.PurePath(loader).name
        for place, name in wanted.items():
            if place not in files:
                files[place] = find_library(name, runpaths, file)
                waiting.append(files[place])
    return files


def jobs_script(jobs):
    """What the guest's init runs: one line a job."""
    lines = []
    for number, job in enumerate(jobs):
        settings = [f"{name}={value}" for name, value in job.environment.items()]
        command = ["job", str(number), str(job.limit), "env", *settings, f"/bin/{job.program}", *job.arguments]
        lines.append(shlex.join(command))
    return "\n".join(lines) + "\n"


class Archive:
    """A cpio archive of the kind `newc`, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self):
        self.parts = []
        self.folders = set()
        self.entries = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.entries += 1
        fields = (self.entries, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        self.parts += [header, b"\0" * (-len(header) % 4), data, b"\0" * (-len(data) % 4)]

    def folder(self, name):
        for folder in (*reversed(pathlib.PurePosixPath(name).parents), name):
            if str(folder) not in self.folders | {"."}:
                self.folders.add(str(folder))
                self.add(str(folder), stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        self.folder(str(pathlib.PurePosixPath(name).parent))
        self.add(name, stat.S_IFREG | mode, data)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def build(busybox, init, jobs, programs):
    """The archive's bytes. Raises MissingLibrary."""
    archive = Archive()
    for folder in ("proc", "sys", "dev", "tmp"):
        archive.folder(folder)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.file("init", init.read_bytes())
    archive.file("jobs", jobs_script(jobs).encode(), 0o644)
    archive.file("bin/busybox", busybox.read_bytes())
    for name, file in sorted(with_libraries(programs).items()):
        archive.file(name, file.read_bytes())
    return archive.bytes()
