"""The servers that are measured: each runs in a folder of its own and leaves nothing behind."""

import importlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import certificates  # noqa: E402  (found by the line above)
import other_servers  # noqa: E402
from instance import DEFAULTS, PROGRAMS  # noqa: E402
from measure import CpuGroup  # noqa: E402
from ports import free_port  # noqa: E402

DOMAIN = "demo.example"
USER = "alice"
ROOT = Path(__file__).resolve().parents[2]
EKIDEN_USERS = (ROOT / "conf-users").read_text().split("\n\n")[0].split()
NOBODY = 65534
PATIENCE = 120


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.005)


def count_files(folder):
    return len(os.listdir(folder))


@dataclass(frozen=True)
class Setting:
    """What servers are started for."""

    place: str = "tmpfs"  # or ext4
    tls: bool = False  # STARTTLS, a P-256 key
    relay: int = 0  # the port of the server that gets all mail for elsewhere
    large: bool = False  # no limit of a message's size


class Server:
    """One running server. PORT, NAME and the folder of delivered mail are what the bench needs."""

    name = None
    recipient = f"{USER}@{DOMAIN}"
    prefix = ()  # what a client's command is to be started by
    pace = 1  # which part of the usual work is enough: less where it takes long

    def __init__(self, folder, setting=Setting()):
        self.folder, self.setting = Path(folder), setting
        self.folder.mkdir(mode=0o755)
        self.port = free_port()
        self.cpu = self.process = None

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

    def start(self):
        raise NotImplementedError

    def queue_is_empty(self):
        raise NotImplementedError

    def restart(self):
        self.stop()
        self.start()

    def launch(self, command, **settings):
        self.cpu = CpuGroup()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                **{"stdout": log, **settings},
                stdin=subprocess.DEVNULL,
                stderr=log,
                preexec_fn=self.cpu.enter,
                start_new_session=True,
                cwd="/",
            )

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")

    def answers(self):
        """True once it greets."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.log_text()[-2000:]}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as client:
                client.settimeout(10)
                return client.recv(100).startswith(b"220")
        except OSError:
            return False

    def stop(self):
        """Ends the server, and what it left in its control group after ten seconds."""
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        deadline = time.monotonic() + 10
        while (left := self.cpu.members()) and time.monotonic() < deadline + 5:
            if time.monotonic() > deadline:
                for pid in left:
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.cpu.remove()


class Ekiden(Server):
    """Started by ekiden-serve, with separate users when SEPARATE, else all as one user."""

    def __init__(self, folder, build, separate, setting=Setting()):
        super().__init__(folder, setting)
        self.name = "ekiden" if separate else "ekiden/1user"
        self.build = build
        self.separate = separate

    def options(self):
        """More arguments for ekiden-serve; what else is to be there before it starts is made here."""
        return []

    def control_files(self):
        """The control files of the setting: none for those that ekiden-serve makes by itself."""
        files = {}
        if self.setting.large:
            files["databytes"] = "0\n"
        if self.setting.relay:
            files["relayclients"] = "127.0.0.1\n"
            files["smtproutes"] = f":127.0.0.1:{self.setting.relay}\n"
        return {**DEFAULTS, **files} if files or self.setting.tls else {}

    def configure(self):
        files = self.control_files()
        folder = self.folder / "control"
        if files:
            folder.mkdir(mode=0o755, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        if self.setting.tls:
            self.put_certificate("P-256")

    def put_certificate(self, kind):
        place = self.folder / "control/tls/default"
        place.mkdir(parents=True, exist_ok=True)
        chain, key = certificates.pair(kind=kind)
        (place / "chain.pem").write_bytes(chain)
        (place / "key.pem").write_bytes(key)
        (place / "key.pem").chmod(0o600)
        if os.geteuid() == 0:
            os.chown(place / "key.pem", self.key_user(), -1)

    def key_user(self):
        """The id of the key process's user, where the server sees it."""
        if not self.separate:
            return NOBODY
        lines = self.accounts().read_text().splitlines()
        return next(int(line.split(":")[2]) for line in lines
                    if line.startswith(certificates.KEY_USER + ":"))  # fmt: skip

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

    def programs(self):
        """Copies, which users who may not enter the checkout can run."""
        folder = self.folder / "programs"
        if not folder.exists():
            folder.mkdir(mode=0o755)
            for name in PROGRAMS:
                if (self.build / name).exists():  # an older build lacks some
                    shutil.copy(self.build / name, folder)
        return folder

    def command(self):
        serve = [str(self.programs() / "ekiden-serve"), str(self.folder), "--smtp", str(self.port)]
        serve += self.options()
        if os.geteuid() != 0:
            return serve
        if self.separate:
            script = 'mount --bind "$0" /etc/passwd && exec "$@"'
            return ["unshare", "-m", "sh", "-c", script, str(self.accounts()), *serve]
        os.chown(self.folder, NOBODY, NOBODY)
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *serve]

    def start(self):
        self.configure()
        self.launch(self.command(), stdout=subprocess.PIPE)
        if not select.select([self.process.stdout], [], [], 30)[0]:
            raise RuntimeError("ekiden-serve: not ready in 30 s, see " + str(self.folder / "log"))
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready"):
            raise RuntimeError(f"ekiden-serve: not ready: {line!r}\n{self.log_text()[-2000:]}")

    def queue_is_empty(self):
        return count_files(self.folder / "queue" / "new") == 0  # and none is ever deferred here


class Postfix(Server):
    """Debian's Postfix: its defaults, one virtual Maildir. Nothing takes its log, which spares it
    that cost."""

    name = "postfix"
    missing = other_servers.Postfix.missing
    settings = {
        "tls": """smtpd_tls_security_level = may
smtpd_tls_chain_files = {folder}/etc/tls.pem
""",
        "large": "message_size_limit = 0\nvirtual_mailbox_limit = 0\nmailbox_size_limit = 0\n",
        "relay": "relayhost = [127.0.0.1]:{relay}\n",
    }
    tls_service = "tlsmgr unix - - n 1000? 1 tlsmgr\n"

    def __init__(self, folder, setting=Setting()):
        super().__init__(folder, setting)
        self.postfix = other_servers.Postfix(self.folder, self.port, DOMAIN, [USER])

    def configure(self):
        self.postfix.configure()
        added = "".join(text.format(folder=self.folder, relay=self.setting.relay)
                        for key, text in self.settings.items() if getattr(self.setting, key))
        with open(self.folder / "etc/main.cf", "a") as main:
            main.write(added)
        if self.setting.tls:
            chain, key = certificates.pair(kind="P-256")
            (self.folder / "etc/tls.pem").write_bytes(key + chain)
            with open(self.folder / "etc/master.cf", "a") as services:
                services.write(self.tls_service)

    def start(self):
        self.configure()
        environment = {**os.environ, **self.postfix.environment}
        self.launch(self.postfix.command(), env=environment)
        wait_for(self.answers, 30, "a greeting of Postfix")

    def queue_is_empty(self):
        queue = self.folder / "queue"
        return not any(count_files(queue / name) for name in ("incoming", "active", "deferred"))


def make(name, folder, build, setting=Setting()):
    """The server NAME: postfix, ekiden, ekiden/1user, the last two also as NAME@BUILD-FOLDER; opensmtpd;
    or one of machines.WAYS."""
    if name == "postfix":
        return Postfix(folder, setting)
    if name == "opensmtpd":
        return importlib.import_module("opensmtpd").OpenSMTPD(folder, build / "other-servers", setting)
    if name in ("ekiden/systemd", "ekiden/each", "ekiden/tcpserver"):
        return importlib.import_module("machines").WAYS[name](folder, build, setting)
    kind, _, other = name.partition("@")
    build = Path(other).resolve() if other else build
    server = Ekiden(folder, build, kind == "ekiden", setting)
    if other:
        server.name = f"{Path(other).name[-12:]}"
    return server


def complain(text):
    print(text, file=sys.stderr, flush=True)
