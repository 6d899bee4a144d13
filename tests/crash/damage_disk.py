"""Disks that are full, have no inodes left, or can only be read: what was acknowledged arrives once
there is room again, what was refused does not, and nobody has to help.

Needs root, for mounts, which are made in the caller's own mount namespace.
"""

import fcntl
import os
import random
import threading
import time
from pathlib import Path

from blocks_disk import Loop, bind, make_file_system, mount, unmount
from damage import FAILING, GOOD, Case
from instance import DOMAIN
from queue_faults import run_queue

PAGE = 4096
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
ROOM = 64 << 20
INODES = 4000
PLACES = (("queue",), ("mail",), ("queue", "mail"))
QUIET = 0.25  # seconds without a line in the log
SIZES = (300, 20_000)


class Small:
    """A server with queue and mailboxes on two small file systems in memory."""

    def __init__(self, folder, programs, name):
        # Room is what these are about: the server does not refuse mail before it is gone.
        self.case = Case(folder, programs, name, minfree="0\n")
        self.mounted = {}
        for place in ("queue", "mail"):
            path = self.case.instance.folder / place
            path.mkdir()
            mount("none", path, "tmpfs", f"size={ROOM},nr_inodes={INODES},mode=700")
            self.case.instance.give_away(path)
            self.mounted[place] = path

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.case.__exit__(*error)
        for path in self.mounted.values():
            unmount(path)

    def leave(self, places, kind, free):
        """Fills PLACES up to FREE pages or inodes."""
        for place in places:
            room = os.statvfs(self.mounted[place])
            if kind == "pages":
                with open(self.mounted[place] / ".filler", "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, max(room.f_bfree - free, 1) * PAGE)
            else:
                fillers = self.mounted[place] / ".fillers"
                fillers.mkdir()
                for number in range(room.f_ffree - 1 - free):
                    (fillers / str(number)).touch()

    def make_room(self):
        for path in self.mounted.values():
            (path / ".filler").unlink(missing_ok=True)
            if (path / ".fillers").is_dir():
                for filler in (path / ".fillers").iterdir():
                    filler.unlink()
                (path / ".fillers").rmdir()

    def send(self, label, size, envelope):
        """Gives a message to ekiden-queue."""
        case = self.case
        token, body = case.ledger.message(label, size)
        code, _ = run_queue(case.instance, body, traced=False, envelope=envelope)
        case.ledger.expect(token, *((1, 1) if code == 0 else (0, 0)))
        case.ledger.entries[token].label += f", exit {code}"

    def send_by_smtp(self, label, size):
        """True when it was acknowledged."""
        case = self.case
        token, body = case.ledger.message(label, size)
        case.ledger.expect(token, 0, 0)
        with case.instance.session() as client:
            if client.command("MAIL FROM:<sender@elsewhere.example>").code != 250:
                return False
            assert client.command(f"RCPT TO:<bob@{DOMAIN}>").code == 250
            if client.command("DATA").code != 354:
                return False
            client.send(body.replace(b"\n..", b"\n...").replace(b"\n", b"\r\n") + b".\r\n")
            answer = client.reply()
        case.ledger.entries[token].label += f": {answer}"
        if answer.code == 250:
            case.ledger.expect(token, 1, 1)
        elif answer.code // 100 != 4:
            case.complain("lost", f"{label}: {answer}")
        return answer.code == 250

    def send_some(self, label):
        for size in SIZES:
            self.send(f"{label}, {size} bytes", size, GOOD)
            self.send(f"{label}, {size} bytes, fails for one", size, FAILING)
            self.send_by_smtp(f"{label}, {size} bytes, by SMTP", size)

    def await_quiet(self):
        log, seen = self.case.instance.log_path, (-1, 0)
        while time.monotonic() - seen[1] < QUIET:
            size = log.stat().st_size
            if size != seen[0]:
                seen = size, time.monotonic()
            time.sleep(0.02)

    def await_settled(self, what):
        """There is room again: what is in the queue leaves it."""
        case, asked = self.case, 0

        def is_empty():
            nonlocal asked
            if time.monotonic() > asked + 1:
                case.try_all()
                asked = time.monotonic()
            return case.instance.queue_is_empty(unfinished=True)

        case.wait(is_empty, f"an empty queue, {what}")


def full(folder, programs, kind, steps, where=PLACES):
    """Each number of free pages (or inodes) of STEPS, on each disk, when mail comes in and when it is
    delivered."""
    with Small(folder, programs, f"few {kind} left") as small:
        case = small.case
        case.instance.start()
        for free in steps:
            for places in where:
                for when in ("intake", "delivery"):
                    label = f"{free} {kind} free for {'+'.join(places)} at {when}"
                    if when == "delivery":
                        case.instance.stop()
                        for size in SIZES:
                            small.send(f"{label}, {size} bytes", size, GOOD)
                            small.send(f"{label}, {size} bytes, fails for one", size, FAILING)
                    small.leave(places, kind, free)
                    if when == "delivery":
                        case.instance.start()
                    else:
                        small.send_some(label)
                    small.await_quiet()
                    small.make_room()
                    small.await_settled(label)
                    case.row.tried += 1
        case.row.distinct = case.row.tried
        accepted = [one for one in case.ledger.entries.values() if one.least]
        failing = sum("fails" in one.label for one in accepted)
        case.judge("bob")
        if len(case.reports()) != failing:
            case.complain("lost" if len(case.reports()) < failing else "doubled",
                          f"{len(case.reports())} reports of {failing} messages")  # fmt: skip
        if not failing or len(accepted) == len(case.ledger.entries):
            case.complain("other", "nothing was refused, or all: the sweep shows nothing")
        return case.end()


def make_read_only(disk, loop):
    """As `mount -o remount,ro` does, which refuses where files are open for writing. Frozen first, as
    there: when an error alone stops ext4 (Linux 6.18), an fsync in these microseconds may answer 0
    for a transaction that is thrown away. See doc/durability.md."""
    folder = os.open(disk, os.O_RDONLY)
    fcntl.ioctl(folder, FIFREEZE)
    (Path("/sys/fs/ext4") / Path(loop.name).name / "trigger_fs_error").write_text("x")
    fcntl.ioctl(folder, FITHAW)
    os.close(folder)


def read_only(folder, programs, rounds):
    """From one moment to the next the disk can only be read, under load; later it is mounted anew."""
    folder.mkdir(exist_ok=True)
    image = folder / "image.raw"
    make_file_system(image, "ext4")
    loop, dice = Loop(image), random.Random(rounds)
    disk = folder / "disk"
    disk.mkdir()
    mount(loop.name, disk, "ext4", "errors=remount-ro")
    try:
        with Case(folder / "run", programs, "read-only under load", minfree="0\n") as case:
            small = Small.__new__(Small)
            small.case, small.mounted = case, {}
            for place in ("queue", "mail"):
                (disk / place).mkdir()
                case.instance.give_away(disk / place)
            for number in range(rounds):
                for place in ("queue", "mail"):
                    (case.instance.folder / place).mkdir(exist_ok=True)
                    bind(disk / place, case.instance.folder / place)
                case.instance.start()
                small.await_settled(f"after round {number}")
                threads = [threading.Thread(target=keep_sending, args=(small, number, thread))
                           for thread in range(3)]  # fmt: skip
                for thread in threads:
                    thread.start()
                time.sleep(dice.uniform(0.02, 0.3))
                make_read_only(disk, loop)
                for thread in threads:
                    thread.join()
                small.await_quiet()
                case.instance.stop()
                for place in ("queue", "mail"):
                    unmount(case.instance.folder / place)
                unmount(disk)
                mount(loop.name, disk, "ext4", "errors=remount-ro")
                case.row.tried += 1
            for place in ("queue", "mail"):
                bind(disk / place, case.instance.folder / place)
            case.instance.start()
            small.await_settled("in the end")
            case.row.distinct = case.row.tried
            for entry in case.ledger.entries.values():
                entry.most = 1 + rounds  # each error may undo a removal
            case.judge("bob")
            result = case.end()
            for place in ("queue", "mail"):
                unmount(case.instance.folder / place)
            return result
    finally:
        unmount(disk)
        loop.close()


def keep_sending(small, number, thread):
    """Until it is refused."""
    for count in range(10000):
        label = f"round {number}, thread {thread}, message {count}"
        try:
            if not small.send_by_smtp(label, SIZES[count % 2]):
                break
        except (AssertionError, OSError):
            break


CASES = {
    "full": lambda folder, programs, long: full(
        folder, programs, "pages", range(40) if long else (0, 9), PLACES if long else PLACES[-1:]
    ),
    "inodes": lambda folder, programs, long: full(
        folder, programs, "inodes", range(12) if long else (0, 2), PLACES if long else PLACES[-1:]
    ),
    "read-only": lambda folder, programs, long: read_only(folder, programs, 50 if long else 2),
}
