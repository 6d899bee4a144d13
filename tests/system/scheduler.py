"""ekiden-send on a queue of its own, with a delivery agent that does as its mailboxes are named."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from instance import FIELD, PATIENCE, wait_for

AGENT = r'''#!/usr/bin/python3 -I
"""An agent (deliver/job.h): the mailbox's name says what becomes of the delivery."""
import array, os, signal, socket, struct, sys, time
link = socket.socket(fileno=0)
folder = os.path.dirname(sys.argv[0])
record = os.open(os.path.join(folder, "deliveries"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
begun = os.open(os.path.join(folder, "begun"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
data, descriptors = b"", []
while True:
    bytes, control, flags, _ = link.recvmsg(65536, socket.CMSG_SPACE(4 * 250))
    if not bytes:
        sys.exit(0)
    data += bytes
    for level, kind, value in control:
        passed = array.array("i")
        passed.frombytes(value)
        descriptors += passed
    while len(data) >= 6:
        length, count = struct.unpack(">IH", data[:6])
        if len(data) < 6 + length:
            break
        job = data[6:6 + length].split(b"\0")
        data = data[6 + length:]
        number, mailbox, recipient = job[0], job[2].decode(), job[4].decode()
        descriptor = descriptors.pop(0)
        body = os.pread(descriptor, int(job[7]), int(job[6]))
        os.close(descriptor)
        what = mailbox.rstrip("0123456789")
        if what == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "silent":
            continue
        if what == "slow":
            time.sleep(0.5)
        if what == "held":
            os.write(begun, b"held\n")
            os.close(os.open(os.path.join(folder, "go"), os.O_RDONLY))
        letter, text = {"defer": (b"Z", b"4.2.0 not now"), "fail": (b"D", b"5.2.0 never"),
                        "corrupt": (b"C", b"4.3.0 damaged"),
                        "stranger": (b"K", b"2.0.0")}.get(what, (b"K", b"2.0.0 delivered"))
        if letter == b"K":
            os.write(record, ("%s %s %s\n" % (recipient, job[5].decode(), body.hex())).encode())
        if what == "stranger":
            number = b"12345"
        answer = number + b"\0" + letter + b"\0" + text + b"\0"
        link.sendall(struct.pack(">IH", len(answer), 0) + answer)
'''
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
        agent = self.folder / "agent" / "ekiden-local"
        agent.write_text(AGENT)
        agent.chmod(0o755)
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

    def inject(self, *recipients, body=b"Subject: x\n\nhello\n", sender="from@elsewhere.test"):
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

    def deliveries(self):
        """(recipient, sender, body) of what the agent delivered."""
        path = self.folder / "agent" / "deliveries"
        if not path.exists():
            return []
        rows = (line.split(" ") for line in path.read_text().splitlines())
        return [(row[0], row[1], bytes.fromhex(row[2])) for row in rows]

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
