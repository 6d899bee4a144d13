"""A machine of our own for the tests of a real installation.

Namespaces over an overlay of /: processes, mounts, network, host name and cgroups are the
machine's, all its writes stay in memory, and port 25 is free. Needs root. PID 1 is a real systemd,
or a process that only collects orphans. When the machine is switched off, the kernel ends all that
runs in it.
"""

import ctypes
import os
import re
import smtplib
import socket
import subprocess
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import pytest
from instance import PATIENCE, Process, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
NEWNET = 0x40000000  # CLONE_NEWNET

# A folder on which the machine's systemd can stand: the unified hierarchy, alone or beside v1.
CGROUPS = next(
    (
        path
        for path in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"))
        if (path / "cgroup.procs").exists() and os.access(path, os.W_OK)
    ),
    None,
)

# What machine-root needs first; a container without CAP_SYS_ADMIN may do none of it.
PROBE = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work /run/root
mount -t overlay overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work /run/root
mount -t proc proc /run/root/proc
"""

# PID 1 where no systemd runs.
ORPHANAGE = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    signal.pause()
"""

# What systemd starts at boot: a journal, and nothing else of what is installed on the host.
BOOT_UNIT = """[Unit]
Description=The test machine
Wants=systemd-journald.service
After=systemd-journald.service
AllowIsolate=yes
"""


@lru_cache(maxsize=None)
def obstacle():
    """Why no machine can be made here, or an empty string."""
    if not CGROUPS:
        return "no cgroup hierarchy that can be written to"
    trial = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount", "--cgroup", "--net", "--ipc", "--uts", "sh", "-c",
         PROBE],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return trial.returncode and f"no machine in namespaces here: {trial.stdout.strip()}"


def commands(title):
    """The commands of the section TITLE of INSTALL: its lines after the prompts `# ` and `$ `."""
    section, inside = [], False
    lines = (ROOT / "INSTALL").read_text().splitlines()
    for line, rule in zip(lines, [*lines[1:], ""]):
        if rule and not rule.strip("-="):
            inside = line.strip() == title
        elif inside and (found := re.match(r"    [#$] (.*)", line)):
            section.append(found.group(1))
    assert section, f"INSTALL has no section `{title}` with commands"
    return section


class MachineProcess(Process):
    @property
    def program(self):
        """The name of its executable file: comm says what a process does (`smtpd-dialogue`)."""
        try:
            return os.path.basename(os.readlink(f"/proc/{self.pid}/exe")).split(" ")[0]
        except OSError:  # it has ended, perhaps without having been waited for
            return ""


class Machine:
    def __init__(self, build, systemd=False):
        self.build = Path(build)
        self.systemd = systemd
        self.outer = None  # unshare(1), whose only child is PID 1
        self.pid = None  # PID 1, as the host numbers it
        self.cgroup = CGROUPS / f"ekiden-test-{os.getpid()}-{id(self):x}" if CGROUPS else None
        self.console = tempfile.TemporaryFile()

    # --- power ---

    def __enter__(self):
        if obstacle():
            pytest.skip(obstacle())
        if self.systemd:
            init = ["/lib/systemd/systemd", "--system", "--unit=machine.target", "--show-status=0"]
            init += ["--log-target=journal", "--log-level=notice"]
            unit = "/run/systemd/system/machine.target"
            write = 'mkdir -p ${1%/*} && printf %s "$2" > $1 && shift 2 && exec "$@"'
            init = ["sh", "-c", write, "sh", unit, BOOT_UNIT, *init]
        else:
            init = ["/usr/bin/python3", "-c", ORPHANAGE]
        self.cgroup.mkdir()
        self.outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount", "--cgroup", "--net", "--ipc", "--uts",
             "--kill-child", Path(__file__).with_name("machine-root"), ROOT, self.build, *init],
            stdin=subprocess.DEVNULL, stdout=self.console, stderr=self.console,
            preexec_fn=lambda: (self.cgroup / "cgroup.procs").write_text(str(os.getpid())),
        )  # fmt: skip
        try:
            self.pid = wait_for(self.first_process, what="the machine's PID 1")
            wait_for(self.is_up, what="the machine's start")
        except BaseException:
            self.__exit__()
            print(self.console_text())
            raise
        return self

    def __exit__(self, *_):
        if self.pid:
            Path(f"/proc/{self.pid}").exists() and os.kill(self.pid, 9)  # systemd ignores TERM
        else:
            self.outer.kill()
        self.outer.wait(PATIENCE)
        if self.cgroup:
            # The kernel empties them while the last processes go.
            folders = sorted(self.cgroup.rglob("*"), key=lambda path: -len(path.parts))
            for folder in [path for path in folders if path.is_dir()] + [self.cgroup]:
                wait_for(lambda: not removal_error(folder), what=f"an empty {folder}")

    def first_process(self):
        assert self.outer.poll() is None, self.console_text()
        children = Path(f"/proc/{self.outer.pid}/task/{self.outer.pid}/children").read_text()
        return int(children) if children.strip() else None

    def is_up(self):
        assert self.outer.poll() is None, self.console_text()
        name = Path(f"/proc/{self.pid}/comm").read_text().strip()
        if name != ("systemd" if self.systemd else "python3"):
            return False
        return not self.systemd or self.systemctl("is-active", "machine.target") == "active"

    def console_text(self):
        self.console.seek(0)
        return self.console.read().decode(errors="replace")

    # --- commands ---

    def command(self, *words):
        """The command line that runs WORDS inside."""
        inside = ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-i", "-u", "-C"]
        inside += [f"--wd=/proc/{self.pid}/root{ROOT}", "env", "-i", f"BUILD={self.build}"]
        inside += ["HOME=/root", f"PATH={os.defpath}:/usr/local/sbin:/usr/sbin:/sbin"]
        return [*inside, *map(str, words)]

    def run(self, *words, check=True, **options):
        """Runs WORDS inside, or one string as a shell's line. Returns what it wrote."""
        words = ("sh", "-ec", words[0]) if len(words) == 1 else words
        done = subprocess.run(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            stdin=None if "input" in options else subprocess.DEVNULL, timeout=2 * PATIENCE, **options
        )  # fmt: skip
        if check and done.returncode:
            said = done.stdout + self.log()
            raise AssertionError(f"{words} ended with {done.returncode}:\n{said}")
        return done.stdout.strip()

    def start(self, *words):
        """Starts WORDS (or one string as a shell's line) inside; the log is its output."""
        words = ("sh", "-ec", words[0]) if len(words) == 1 else words
        with open(self.path("/run/output"), "ab") as log:
            return subprocess.Popen(
                self.command(*words), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def install(self, *titles):
        """Runs the commands of these sections of INSTALL, as they stand there."""
        for title in titles:
            for line in commands(title):
                self.run(line)

    def systemctl(self, *words, check=False):
        return self.run("systemctl", *words, check=check)

    def log(self):
        """All that was logged, wherever this machine logs to."""
        text = ""
        if self.systemd:
            text += self.run("journalctl", "--no-pager", "-n1000", "-oshort-monotonic", check=False)
        for name in ("/run/output", "/var/log/ekiden-smtpd.log"):
            path = self.path(name)
            text += path.read_text(errors="replace") if path.exists() else ""
        return text + self.console_text()

    # --- what is there ---

    def path(self, path):
        """A path inside, as the host reaches it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def processes(self, name=None):
        """The machine's processes that run the program NAME (None: all)."""
        ours = os.readlink(f"/proc/{self.pid}/ns/pid")
        found = []
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{number}/ns/pid") != ours:
                    continue
            except OSError:  # it is gone
                continue
            process = MachineProcess(int(number))
            if name in (None, process.program):
                found.append(process)
        return found

    def users(self):
        """The machine's own users by number."""
        lines = self.path("/etc/passwd").read_text().splitlines()
        return {int(line.split(":")[2]): line.split(":")[0] for line in lines}

    def mailbox(self, name):
        """The messages of a mailbox, as bytes."""
        folder = self.path(f"/var/lib/ekiden/mail/{name}/Maildir/new")
        return [path.read_bytes() for path in sorted(folder.glob("*"))]

    def wait_for_mail(self, name, count=1):
        try:
            wait_for(lambda: len(self.mailbox(name)) >= count, what=f"{count} messages for {name}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None
        messages = self.mailbox(name)
        assert len(messages) == count
        return messages

    # --- the network ---

    def connect(self, port=25, host="127.0.0.1", timeout=PATIENCE, source=None):
        """A connection from inside to inside, held by the caller outside."""
        source = source and (source, 0)
        made = []

        def enter_and_connect():
            # setns moves this thread only, and a socket stays where it was made.
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/proc/{self.pid}/ns/net") as namespace:
                if libc.setns(namespace.fileno(), NEWNET):
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                made.append(socket.create_connection((host, port), timeout, source))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=enter_and_connect)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def smtp(self, port=25, host="127.0.0.1"):
        """smtplib's client, connected and greeted from inside."""
        machine = self

        class Client(smtplib.SMTP):
            def _get_socket(self, host, port, timeout):
                return machine.connect(port, host)

        try:
            client = Client(host, port, local_hostname="client.example", timeout=PATIENCE)
            client.ehlo()
        except (OSError, smtplib.SMTPException) as error:
            raise AssertionError(f"no greeting: {error!r}\n{self.log()}") from error
        return client

    def listens(self, port=25):
        """True once somebody inside listens on the port. Opens no connection."""
        tables = [Path(f"/proc/{self.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
        lines = [line.split() for table in tables for line in table.splitlines()]
        return any(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def removal_error(folder):
    try:
        folder.rmdir()
    except FileNotFoundError:
        pass
    except OSError as error:
        return error
    return None
