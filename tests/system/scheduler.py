"""ekiden-send on a queue of its own, with agents that do as their recipients are named
(fake_agent.py)."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from instance import FIELD, PATIENCE, wait_for

AGENT = Path(__file__).with_name("fake_agent.py")
AGENTS = ("ekiden-local", "ekiden-launch", "ekiden-remote", "ekiden-bounce")
MAILBOXES = ("ok", "defer", "fail", "corrupt", "die", "silent", "slow", "held", "stranger")
DOMAIN = "local.test"


class Scheduler:
    """FOLDER holds control/, queue/, mail/ and the agent; PROGRAMS the built programs."""

    def __init__(self, folder, programs):
        self.folder, self.programs = Path(folder), Path(programs)
        self.user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        if os.geteuid() != 0:
            self.user = {}
        self.patience = PATIENCE
        self.process = None
        self.prefix = []
        for name in ("control", "queue", "mail", "agent"):
            (self.folder / name).mkdir()
            os.chmod(self.folder / name, 0o777)
            if self.user:
                shutil.chown(self.folder / name, "nobody", "nogroup")
        shutil.copy(AGENT, self.folder / "agent" / "fake_agent.py")
        (self.folder / "agent" / "fake_agent.py").chmod(0o755)
        for name in AGENTS:
            (self.folder / "agent" / name).symlink_to("fake_agent.py")
        os.mkfifo(self.folder / "agent" / "go")
        self.set("me", f"{DOMAIN}\n")
        self.set("users", "".join(f"{name}\n{name}2\n" for name in MAILBOXES))
        self.log_path = self.folder / "log"
        self.log_path.touch()

    def set(self, name, text):
        path = self.folder / "control" / name
        path.with_name("." + name).write_text(text)
        path.with_name("." + name).rename(path)

    # --- the process ---

    def command(self, *options):
        return [*self.prefix, self.programs / "ekiden-send", "-C", self.folder / "control",
                "-Q", self.queue, "-M", self.folder / "mail", "-x", self.folder / "agent",
                *options]

    def start(self, *options):
        before = len(self.events("started"))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command(*options), stderr=log,
                                            stdin=subprocess.DEVNULL, **self.user)
        self.wait(lambda: len(self.events("started")) > before or self.process.poll() is not None,
                  "the start")
        assert self.process.poll() is None, self.log_path.read_text()
        return self

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.end()

    def end(self):
        code = self.process.wait(self.patience)
        self.process = None
        return code

    def kill(self):
        if self.process:
            self.process.kill()
            self.end()

    def wait(self, condition, what):
        try:
            return wait_for(condition, self.patience, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_path.read_text()[-3000:]}") from None

    # --- the queue ---

    @property
    def queue(self):
        return self.folder / "queue"

    def inject(self, *recipients, body=b"Subject: x\n\nhello\n", sender="from@sender.test"):
        """Queues a message, durably."""
        envelope = "".join(f"T{name}\0" for name in recipients)
        (self.folder / "message").write_bytes(body)
        (self.folder / "envelope").write_text(f"F{sender}\0{envelope}\0")
        with open(self.folder / "message") as zero, open(self.folder / "envelope") as one:
            subprocess.run([self.programs / "ekiden-queue", "-Q", self.queue], stdin=zero,
                           stdout=one, check=True, **self.user)

    def inject_named(self, *recipients, **options):
        """The same, of a message that does not leave the queue at once. Returns its id."""
        before = set(self.files())
        self.inject(*recipients, **options)
        (name,) = set(self.files()) - before
        return name

    def files(self):
        """name -> folder, of all queue files."""
        found = {}
        for place in ("new", "hold", "bad", *(f"wheel/{slot:03}" for slot in range(512))):
            folder = self.queue / place
            if folder.is_dir():
                found.update((name, place) for name in os.listdir(folder))
        return found

    def notes(self):
        """id -> text, of all notes that are there."""
        found = {}
        for path in (self.queue / "notes").iterdir():
            try:
                found[path.name] = path.read_text()
            except FileNotFoundError:  # its message has just left
                pass
        return found

    def place(self, name):
        return self.files().get(name)

    def path(self, name):
        return self.queue / self.files()[name] / name

    def marks(self, name):
        """The recipients' marks, in order."""
        head = self.path(name).read_bytes()
        envelope = head[head.index(b"\0F") + 1:].split(b"\0\0")[0]
        return [record[:1] for record in envelope.split(b"\0")[1:]]

    # --- what it says and does ---

    def events(self, event, **fields):
        found = []
        text = self.log_path.read_text(errors="replace")
        for line in text[: text.rfind("\n") + 1].splitlines():  # the last one may be half written
            values = {key: value.strip('"') for key, value in FIELD.findall(line)}
            if values.get("event") == event and all(
                values.get(key) == value for key, value in fields.items()
            ):
                found.append(values)
        return found

    def await_event(self, event, count=1, **fields):
        return self.wait(lambda: len(found := self.events(event, **fields)) >= count and found,
                         f"event {event} {fields}")

    def noted(self, name):
        """What the agents have written to the file NAME, a list a line."""
        path = self.folder / "agent" / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def deliveries(self):
        """(recipient, sender, body) of what was delivered here."""
        return [(row[0], row[1], bytes.fromhex(row[2])) for row in self.noted("deliveries")]

    def transactions(self):
        """(host, recipients) of what the remote agent was asked for."""
        return [(row[0], row[4]) for row in self.noted("transactions")]

    def sent(self):
        """The recipients elsewhere that were served."""
        return [row[0] for row in self.noted("sent")]

    def reports(self):
        """(kind, id, [recipient and reason]) of the reports that were made."""
        return [(kind, name, dict(told)) for kind, name, told in self.noted("reports")]

    def tell(self, name, text=""):
        """Puts a file beside the agents that tells them what to do."""
        path = self.folder / "agent" / name
        path.with_name("." + name).write_text(text)
        path.with_name("." + name).rename(path)

    def await_held(self):
        """Waits until an agent is at work on a delivery that lasts until it is released."""
        begun = self.folder / "agent" / "begun"
        self.wait(lambda: begun.exists() and begun.read_text(), "a held delivery")

    def release(self):
        """Lets the held delivery end."""

        def is_open():
            try:
                os.close(os.open(self.folder / "agent" / "go", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:  # ENXIO: the agent has not opened its end yet
                return False
            return True

        self.wait(is_open, "the agent that waits to be released")

    def recipients(self):
        return [row[0].partition("@")[0] for row in self.deliveries()]


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)
