"""The servers that are measured: each runs in a folder of its own and leaves nothing behind."""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from measure import CpuGroup

DOMAIN = "demo.example"
USER = "alice"
EKIDEN_USERS = ("ekidend", "ekidenq", "ekidens", "ekidenl")
NOBODY = 65534
PATIENCE = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def count_files(folder):
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)


class Server:
    """One running server. PORT, NAME and the folder of delivered mail are what the bench needs."""

    name = None

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(mode=0o755)
        self.port = free_port()
        self.cpu = CpuGroup()
        self.process = None
        self.log = open(self.folder / "log", "ab")

    @property
    def delivered_folder(self):
        return self.folder / "mail" / USER / "Maildir" / "new"

    def delivered(self):
        return count_files(self.delivered_folder) if self.delivered_folder.is_dir() else 0

    def empty(self):
        """Removes what was delivered: not measured."""
        if self.delivered_folder.is_dir():
            for path in self.delivered_folder.iterdir():
                path.unlink()

    def launch(self, command, **settings):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=self.log,
            preexec_fn=self.cpu.enter,
            start_new_session=True,
            cwd="/",
            **settings,
        )

    def stop(self):
        """Ends the server, and what it left in its control group after ten seconds."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        deadline = time.monotonic() + 10
        while (left := self.cpu.members()) and time.monotonic() < deadline + 5:
            if time.monotonic() > deadline:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.cpu.remove()
        self.log.close()


class Ekiden(Server):
    """Started by ekiden-serve, with separate users when SEPARATE, else all as one user."""

    def __init__(self, folder, build, separate):
        super().__init__(folder)
        self.name = "ekiden" if separate else "ekiden/1user"
        self.build = build
        self.separate = separate

    def accounts(self):
        """/etc/passwd with Ekiden's users, for a mount namespace: the machine's stays as it is."""
        text = Path("/etc/passwd").read_text()
        present = {line.split(":")[0] for line in text.splitlines()}
        for number, user in enumerate(EKIDEN_USERS, 64101):
            if user not in present:
                group = 64102 if user == "ekidens" else number
                text += f"{user}:x:{number}:{group}::/nonexistent:/usr/sbin/nologin\n"
        path = self.folder / "passwd"
        path.write_text(text)
        return path

    def command(self):
        serve = [str(self.build / "ekiden-serve"), str(self.folder), "--smtp", str(self.port)]
        if os.geteuid() != 0:
            return serve
        if self.separate:
            script = 'mount --bind "$0" /etc/passwd && exec "$@"'
            return ["unshare", "-m", "sh", "-c", script, str(self.accounts()), *serve]
        os.chown(self.folder, NOBODY, NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *serve]

    def start(self):
        self.launch(self.command(), stdout=subprocess.PIPE)
        if not select.select([self.process.stdout], [], [], 30)[0]:
            raise RuntimeError("ekiden-serve: not ready in 30 s, see " + str(self.folder / "log"))
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready"):
            text = (self.folder / "log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"ekiden-serve did not become ready: {line!r}\n{text}")

    def queue_is_empty(self):
        return count_files(self.folder / "queue" / "new") == 0


class Postfix(Server):
    """Debian's Postfix: its defaults, one virtual Maildir, an own configuration and queue folder.

    The daemons are not chrooted (that costs at their start only, and the folder would need parts of
    /etc). Nothing listens for its log, which spares Postfix that cost.
    """

    name = "postfix"
    daemons = "/usr/lib/postfix/sbin"

    services = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""
    settings = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
daemon_directory = {daemons}
command_directory = /usr/sbin
meta_directory = {folder}/etc
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.{domain}
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {user}@{domain}={user}/Maildir/ }}
virtual_minimum_uid = 100
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
"""
    queue_folders = (
        "active bounce corrupt defer deferred flush hold incoming private saved trace".split()
    )

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        if os.geteuid() != 0:
            return "needs root"
        return None if os.path.exists(cls.daemons + "/master") else "is not installed"

    def configure(self):
        words = {
            "folder": self.folder,
            "port": self.port,
            "domain": DOMAIN,
            "user": USER,
            "daemons": self.daemons,
        }
        etc = self.folder / "etc"
        etc.mkdir()
        (etc / "main.cf").write_text(self.settings.format(**words))
        (etc / "master.cf").write_text(self.services.format(**words))
        (etc / "dynamicmaps.cf").write_text("")
        queue = self.folder / "queue"
        queue.mkdir()
        (queue / "pid").mkdir()
        for name in self.queue_folders:
            (queue / name).mkdir(mode=0o700)
            shutil.chown(queue / name, "postfix")
        for name, mode in (("maildrop", 0o730), ("public", 0o710)):
            (queue / name).mkdir()
            shutil.chown(queue / name, "postfix", "postdrop")
            os.chmod(queue / name, mode)
        (self.folder / "data").mkdir(mode=0o700)
        shutil.chown(self.folder / "data", "postfix")
        (self.folder / "mail").mkdir()
        os.chown(self.folder / "mail", NOBODY, NOBODY)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                client.settimeout(10)
                return client.recv(100).startswith(b"220")
        except OSError:
            return False

    def start(self):
        self.configure()
        environment = {**os.environ, "MAIL_CONFIG": str(self.folder / "etc")}
        command = [self.daemons + "/master", "-s", "-c", str(self.folder / "etc")]
        self.launch(command, stdout=self.log, env=environment)
        wait_for(self.answers, 30, "a greeting of Postfix")

    def queue_is_empty(self):
        queue = self.folder / "queue"
        return not any(count_files(queue / name) for name in ("incoming", "active", "deferred"))


def make(name, folder, build):
    """The server NAME: postfix, ekiden, ekiden/1user; the last two also as NAME@BUILD-FOLDER."""
    if name == "postfix":
        return Postfix(folder)
    kind, _, other = name.partition("@")
    server = Ekiden(folder, Path(other).resolve() if other else build, separate=kind == "ekiden")
    if other:
        server.name = f"{Path(other).name[-12:]}"
    return server


def complain(text):
    print(text, file=sys.stderr, flush=True)
