"""ekiden-auth and ekiden-passwd, run directly: a control folder, a state folder, and who runs them."""

import os
import subprocess
from pathlib import Path

from instance import PATIENCE

CLIENT = "192.0.2.1"


class Ended:
    def __init__(self, code, output, log, usage=None):
        self.code, self.output, self.log, self.usage = code, output, log, usage

    def __repr__(self):
        return f"exit {self.code}, output {self.output!r}, log {self.log!r}"


class Logins:
    def __init__(self, folder, programs, mode):
        self.folder, self.programs, self.mode = Path(folder), Path(programs), mode
        self.folder.chmod(0o755)
        self.control, self.state = self.folder / "control", self.folder / "state"
        self.control.mkdir(mode=0o755)
        self.user = ("nobody", "nogroup") if mode == "unprivileged" and os.geteuid() == 0 else None
        if self.user:
            for path in (self.folder, self.control):
                os.chown(path, 65534, 65534)

    @property
    def passwords(self):
        return self.control / "auth" / "passwords"

    def set(self, name, text):
        (self.control / name).write_text(text)
        (self.control / name).chmod(0o644)

    def command(self, name, *arguments):
        line = [str(self.programs / name), *map(str, arguments)]
        if self.user:
            user, group = self.user
            line = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", *line]
        return line

    def environment(self, client=CLIENT, more=None):
        kept = {key: os.environ[key] for key in ("PATH", "ASAN_OPTIONS") if key in os.environ}
        kept.setdefault("ASAN_OPTIONS", "detect_leaks=0")
        return {**kept, **({"TCPREMOTEIP": client} if client else {}), **(more or {})}

    def start(self, data, *program, options=(), client=CLIENT, environment=None, before=(),
              descriptors="3<&0 </dev/null"):
        """Starts ekiden-auth with the bytes DATA on descriptor 3 (None: a pipe that stays open and
        empty; its end to write to is .three then). OPTIONS stand behind -C and -S, and override
        them; BEFORE is a command that executes another one; DESCRIPTORS is for the shell, where
        the pipe is 0."""
        reading, writing = os.pipe()
        line = self.command("ekiden-auth", "-C", self.control, "-S", self.state, *options, *program)
        process = subprocess.Popen(
            [*before, "sh", "-c", f'exec {descriptors} "$@"', "sh", *line],
            stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=self.environment(client, environment), cwd="/",
        )
        os.close(reading)
        if data is None:
            process.three = writing
        else:
            try:
                with os.fdopen(writing, "wb") as pipe:
                    pipe.write(data)
            except BrokenPipeError:
                pass  # it has refused before it read
        return process

    def end(self, process, patience=PATIENCE):
        output, log = process.communicate(timeout=patience)
        return Ended(process.returncode, output.decode(), log.decode())

    def run(self, data, *program, **options):
        return self.end(self.start(data, *program, **options))

    def check(self, user, password, *program, **options):
        return self.run(credentials(user, password), *program, **options)

    def spend(self, login, recipients):
        return self.run(f"{login}\0{recipients}\0".encode(), options=("-b",))

    def passwd(self, *arguments, password=""):
        data = password if isinstance(password, bytes) else password.encode() + b"\n"
        done = subprocess.run(
            self.command("ekiden-passwd", "-C", self.control, *arguments), input=data,
            capture_output=True, env=self.environment(None), cwd="/", timeout=PATIENCE,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def add(self, user, password):
        ended = self.passwd("add", user, password=password)
        assert ended.code == 0, ended


def credentials(user, password, stamp=b"", more=b""):
    parts = (user, password)
    return b"".join((p if isinstance(p, bytes) else p.encode()) + b"\0" for p in parts) + (
        stamp + b"\0" + more)
