"""ekiden-launch as an agent, with accounts of its own."""

import os
import subprocess

from agent import Link, Queued
from instance import PATIENCE, Process

IS_ROOT = os.geteuid() == 0
# Of this test process alone: some tests send a signal to everything that their user may reach.
FIRST_UID = 1_000_000 + 32 * os.getpid()
MESSAGE = b"Subject: hello\n\nbody\n"


class Launcher:
    """ekiden-launch with an /etc/passwd of its own. As root it has USERS as accounts; PLAIN lets it
    run as one user, `self`, which is then the only account."""

    def __init__(self, folder, programs, users, plain, **control):
        self.folder, self.programs, self.plain = folder, programs, plain
        for name in ("control", "homes", "queue"):
            (folder / name).mkdir(mode=0o755)
        for name, text in control.items():
            self.set(name, text)
        self.accounts = {}
        lines = ["root:x:0:0::/root:/bin/sh"]
        for index, name in enumerate(users):
            uid = (65534 if IS_ROOT else os.getuid()) if plain else FIRST_UID + index
            gid = (65534 if IS_ROOT else os.getgid()) if plain else FIRST_UID + 16 + index
            home = folder / "homes" / name
            home.mkdir(mode=0o700)
            os.chown(home, uid, gid)
            self.accounts[name] = (uid, gid)
            lines.append(f"{name}:x:{uid}:{gid}::{home}:/bin/sh")
        self.passwd = folder / "passwd"
        self.passwd.write_text("\n".join(lines) + "\n")
        self.log_path = folder / "log"
        self.log_path.touch(mode=0o666)
        self.link = Link()
        self.process = None

    def set(self, name, text):
        draft = self.folder / "control" / ("." + name)
        draft.write_text(text)
        draft.rename(self.folder / "control" / name)

    def start(self, tracer=(), environment=None):
        """Its mount namespace shows it the accounts of the test in place of the machine's. TRACER:
        the beginning of a command line."""
        command = [self.programs / "ekiden-launch", "-C", self.folder / "control", "-i",
                   self.folder / "inject", "-x", self.programs]
        inner = 'mount --bind "$0" /etc/passwd && exec "$@"'
        if not self.plain:
            outer = ["unshare", "-m"]
        elif IS_ROOT:
            outer = ["unshare", "-m"]
            command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
        else:
            outer = ["unshare", "-Um", "--keep-caps", f"--map-user={os.getuid()}",
                     f"--map-group={os.getgid()}"]
            command = ["setpriv", "--ambient-caps=-all", "--inh-caps=-all", *command]
        with open(self.log_path, "ab") as log:
            command = [*outer, "sh", "-c", inner, self.passwd, *tracer, *command]
            self.process = subprocess.Popen(command, stdin=self.link.theirs,
                                            stdout=subprocess.DEVNULL, stderr=log,
                                            env={**(environment or os.environ), "SECRET": "x"})
        self.link.theirs.close()
        return self

    def write(self, user, name, content, mode=0o600):
        path = self.folder / "homes" / user / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        os.chown(path, *self.accounts[user])

    def read(self, user, name):
        return (self.folder / "homes" / user / name).read_bytes().decode()

    def exists(self, user, name):
        return (self.folder / "homes" / user / name).exists()

    def maildir(self, user):
        new = self.folder / "homes" / user / "Maildir/new"
        return [path.read_bytes() for path in sorted(new.iterdir())] if new.is_dir() else []

    def queued(self, message=MESSAGE, **options):
        return Queued(self.programs, self.folder / "queue", message, **options)

    def children(self, name="ekiden-dotqmail"):
        found = []
        for pid in os.listdir("/proc"):
            if pid.isdigit():
                process = Process(int(pid))
                stat = process.stat()
                if len(stat) > 1 and int(stat[1]) == self.process.pid and stat[0] != "Z":
                    found.append(process)
        return [one for one in found if one.comm == name]

    def log(self):
        return self.log_path.read_text()

    def end(self):
        """The scheduler leaves."""
        self.link.ours.close()
        return self.process.wait(PATIENCE)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.link.ours.close()
