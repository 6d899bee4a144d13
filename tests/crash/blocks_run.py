"""The run that is recorded: a whole instance takes, delivers, defers and reports mail, on one disk or
with queue and mailboxes on a disk each.

What happened at which time is written to FOLDER/run.json; and which positions the logs had at which
time, as a process of its own sees them (`watch`). Both are in nanoseconds of the monotonic clock.
"""

import bisect
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "system"))

from blocks_disk import LoggedDisk, bind, map_log, sync, unmount  # noqa: E402
from instance import DOMAIN, Instance, wait_for  # noqa: E402
from ledger import Ledger  # noqa: E402
from remote import Sink  # noqa: E402

FAR, LATER = "far.example", "later.example"  # taken by the sink; not reached before the crash
SINK, CLOSED = "127.0.0.2", "127.0.0.3"
CLIENTS = 3
SIZES = (300, 900, 3000, 9000, 40000)
CONTROL = {
    "me": f"{DOMAIN}\n",
    "locals": f"{DOMAIN}\n",
    "rcpthosts": f"{DOMAIN}\n",
    "users": "alice\nbob\npostmaster:alice\n",
    "relayclients": "127.0.0.1\n",
}


def routes(port, later=CLOSED):
    return f"{FAR}:{SINK}:{port}\n{LATER}:{later}:{port}\n"


@dataclass
class Sent:
    """A message of the run. Times are None when the thing did not happen."""

    token: str
    label: str
    body: str
    boxes: list  # who gets it: a mailbox, or an address elsewhere
    report: str = None  # who is told of its failure
    sent: int = None  # just before its end was sent
    acknowledged: int = None  # just after the answer was read


@dataclass
class Run:
    fs: str
    disks: int
    mode: str
    seed: int
    messages: list = field(default_factory=list)
    taken: list = field(default_factory=list)  # (time, recipients, octets) of the sink
    begin: list = None  # positions of the logs when there was an empty queue folder
    slots: list = field(default_factory=list)  # of the wheel, that hold mail in the end

    def save(self, folder):
        (folder / "run.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder):
        run = cls(**json.loads((Path(folder) / "run.json").read_text()))
        run.messages = [Sent(**one) for one in run.messages]
        return run


class Timed(list):
    """Notes when something was added."""

    def __init__(self):
        self.times = []

    def append(self, item):
        self.times.append(time.monotonic_ns())
        super().append(item)


def watch(paths, target, stop, ready):
    """Writes "FIRST LAST POSITION..." to TARGET, a line for each state of the logs: when it was seen
    first and last. The positions of a line were there at one and the same moment: the first did not
    change while the others were read."""
    os.nice(-10)  # a busy machine would hide moments from it
    logs, seen, first, last = [map_log(path) for path in paths], None, 0, 0
    with open(target, "w") as file:
        while True:
            ending, before = stop.is_set(), time.monotonic_ns()
            begin = logs[0].read_more()
            found = (begin, *(log.read_more() for log in logs[1:]))
            after = time.monotonic_ns()
            if found == seen:
                last = before
            elif len(logs) == 1 or logs[0].read_more() == begin:
                if seen:
                    file.write(f"{first} {last} {' '.join(map(str, seen))}\n")
                seen, first, last = found, after, after
            ready.set()
            if ending:
                file.write(f"{first} {last} {' '.join(map(str, seen))}\n")
                return


class Positions:
    """What `watch` wrote."""

    def __init__(self, folder):
        rows = [tuple(map(int, row.split())) for row in open(Path(folder) / "positions")]
        self.firsts, self.lasts = [row[0] for row in rows], [row[1] for row in rows]
        self.moments = [row[2:] for row in rows]

    def at_least(self, when):
        """The logs had grown to this at the time WHEN."""
        return self.moments[max(bisect.bisect_right(self.firsts, when) - 1, 0)]

    def at_most(self, when):
        """The logs had not grown beyond this at the time WHEN."""
        return self.moments[min(bisect.bisect_left(self.lasts, when), len(self.moments) - 1)]


class Load:
    """Sends the messages of a run."""

    def __init__(self, run, instance, count):
        self.run, self.instance, self.ledger = run, instance, Ledger()
        self.random = random.Random(run.seed)
        self.todo = [self.make(number) for number in range(count)]
        self.lock = threading.Lock()
        self.failed = []

    def make(self, number):
        """(how it is sent, the sender, recipients, message)"""
        kinds = (
            ("to alice", "smtp", "sender@elsewhere.example", ["alice"], None),
            ("to both", "smtp", "sender@elsewhere.example", ["alice", "bob"], None),
            ("to bob", "queue", "", ["bob"], None),
            ("far", "smtp", f"alice@{DOMAIN}", [f"x@{FAR}", "bob"], None),
            ("fails for alice", "queue", f"alice@{DOMAIN}", ["bob"], "alice"),
            ("later", "smtp", f"alice@{DOMAIN}", ["alice", f"x@{LATER}"], None),
            ("fails for one far away", "queue", f"ann@{FAR}", [], f"ann@{FAR}"),
        )
        label, how, sender, boxes, report = kinds[number % len(kinds)]
        size = SIZES[self.random.randrange(len(SIZES))]
        token, body = self.ledger.message(f"{number}: {label}, {size} bytes", size)
        entry = Sent(token.decode(), self.ledger.entries[token].label, body.decode(), boxes, report)
        self.run.messages.append(entry)
        recipients = [box if "@" in box else f"{box}@{DOMAIN}" for box in boxes]
        if report:
            recipients.insert(0, f"nobody@{DOMAIN}")
        return how, sender, recipients, entry

    def send_all(self):
        threads = [threading.Thread(target=self.work) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.failed, self.failed

    def work(self):
        try:
            with self.instance.session() as client:
                while True:
                    with self.lock:
                        if not self.todo:
                            break
                        how, *what = self.todo.pop(0)
                    (self.smtp if how == "smtp" else self.queue)(client, *what)
                client.quit()
        except Exception as error:  # noqa: BLE001: told by the thread that waits
            self.failed.append(repr(error))

    def smtp(self, client, sender, recipients, entry):
        client.envelope(sender, recipients)
        answer = client.command("DATA")
        assert answer.code == 354, answer
        client.send(entry.body.replace("\n..", "\n...").replace("\n", "\r\n"))
        entry.sent = time.monotonic_ns()
        client.send(".\r\n")
        answer = client.reply()
        assert answer.code == 250, answer
        entry.acknowledged = time.monotonic_ns()

    def queue(self, _, sender, recipients, entry):
        envelope = f"F{sender}\0" + "".join(f"T{one}\0" for one in recipients) + "\0"
        files = []
        for text in (entry.body, envelope):
            reader, writer = os.pipe()
            files.append((reader, writer, text.encode()))
        line = self.instance.command("ekiden-queue", "-Q", self.instance.queue)
        process = subprocess.Popen(line, stdin=files[0][0], stdout=files[1][0],
                                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
        entry.sent = time.monotonic_ns()
        for reader, writer, octets in files:
            os.close(reader)
            with open(writer, "wb") as pipe:
                pipe.write(octets)
        assert process.wait() == 0
        entry.acknowledged = time.monotonic_ns()


def owner_of(mode, name):
    """Who the folder NAME belongs to."""
    if mode == "unprivileged":
        return "nobody", "nogroup"
    return {"queue": ("ekidens", "ekidenq"), "mail": ("ekidenl", "ekidenl")}[name]


def make_folders(disks, mode):
    """queue and mail, on the first disk and the last. What was there before is on the disks then."""
    folders = {"queue": disks[0].mounted / "queue", "mail": disks[-1].mounted / "mail"}
    for name, folder in folders.items():
        folder.mkdir()
        shutil.chown(folder, *owner_of(mode, name))
    for disk in disks:
        sync(disk.mounted)
    return folders


def settled(instance, load, sink):
    """Everything has been tried, and what cannot be delivered yet is put off."""
    later = sum(1 for one in load.run.messages if f"x@{LATER}" in one.boxes)
    far = sum(1 for one in load.run.messages for box in (*one.boxes, one.report or "")
              if box.endswith(FAR))  # fmt: skip
    return (
        not os.listdir(instance.queue / "new")
        and len(sink.messages) == far
        and sum(1 for _ in (instance.queue / "wheel").glob("*/*")) == later
    )


def record(folder, programs, fs, disks, mode, seed, count):
    """Makes FOLDER with disk0/, disk1/ (base.raw, log.raw), positions and run.json."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    run = Run(fs, disks, mode, seed)
    user = ("nobody", "nogroup") if mode == "unprivileged" else None
    with contextlib.ExitStack() as stack:
        logged = []
        for number in range(disks):
            logged.append(LoggedDisk(folder / f"disk{number}", fs))
            stack.callback(logged[-1].close)
        folders = make_folders(logged, mode)
        paths = [disk.log_path for disk in logged]
        run.begin = [map_log(path).read_more() for path in paths]
        stop, ready = multiprocessing.Event(), multiprocessing.Event()
        watcher = multiprocessing.Process(target=watch, daemon=True,
                                          args=(paths, folder / "positions", stop, ready))
        watcher.start()
        ready.wait()
        with Sink(SINK) as sink:
            sink.messages = Timed()
            control = {**CONTROL, "smtproutes": routes(sink.port)}
            instance = Instance(folder / "run", programs, mode, user, control)
            for name, place in folders.items():
                (instance.folder / name).mkdir()
                bind(place, instance.folder / name)
                stack.callback(unmount, instance.folder / name)
            try:
                instance.start()
                load = Load(run, instance, count)
                load.send_all()
                wait_for(lambda: settled(instance, load, sink), what="all tries")
                run.slots = sorted({
                    path.parent.name for path in (instance.queue / "wheel").glob("*/*")
                })
                instance.stop()
            except AssertionError as error:
                raise AssertionError(f"{error}\n{instance.log_text()[-3000:]}") from error
            finally:
                if instance.process:
                    instance.kill()
            run.taken = [
                [when, recipients, octets.decode()]
                for when, (_, _, recipients, octets) in zip(sink.messages.times, sink.messages)
            ]
        for disk in logged:
            sync(disk.mounted)
        stop.set()
        watcher.join()
    run.save(folder)
    return run
