"""Counts what a server's processes do: strace for system calls, perf for the rest. Each `with` counts
from its beginning to its end, all processes of the server's control group and what they start."""

import os
import re
import signal
import subprocess
import tempfile
from collections import Counter, defaultdict

from servers import wait_for

READS = {"read", "pread64", "readv", "recvfrom", "recvmsg"}
WRITES = {"write", "pwrite64", "writev", "sendto", "sendmsg"}
MOVES = {"sendfile", "copy_file_range", "splice"}  # inside the kernel
FORKS = {"clone", "clone3", "fork", "vfork"}
SYNCS = {"fsync", "fdatasync", "sync_file_range", "syncfs", "sync"}
LINE = re.compile(r"(\d+)\s+(?:<\.\.\. )?(\w+)(?: resumed>|\()(.*)", re.S)
RESULT = re.compile(r"= (-?\d+|\?)(?: [A-Z(].*)?$")
NAME = re.compile(r'PR_SET_NAME, "([^"]*)"')
PROGRAM = re.compile(r'"([^"]*)"')


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm") as comm:
            return comm.read().strip()
    except OSError:
        return "?"


def is_traced_or_gone(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return not re.search(r"^TracerPid:\t0$", status.read(), re.M)
    except OSError:
        return True


class SystemCalls:
    """`counts[process name][what]`: each system call by its name, and `bytes read`, `bytes written`,
    `bytes moved`, `forks`, `execs`, `syncs`, `system calls`."""

    def __init__(self, pids):
        self.names = {pid: name_of(pid) for pid in pids}
        self.counts = defaultdict(Counter)
        self.output = tempfile.NamedTemporaryFile(mode="r", errors="replace")

    def __enter__(self):
        pids = [word for pid in self.names for word in ("-p", str(pid))]
        self.process = subprocess.Popen(["strace", "-f", "-s", "64", "-o", self.output.name, *pids],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.is_attached, 60, "strace, attached to all processes")
        return self

    def is_attached(self):
        if self.process.poll() is not None:
            raise RuntimeError("strace ended: is it allowed to trace?")
        return all(map(is_traced_or_gone, self.names))

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        begun = {}
        for line in self.output:
            self.count(line, begun)
        self.output.close()

    def count(self, line, begun):
        found = LINE.match(line)
        if not found:
            return
        pid, call, rest = int(found.group(1)), found.group(2), found.group(3)
        if rest.rstrip().endswith("<unfinished ...>"):
            begun[pid] = rest
            return
        rest = begun.pop(pid, "") + rest
        result = RESULT.search(rest.rstrip())
        value = int(result.group(1)) if result and result.group(1) != "?" else 0
        self.note(pid, call, rest, value)

    def note(self, pid, call, arguments, value):
        if call in FORKS and value > 0:
            self.names.setdefault(value, self.names.get(pid, "?"))
        elif call == "execve" and value == 0 and (found := PROGRAM.search(arguments)):
            self.names[pid] = os.path.basename(found.group(1))[:15]
        elif call == "prctl" and (found := NAME.search(arguments)):
            self.names[pid] = found.group(1)
        counts = self.counts[self.names.get(pid, "?")]
        counts[call] += 1
        counts["system calls"] += 1
        counts["forks"] += call in FORKS and value > 0
        counts["execs"] += call == "execve" and value == 0
        counts["syncs"] += call in SYNCS
        for kind, calls in (("read", READS), ("written", WRITES), ("moved", MOVES)):
            counts[f"bytes {kind}"] += value if call in calls and value > 0 else 0


class Events:
    """`counts[process name][event]` of the whole machine: context-switches and minor-faults each
    once; or cpu-clock, as ms."""

    HERTZ = 2000

    def __init__(self, cpu):
        self.cpu = cpu
        self.counts = defaultdict(Counter)
        self.output = tempfile.NamedTemporaryFile()

    def __enter__(self):
        which = ["-F", str(self.HERTZ), "-e", "cpu-clock"] if self.cpu else \
                ["-c", "1", "-e", "context-switches,minor-faults"]  # fmt: skip
        command = ["perf", "record", "-q", "-a", *which, "-o", self.output.name, "--",
                   "sh", "-c", "echo ready; read -r _"]  # fmt: skip
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("perf does not record here")
        return self

    def __exit__(self, *_):
        self.process.communicate("\n")
        command = ["perf", "script", "-i", self.output.name, "-F", "comm,event"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"perf script: exit {done.returncode} {done.stderr[-300:]}")
        for line in done.stdout.splitlines():
            name, event = line.rsplit(None, 1)
            event = event.split("/")[0].rstrip(":")
            self.counts[name.strip()][event] += 1000 / self.HERTZ if self.cpu else 1
        self.output.close()
