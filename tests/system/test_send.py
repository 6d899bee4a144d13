"""The scheduler: what becomes of a queue file, whatever the agent, the operator or the disk do."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from scheduler import DOMAIN, Scheduler, age


TODO, DONE, FAILED = b"T", b"+", b"-"
FAST = "/dev/shm"  # making and removing 512 folders a test is slow elsewhere


def at(name):
    return f"{name}@{DOMAIN}"


@pytest.fixture
def stopped(scratch, programs):
    """A scheduler that was not started yet."""
    place = FAST if os.access(FAST, os.W_OK) else scratch
    scheduler = Scheduler(tempfile.mkdtemp(prefix="ekiden-send-", dir=place), programs)
    os.chmod(scheduler.folder, 0o777)
    yield scheduler
    scheduler.kill()
    shutil.rmtree(scheduler.folder, ignore_errors=True)


@pytest.fixture
def scheduler(stopped):
    return stopped.start()


def restart(scheduler):
    assert scheduler.stop() == 0
    return scheduler.start()


def test_delivered_and_removed(scheduler):
    scheduler.inject(at("ok"), body=b"Subject: a\n\n\xff\x01b\n", sender="s@x.test")
    (done,) = scheduler.await_event("done")
    assert scheduler.deliveries() == [(at("ok"), "s@x.test", b"Subject: a\n\n\xff\x01b\n")]
    assert done["recipients"] == done["delivered"] == "1"
    assert scheduler.files() == {}


def test_null_sender_and_many_recipients(scheduler):
    recipients = [at(name) for name in ("ok", "ok2")] * 300
    scheduler.inject(*recipients, sender="")
    (done,) = scheduler.await_event("done")
    assert done["delivered"] == "600"
    assert Counter(scheduler.recipients()) == {"ok": 300, "ok2": 300}
    assert scheduler.files() == {}


def test_new_mail_is_taken_at_once(scheduler):
    """By the FIFO: looking through new/ comes only every five minutes."""
    for _ in range(3):
        start = time.monotonic()
        count = len(scheduler.events("done"))
        scheduler.inject(at("ok"))
        scheduler.await_event("done", count + 1)
        print(f"{(time.monotonic() - start) * 1000:.1f} ms")


def test_deferred_keeps_only_what_is_left(scheduler):
    name = scheduler.inject_named(at("ok"), at("defer"), at("ok2"))
    (event,) = scheduler.await_event("deferred")
    assert 100 <= int(event["next"]) <= 200  # more than 110 where a second went by before the try
    place = scheduler.place(name)
    assert place.startswith("wheel/")
    due = int(event["next"]) + time.time()
    assert (int(place[6:]) - int(due) // 64) % 512 in (0, 1)
    assert scheduler.marks(name) == [DONE, TODO, DONE]
    assert sorted(scheduler.recipients()) == ["ok", "ok2"]
    # Everything now: only the one that is left.
    scheduler.process.send_signal(signal.SIGALRM)
    (event,) = scheduler.await_event("deferred", 2)[1:]
    assert (event["delivered"], event["deferred"]) == ("0", "1")
    assert sorted(scheduler.recipients()) == ["ok", "ok2"]


def test_alarm_tries_each_message_once(scheduler):
    names = [scheduler.inject_named(at("defer")) for _ in range(20)]
    scheduler.await_event("deferred", 20)
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("deferred", 40)
    scheduler.inject(at("ok"))
    scheduler.await_event("done")
    tries = Counter(event["id"] for event in scheduler.events("deferred"))
    assert tries == {name: 2 for name in names}


def test_failed_is_held(scheduler):
    name = scheduler.inject_named(at("ok"), at("fail"), at("nobody-here"))
    (held,) = scheduler.await_event("held")
    assert held["reason"] == "failed" and held["failed"] == "2"
    assert scheduler.place(name) == "hold"
    assert scheduler.marks(name) == [DONE, FAILED, FAILED]
    texts = {event["recipient"]: event["text"] for event in scheduler.events("delivery")}
    assert texts[at("nobody-here")].startswith("5.1.1")


def test_failed_and_deferred_is_held_when_nothing_is_left(scheduler):
    name = scheduler.inject_named(at("fail"), at("defer"))
    queued = time.time()
    scheduler.await_event("deferred")
    assert scheduler.marks(name) == [FAILED, TODO]
    scheduler.set("queuelifetime", "0\n")
    scheduler.await_event("settings-loaded")
    scheduler.wait(lambda: time.time() > queued + 1, "an age of a second")
    scheduler.process.send_signal(signal.SIGALRM)
    (held,) = scheduler.await_event("held")
    assert held["reason"] == "lifetime"
    assert scheduler.place(name) == "hold"
    assert scheduler.marks(name) == [FAILED, FAILED]


def test_remote_waits_for_its_agent(scheduler):
    name = scheduler.inject_named("someone@elsewhere.test", at("ok"))
    scheduler.await_event("deferred")
    (event,) = scheduler.events("delivery", recipient="someone@elsewhere.test")
    assert event["result"] == "deferred" and event["text"].startswith("4.4.0")
    assert scheduler.marks(name) == [TODO, DONE]


def test_corrected_control_file_helps_queued_mail(scheduler):
    """And a malformed one changes nothing."""
    name = scheduler.inject_named("ok@elsewhere.test")
    scheduler.await_event("deferred")
    scheduler.set("queuelifetime", "forever\n")
    (event,) = scheduler.await_event("settings-not-loaded")
    assert "queuelifetime:1" in event["error"]
    scheduler.set("locals", "elsewhere.test\nlocal.test\n")
    scheduler.await_event("settings-not-loaded", 2)
    scheduler.set("queuelifetime", "3600\n")
    scheduler.await_event("settings-loaded")
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("done", id=name)
    assert scheduler.recipients() == ["ok"]


def test_hangup_loads_settings(scheduler):
    scheduler.process.send_signal(signal.SIGHUP)
    scheduler.await_event("settings-loaded")


def test_agent_finds_damage(scheduler):
    name = scheduler.inject_named(at("corrupt"))
    scheduler.await_event("bad")
    assert scheduler.place(name) == "bad"
    scheduler.inject(at("ok"))
    scheduler.await_event("done")


@pytest.mark.parametrize("mailbox", ["die", "stranger"])
def test_agent_that_ends_or_lies(scheduler, mailbox):
    """The scheduler ends too, with 111, and nothing is lost. Its supervisor starts it again."""
    name = scheduler.inject_named(at("ok"), at(mailbox))
    assert scheduler.end() == 111
    assert scheduler.events("agent-gone")
    assert scheduler.place(name) == "new"
    scheduler.set("users", "ok\ndie:ok\nstranger:ok\n")
    scheduler.start()
    scheduler.await_event("done")
    assert scheduler.files() == {}
    assert Counter(scheduler.recipients())["ok"] <= 3


def test_sigterm_waits_for_what_is_in_flight(scheduler):
    scheduler.inject(at("held"))
    agents = children(scheduler)
    assert len(agents) == 2
    scheduler.await_held()
    scheduler.process.send_signal(signal.SIGTERM)
    scheduler.release()
    assert scheduler.end() == 0
    assert scheduler.recipients() == ["held"]
    assert scheduler.files() == {}
    assert not any(Path(f"/proc/{pid}").exists() for pid in agents)


def test_sigterm_does_not_wait_for_ever(scheduler):
    name = scheduler.inject_named(at("silent"))
    scheduler.wait(lambda: scheduler.place(name) == "new", "the message")
    assert scheduler.stop() == 0
    assert scheduler.place(name) == "new"


def children(scheduler):
    pid = scheduler.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_killed_scheduler_leaves_no_agents(scheduler):
    agents = children(scheduler)
    scheduler.kill()
    scheduler.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in agents), "their end")


def test_second_scheduler_refuses(scheduler):
    second = subprocess.run(scheduler.command(), capture_output=True, text=True, **scheduler.user)
    assert second.returncode == 111
    assert "another ekiden-send" in second.stderr


def test_found_again_without_the_fifo(stopped):
    stopped.start()
    assert stopped.stop() == 0
    names = [stopped.inject_named(at("ok")) for _ in range(5)]
    (stopped.queue / "wake").unlink()
    os.mkfifo(stopped.queue / "wake")
    os.chmod(stopped.queue / "wake", 0o666)
    stopped.start()
    stopped.await_event("done", 5)
    assert {event["id"] for event in stopped.events("done")} == set(names)


def test_garbage_in_the_fifo(scheduler):
    with open(scheduler.queue / "wake", "wb", buffering=0) as wake:
        for line in (b"../../../etc/passwd\n", b"\n", b"\0" * 21 + b"\n", b"x" * 3000 + b"\n",
                     b"a" * 20 + b"\n", b"0" * 19 + b"\n", b"1" * 4000, b"\n"):
            wake.write(line)
    scheduler.inject(at("ok"))
    scheduler.await_event("done")


def test_foreign_files_are_ignored(scheduler):
    """P22: names that are none, folders, links, FIFOs; logged once; nothing is changed."""
    good = "1k0tvbq2nyw6fcdkd6r"
    folder = scheduler.queue / "new"
    (folder / "README").write_text("no queue file")
    (folder / ("x" * 200)).write_text("long")
    (folder / f"{good}0").mkdir()
    (folder / f"{good}1").symlink_to("/etc/passwd")
    os.mkfifo(folder / f"{good}2")
    (folder / "evil\nname").write_text("x")
    before = sorted(os.listdir(folder))
    for count in (1, 2):
        scheduler.process.send_signal(signal.SIGALRM)
        scheduler.inject(at("ok"))
        scheduler.await_event("done", count)
    scheduler.await_event("ignored", 6)
    assert len(scheduler.events("ignored")) == 6
    assert sorted(os.listdir(folder)) == before


def damaged(scheduler, change):
    name = scheduler.inject_named(at("ok"))
    path = scheduler.path(name)
    data = bytearray(path.read_bytes())
    path.write_bytes(change(data))
    return name


def test_damaged_head_goes_to_bad(stopped):
    stopped.start()
    stopped.stop()

    def flip(data):
        data[data.index(b"from@")] ^= 1
        return data

    name = damaged(stopped, flip)
    good = stopped.inject_named(at("ok"))
    stopped.start()
    stopped.await_event("bad", id=name)
    stopped.await_event("done", id=good)
    assert stopped.place(name) == "bad"


def test_unfinished_is_left_then_collected(stopped):
    """P23: not before 36 hours, and never from a writer that lives."""
    stopped.start()
    stopped.stop()
    fresh = damaged(stopped, lambda data: data[:-90])
    old = damaged(stopped, lambda data: data[:50])
    locked = damaged(stopped, lambda data: data[:60])
    for name in (old, locked):
        age(stopped.path(name), 36 * 3600 + 60)
    age(stopped.path(fresh), 36 * 3600 - 600)
    with open(stopped.path(locked)) as writer:
        import fcntl

        fcntl.flock(writer, fcntl.LOCK_EX)
        stopped.start()
        stopped.await_event("collected", id=old)
        stopped.inject(at("ok"))
        stopped.await_event("done")
        assert stopped.place(fresh) == stopped.place(locked) == "new"
        assert stopped.place(old) is None
        assert stopped.stop() == 0
    stopped.start()
    stopped.await_event("collected", id=locked)


def test_truncated_in_the_wheel_is_never_removed(stopped):
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    path = stopped.path(name)
    path.write_bytes(path.read_bytes()[:-3])
    age(path, 40 * 86400)
    (stopped.queue / "wheel/cursor").unlink()
    stopped.start()
    stopped.await_event("bad", id=name)


@pytest.mark.parametrize("cursor", [None, b"", b"x" * 21, b"%020d\n" % 2**63, b"%020d\n" % 1000])
def test_unbelievable_cursor_reads_all_slots(stopped, cursor):
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    stopped.set("users", "defer:ok\n")
    path = stopped.queue / "wheel/cursor"
    path.unlink() if cursor is None else path.write_bytes(cursor)
    stopped.start()
    stopped.await_event("done", id=name)


def test_cursor_keeps_slots_asleep(stopped):
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    stopped.set("users", "ok\ndefer:ok\n")
    stopped.start()
    stopped.inject(at("ok"))
    stopped.await_event("done")
    assert stopped.place(name).startswith("wheel/")
    assert not stopped.events("done", id=name)


def test_overdue_slots_are_read_after_a_start(stopped):
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    stopped.set("users", "defer:ok\n")
    now = int(time.time()) // 64
    stopped.path(name).rename(stopped.queue / f"wheel/{(now - 100) % 512:03}" / name)
    (stopped.queue / "wheel/cursor").write_bytes(b"%020d\n" % ((now - 101) * 64))
    stopped.start()
    stopped.await_event("done", id=name)


def test_bound_on_what_is_active(stopped):
    """With room for two messages, a silent agent's deliveries do not let a third one in."""
    stopped.set("concurrencyqueue", "2\n")
    stopped.start()
    for _ in range(4):
        stopped.inject(at("slow"))
    stopped.await_event("done", 4)
    assert sorted(stopped.recipients()) == ["slow"] * 4


def test_rename_that_cannot_be_done(scheduler):
    """The message stays where it was; what was delivered is marked."""
    for slot in range(512):
        (scheduler.queue / f"wheel/{slot:03}").rmdir()
    name = scheduler.inject_named(at("defer"), at("ok"))
    scheduler.await_event("not-settled", id=name)
    assert scheduler.place(name) == "new"
    assert scheduler.marks(name) == [TODO, DONE]


def test_message_of_that_name_is_never_replaced(scheduler):
    name = scheduler.inject_named(at("silent"))
    (scheduler.queue / "hold" / name).write_text("another")
    scheduler.kill()
    scheduler.set("users", "silent:fail\n")
    scheduler.start()
    scheduler.await_event("not-settled", id=name)
    assert (scheduler.queue / "hold" / name).read_text() == "another"
    assert (scheduler.queue / "new" / name).exists()


def test_files_moved_away_under_it(scheduler):
    """An operator holds mail that is being tried: it is not brought back."""
    name = scheduler.inject_named(at("held"), at("defer"))
    scheduler.await_held()
    scheduler.path(name).rename(scheduler.queue / "hold" / name)
    scheduler.release()
    scheduler.await_event("not-settled", id=name)
    assert scheduler.place(name) == "hold"
    scheduler.inject(at("ok"))
    scheduler.await_event("done")


@pytest.mark.parametrize("options", [["-n", "0"], ["-n", "17"], ["-q"], ["extra"]])
def test_usage(stopped, options):
    done = subprocess.run(stopped.command(*options), capture_output=True, text=True)
    assert done.returncode == 100
    assert re.search("usage|expected", done.stderr)


@pytest.mark.heavy
def test_many_deferred_start_at_once(stopped):
    """20,000 files that are not due are not read."""
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    data = stopped.path(name).read_bytes()
    path = stopped.path(name)
    slot = (int(time.time()) // 64 + 200) % 512
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    for i in range(20_000):
        other = name[:11] + "".join(alphabet[i >> shift & 31] for shift in range(40, -5, -5))
        folder = stopped.queue / f"wheel/{(slot + i % 100) % 512:03}"
        (folder / other).write_bytes(data) if i % 1000 == 0 else os.link(path, folder / other)
        if i % 1000 == 0:
            path = folder / other
    start = time.monotonic()
    stopped.start()
    stopped.inject(at("ok"))
    stopped.await_event("done")
    print(f"started and delivered in {time.monotonic() - start:.3f} s")
    status = Path(f"/proc/{stopped.process.pid}/status").read_text()
    print(re.search(r"VmHWM:.*", status).group())
    assert int(re.search(r"VmHWM:\s*(\d+)", status).group(1)) < 20_000
