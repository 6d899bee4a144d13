"""The servers that are measured: each runs in a folder of its own and leaves nothing behind."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import other_servers  # noqa: E402  (found by the line above)
from measure import CpuGroup  # noqa: E402

DOMAIN = "demo.example"
USER = "alice"
ROOT = Path(__file__).resolve().parents[2]
EKIDEN_USERS = (ROOT / "conf-users").read_text().split("\n\n")[0].split()
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

    def options(self):
        """More arguments for ekiden-serve; what else is to be there before it starts is made here."""
        return []

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
        serve += self.options()
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
    """Debian's Postfix: its defaults, one virtual Maildir."""

    name = "postfix"
    missing = other_servers.Postfix.missing

    def __init__(self, folder):
        super().__init__(folder)
        self.postfix = other_servers.Postfix(self.folder, self.port, DOMAIN, [USER])

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                client.settimeout(10)
                return client.recv(100).startswith(b"220")
        except OSError:
            return False

    def start(self):
        self.postfix.configure()
        environment = {**os.environ, **self.postfix.environment}
        self.launch(self.postfix.command(), stdout=self.log, env=environment)
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
