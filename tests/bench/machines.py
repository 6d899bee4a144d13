"""Ekiden installed as INSTALL says, in a machine of its own (tests/system/machine.py): the ways to
start it that are no listener of ekiden-serve's."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "system")]

import machine  # noqa: E402  (found by the line above)
from instance import wait_for  # noqa: E402
from servers import Server, count_files  # noqa: E402

USER, DOMAIN = "anna", "example.org"  # those of INSTALL
QUEUE, HOME = "/var/spool/ekiden", "/var/lib/ekiden"
SERVICES = ("ekiden-send", "ekiden-smtpd-tcpserver")


obstacle = machine.obstacle


class MachineGroup:
    """The control group of a whole machine, for what measure.CpuGroup tells."""

    def __init__(self, folder):
        self.folder = folder

    def seconds(self):
        text = (self.folder / "cpu.stat").read_text()
        return int(text.split()[1]) / 1e6  # the first line: usage_usec N


class Installed(Server):
    """`sections` of INSTALL make it, after "Install". What it writes is on a tmpfs."""

    port = 25
    systemd = True
    sections = ("Users", "Configure")
    last = ()

    def __init__(self, folder, build, setting):
        super().__init__(folder, setting)
        self.port, self.recipient = 25, f"{USER}@{DOMAIN}"
        self.machine = machine.Machine(build, self.systemd)

    @property
    def prefix(self):
        return ("nsenter", "-t", str(self.machine.pid), "-n")

    @property
    def delivered_folder(self):
        return self.machine.path(f"{HOME}/mail/{USER}/Maildir/new")

    def queue_is_empty(self):
        return count_files(self.machine.path(f"{QUEUE}/new")) == 0

    def start(self):
        self.machine.__enter__()
        self.process = self.machine.outer
        self.cpu = MachineGroup(self.machine.cgroup)
        self.machine.install("Install")
        for place in (QUEUE, HOME):
            self.machine.run(f"mkdir -p {place} && mount -t tmpfs -o mode=755 tmpfs {place}")
        self.machine.install(*self.sections)
        self.begin()
        wait_for(self.machine.listens, what="a listener at port 25")

    def begin(self):
        self.machine.install(*self.last)

    def log_text(self):
        return self.machine.log()

    def stop(self):
        if self.process:
            self.process = None
            self.machine.__exit__()


class SocketUnit(Installed):
    """The default: ekiden-smtpd.socket and the hardened ekiden-smtpd.service, systemd 252."""

    name = "ekiden/systemd"
    last = ("systemd",)


class EachUnit(Installed):
    """systemd accepts and starts a service for each connection."""

    name = "ekiden/each"
    last = ("systemd, one service a connection",)
    pace = 0.05


class Tcpserver(Installed):
    name = "ekiden/tcpserver"
    systemd = False
    sections = ("Users by hand", "Configure")
    last = ("tcpserver",)
    pace = 0.2

    def begin(self):
        self.machine.path("/etc/ekiden/tcp.smtp").write_text(":allow\n")
        super().begin()
        for name in SERVICES:
            self.run_service(name)

    def run_service(self, name):
        """As machine.start, but in the machine's control group, which nsenter does not enter."""
        procs = self.machine.cgroup / "cgroup.procs"
        with open(self.machine.path("/run/output"), "ab") as log:
            subprocess.Popen(
                self.machine.command(f"/etc/service/{name}/run"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: procs.write_text(str(os.getpid())),
            )  # fmt: skip


WAYS = {kind.name: kind for kind in (SocketUnit, EachUnit, Tcpserver)}
