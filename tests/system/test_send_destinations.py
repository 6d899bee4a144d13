"""The scheduler and its destinations: windows, dead hosts, limits, and many messages for one of them
that hold up nobody else."""

import os
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from scheduler import DOMAIN, Scheduler

FAST = "/dev/shm"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
START = 5  # the first window
MANY = 3300  # more than can be active


def at(name):
    return f"{name}@{DOMAIN}"


@pytest.fixture
def stopped(scratch, programs):
    """A scheduler that has made its queue and was stopped again."""
    place = FAST if os.access(FAST, os.W_OK) else scratch
    scheduler = Scheduler(tempfile.mkdtemp(prefix="ekiden-send-", dir=place), programs)
    os.chmod(scheduler.folder, 0o777)
    scheduler.start()
    scheduler.stop()
    yield scheduler
    scheduler.kill()
    shutil.rmtree(scheduler.folder, ignore_errors=True)


def put_many(scheduler, count, recipient, place="new"):
    """COUNT messages to RECIPIENT in the folder PLACE, as the injector would have left them; the
    scheduler is not told. Returns their names."""
    name = scheduler.inject_named(recipient)
    data = scheduler.path(name).read_bytes()
    owner = scheduler.path(name).stat()
    names = []
    for index in range(count):
        number = f"{index:06}"
        other = name[:-6] + number
        path = scheduler.queue / place / other
        path.write_bytes(data)
        os.chown(path, owner.st_uid, owner.st_gid)
        path.chmod(owner.st_mode & 0o777)
        names.append(other)
    if name not in names:
        (scheduler.queue / "new" / name).unlink()
    return names


def wake(scheduler, name):
    """The scheduler looks at deferred message NAME at once."""
    scheduler.path(name).rename(scheduler.queue / "new" / name)
    with open(scheduler.queue / "wake", "r+b", buffering=0) as fifo:
        fifo.write(name.encode() + b"\n")


def cpu_seconds(scheduler):
    fields = Path(f"/proc/{scheduler.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_dead_destination_is_tried_once_for_all_its_mail(stopped):
    stopped.start()
    for index in range(30):
        stopped.inject(f"user{index}@gone.test", at("ok"))
    stopped.inject("user@fine.test")
    stopped.await_event("deferred", 30)
    stopped.wait(lambda: stopped.sent(), "mail for another host")
    (dead,) = stopped.events("destination-dead")
    assert (dead["destination"], dead["port"], dead["seconds"]) == ("gone.test", "25", "300")
    assert len(stopped.transactions()) == START + 1
    untried = [row for row in stopped.events("delivery", result="deferred")
               if re.match("4.4.1 not tried: gone.test was not reachable [0-9]+ (second|minute)s? "
                           "ago: no connection", row["text"])]
    assert len(untried) == 30 - START
    assert stopped.recipients() == ["ok"] * 30 and stopped.sent() == ["user@fine.test"]
    # A new one is put off at once, and an order has one of them tried.
    stopped.inject("new@gone.test")
    stopped.await_event("deferred", 31)
    assert len(stopped.transactions()) == START + 1
    stopped.process.send_signal(signal.SIGALRM)
    stopped.await_event("deferred", 62)
    assert len(stopped.transactions()) == START + 2
    assert len(stopped.events("destination-dead")) == 2
    # It is back: who waits for what becomes of the first one goes as well.
    stopped.tell("reach")
    stopped.process.send_signal(signal.SIGALRM)
    stopped.await_event("done", 32)
    assert len(stopped.events("destination-back", destination="gone.test")) == 1
    assert Counter(stopped.sent()) == Counter(
        [f"user{index}@gone.test" for index in range(30)] + ["new@gone.test", "user@fine.test"])


def test_new_settings_try_a_dead_destination_again(stopped):
    stopped.start()
    for index in range(START):
        stopped.inject(f"user{index}@gone.test")
    stopped.await_event("destination-dead")
    stopped.tell("reach")
    stopped.set("smtproutes", "other.test:relay.test\n")
    stopped.await_event("settings-loaded")
    stopped.inject("new@gone.test")
    stopped.await_event("done")
    assert stopped.sent() == ["new@gone.test"]


def test_nothing_fails_without_a_try_after_its_lifetime(stopped):
    """The destination's last try counts, for all its mail; an older one does not."""
    stopped.set("queuelifetime", "3\n")
    stopped.start()
    for index in range(START):
        stopped.inject(f"user{index}@gone.test")
    stopped.await_event("destination-dead")
    name = stopped.inject_named("young@gone.test")
    (event,) = stopped.await_event("deferred", id=name)
    stopped.wait(lambda: stopped.path(name).stat().st_mtime + 4 < time.time(), "its lifetime")
    wake(stopped, name)
    stopped.await_event("deferred", 2, id=name)
    assert stopped.reports() == []
    # Now its destination is tried again, for the others: that is a try of this one, too.
    stopped.stop()
    stopped.start()
    stopped.process.send_signal(signal.SIGALRM)
    stopped.await_event("done", START + 1)
    texts = [text for _, _, told in stopped.reports() for text in told.values()]
    assert len(texts) == START + 1
    assert all(text.startswith("5.4.7 given up after ") for text in texts)
    assert sum("not tried: gone.test was not reachable" in text for text in texts) == 1
    assert len(stopped.transactions()) == 2 * START


def test_many_messages_for_a_slow_host_hold_up_nobody(stopped):
    put_many(stopped, MANY, "user@hang.test")
    stopped.start()
    stopped.wait(lambda: len(stopped.transactions()) == START, "the slow ones")
    for index in range(3):
        stopped.inject(f"user{index}@fine.test", at("ok"), "other@hang.test")
        stopped.wait(lambda: f"user{index}@fine.test" in stopped.sent(), "mail for another host")
    stopped.wait(lambda: stopped.recipients() == ["ok"] * 3, "the local ones")
    assert len(stopped.transactions()) == START + 3
    if os.geteuid() == 0:  # it is not dumpable: nobody else may look
        assert len(os.listdir(f"/proc/{stopped.process.pid}/fd")) < 500
    stopped.tell("unhang")
    stopped.await_event("done", MANY + 3)
    assert Counter(stopped.sent())["user@hang.test"] == MANY
    assert Counter(stopped.sent())["other@hang.test"] == 3
    assert stopped.files() == {}


def test_reports_to_slow_hosts_hold_up_no_mail(stopped):
    """A stranger says where reports go: to hosts of his that answer late, many of them."""
    stopped.set("concurrencyremote", "8\n")
    stopped.start()
    for index in range(12):
        stopped.inject(f"user@hang{index}.test", sender="")
    stopped.wait(lambda: len(stopped.transactions()) == 4, "half of the places")
    for index in range(60):  # more than wait in memory
        stopped.inject(f"report{index}@fine.test", sender="")
    for index in range(10):
        stopped.inject(f"user{index}@fine.test", "user@other.test")
    stopped.await_event("done", 10)
    assert len(stopped.sent()) == 20 and len(stopped.transactions()) == 24
    stopped.tell("unhang")
    stopped.await_event("done", 82)
    assert len(stopped.sent()) == 92 and stopped.files() == {}


def test_reports_to_one_slow_host_hold_up_no_other_ones(stopped):
    stopped.set("concurrencyremote", "8\n")
    stopped.start()
    for index in range(60):
        stopped.inject(f"user{index}@hang.test", sender="")
    for index in range(10):
        stopped.inject(f"user{index}@fine.test", sender="")
    stopped.await_event("done", 10)
    assert Counter(host for host, _ in stopped.transactions()) == {"hang.test": 2, "fine.test": 10}
    stopped.tell("unhang")
    stopped.await_event("done", 70)


def test_a_single_place_serves_reports_and_mail(stopped):
    stopped.set("concurrencyremote", "1\n")
    stopped.start()
    for index in range(5):
        stopped.inject(f"user{index}@one.test", sender="")
        stopped.inject(f"user{index}@two.test", "user@one.test")
    stopped.await_event("done", 10)
    assert len(stopped.sent()) == 15


def test_many_local_messages_hold_up_no_remote_ones(stopped):
    put_many(stopped, MANY, at("silent"))
    stopped.set("concurrencylocal", "1\n")
    stopped.start()
    for index in range(3):
        stopped.inject(f"user{index}@fine.test")
    stopped.await_event("done", 3)
    assert len(stopped.sent()) == 3


def test_what_waits_survives_a_kill(stopped):
    """What came from a slot of the wheel and waits in the backlog is found there again."""
    slot = int(time.time()) // 64 % 512
    put_many(stopped, 200, "user@hang.test", f"wheel/{slot:03}")
    stopped.start()
    stopped.process.send_signal(signal.SIGALRM)
    stopped.wait(lambda: len(stopped.transactions()) == START, "the first ones")
    stopped.inject("user@fine.test")
    stopped.await_event("done")
    stopped.kill()
    stopped.tell("unhang")
    stopped.start()
    stopped.await_event("done", 201)
    assert Counter(stopped.sent()) == {"user@hang.test": 200, "user@fine.test": 1}


def test_a_destination_has_its_limits(stopped):
    stopped.set("destlimits", "slow.test:600/m\nhang.test:1\nnever.test:1/m\n")
    stopped.start()
    began = time.monotonic()
    for index in range(6):
        stopped.inject(f"user{index}@slow.test")
        stopped.inject(f"user{index}@hang.test")
        stopped.inject(f"user{index}@never.test")
    stopped.inject("user@fine.test")
    stopped.await_event("done", 8)
    assert time.monotonic() - began >= 0.5
    hosts = Counter(host for host, _ in stopped.transactions())
    assert hosts == {"slow.test": 6, "hang.test": 1, "never.test": 1, "fine.test": 1}
    before = cpu_seconds(stopped)
    time.sleep(1)  # what waits for a rate does nothing meanwhile
    assert cpu_seconds(stopped) - before < 0.2
    stopped.set("destlimits", "hang.test:2\n")
    stopped.await_event("done", 13)
    assert Counter(stopped.sent())["user5@never.test"] == 1
    stopped.wait(lambda: Counter(host for host, _ in stopped.transactions())["hang.test"] == 2,
                 "one more connection")


def test_a_relay_with_a_password_is_tried_by_one_at_first(stopped):
    stopped.set("smtproutes", "hang.test:hang.test auth=relay\n")
    stopped.start()
    for index in range(6):
        stopped.inject(f"user{index}@hang.test")
    stopped.inject("user@fine.test")
    stopped.await_event("done")
    assert len(stopped.transactions()) == 2
    stopped.tell("unhang")
    stopped.await_event("done", 7)


def test_malformed_limits(stopped):
    stopped.start()
    stopped.set("destlimits", "fine.test:all\n")
    (event,) = stopped.await_event("settings-not-loaded")
    assert "destlimits:1" in event["error"]
