"""What a run cost: CPU from a control group and /proc/stat, flushes from /proc/diskstats."""

import os
import resource
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CPUS = os.cpu_count()


class CpuGroup:
    """A control group that counts the CPU time of a server, whoever reaps its processes.

    Summing /proc/PID/stat would miss every process that ended and was never waited for. `kind` is
    None where no group can be made (not root): the cost of the server is then unknown.
    """

    places = (
        ("cpuacct", "/sys/fs/cgroup/cpuacct"),
        ("v2", "/sys/fs/cgroup"),
        ("v2", "/sys/fs/cgroup/unified"),
    )

    def __init__(self):
        self.kind = self.folder = None
        for kind, place in self.places:
            if kind == "v2" and not os.path.exists(f"{place}/cgroup.controllers"):
                continue
            try:
                folder = Path(tempfile.mkdtemp(prefix="ekiden-bench-", dir=place))
            except OSError:
                continue
            if (folder / self.counter(kind)).exists():
                self.kind, self.folder = kind, folder
                return
            folder.rmdir()

    @staticmethod
    def counter(kind):
        return "cpuacct.usage" if kind == "cpuacct" else "cpu.stat"

    def enter(self):
        """Moves the calling process in: run in a child between fork and exec."""
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def seconds(self):
        if not self.folder:
            return None
        text = (self.folder / self.counter(self.kind)).read_text()
        if self.kind == "cpuacct":
            return int(text) / 1e9
        return int(text.split()[1]) / 1e6  # the first line: usage_usec N

    def members(self):
        if not self.folder:
            return []
        return [int(number) for number in (self.folder / "cgroup.procs").read_text().split()]

    def remove(self):
        if self.folder:
            self.folder.rmdir()
            self.folder = None


def machine_seconds():
    """The CPU time that the whole machine has spent working: all but idle, iowait and stolen."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _wait, interrupt, soft = fields[:7]
    return (user + nice + system + interrupt + soft) / TICKS


def own_seconds():
    """The CPU time of this process and of its children that were waited for: the clients."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime + time.process_time()


def memory_size():
    """The machine's, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def system_name():
    """As in `Debian GNU/Linux 12 (bookworm)`."""
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return "unknown system"


def pss(pid):
    """The memory of a process in KiB, of what it shares only its part; 0 for one that is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return 0
    return int(text.split("\nPss:", 1)[1].split()[0]) if "\nPss:" in text else 0


def device_of(path):
    """major:minor of the file system that holds PATH."""
    number = os.stat(path).st_dev
    return os.major(number), os.minor(number)


def flushes(device):
    """Flush requests that DEVICE has completed, or None where it counts none (tmpfs)."""
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == device:
            return int(fields[18]) if len(fields) > 18 else None
    return None
