"""The scheduler: what becomes of a queue file, whatever the agent, the operator or the disk do."""

import grp
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from scheduler import DOMAIN, age


TODO, DONE, FAILED = b"T", b"+", b"-"


def at(name):
    return f"{name}@{DOMAIN}"


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


def test_failures_are_reported_once(scheduler):
    scheduler.inject(at("ok"), at("fail"), at("nobody-here"))
    (done,) = scheduler.await_event("done")
    ((kind, name, told),) = scheduler.reports()
    assert (kind, name, done["failed"]) == ("failure", done["id"], "2")
    assert told[at("fail")] == "5.2.0 never"
    assert told[at("nobody-here")].startswith("5.1.1")
    assert scheduler.files() == {} and scheduler.notes() == {}


def test_failures_are_reported_while_others_are_put_off(scheduler):
    name = scheduler.inject_named(at("fail"), at("defer"), at("fail2"))
    scheduler.await_event("deferred")
    assert scheduler.marks(name) == [DONE, TODO, DONE]
    assert scheduler.reports() == [
        ("failure", name, {at("fail"): "5.2.0 never", at("fail2"): "5.2.0 never"})
    ]
    scheduler.set("users", "defer:ok\n")
    scheduler.await_event("settings-loaded")
    restart(scheduler)
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("done", id=name)
    assert len(scheduler.reports()) == 1
    assert scheduler.files() == {} and scheduler.notes() == {}


@pytest.mark.parametrize("others", [(), ("defer",)])
def test_report_that_is_put_off(scheduler, others):
    """It is asked for again at the next try, after a restart too, until it is made."""
    scheduler.tell("bounce", "defer")
    name = scheduler.inject_named(at("fail"), *map(at, others))
    scheduler.await_event("deferred", id=name)
    assert scheduler.marks(name)[0] == FAILED
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("deferred", 2, id=name)
    restart(scheduler)
    (scheduler.folder / "agent" / "bounce").unlink()
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("deferred" if others else "done", 3 if others else 1, id=name)
    assert len(scheduler.noted("asked")) == 3
    assert scheduler.reports() == [("failure", name, {at("fail"): "5.2.0 never"})]
    assert not others or scheduler.marks(name) == [DONE, TODO]


def notify(name, letters):
    """A recipient with what RFC 3461's NOTIFY says of him."""
    return f"{at(name)}\0N{letters}"


def test_success_is_reported_to_who_asks(scheduler):
    scheduler.inject(notify("ok", "S"), at("ok2"), notify("slow", "N"), notify("slow2", "FD"))
    scheduler.await_event("done")
    ((kind, _, told),) = scheduler.reports()
    assert (kind, told) == ("success", {at("ok"): "S 2.0.0 delivered"})
    assert scheduler.files() == {} and scheduler.notes() == {}


def test_success_elsewhere(scheduler):
    """What a server with DSN has taken it reports; another one says nothing more."""
    scheduler.inject("relay@far.test\0NS", "pass@far.test\0NSFD", "x@far.test\0NSD", "y@far.test")
    scheduler.await_event("done")
    ((kind, _, told),) = scheduler.reports()
    assert (kind, sorted(told)) == ("success", ["relay@far.test", "x@far.test"])
    assert told["relay@far.test"].startswith("R 2.0.0 taken")


def test_no_success_report_without_a_sender(scheduler):
    scheduler.inject(notify("ok", "S"), sender="")
    scheduler.await_event("done")
    assert scheduler.reports() == []


def test_failure_is_not_reported_to_who_does_not_want_it(scheduler):
    scheduler.inject(notify("fail", "N"), notify("fail2", "SD"), notify("nobody-here", "N"))
    (done,) = scheduler.await_event("done")
    assert (done["failed"], scheduler.reports()) == ("3", [])
    assert scheduler.files() == {} and scheduler.notes() == {}


def test_success_and_failure_and_what_waits(scheduler):
    """Each is told in the try in which it happened, once."""
    name = scheduler.inject_named(notify("ok", "SF"), notify("fail", "SF"), notify("defer", "SF"))
    scheduler.await_event("deferred", id=name)
    assert scheduler.reports() == [("failure", name, {at("fail"): "5.2.0 never"}),
                                   ("success", name, {at("ok"): "S 2.0.0 delivered"})]
    scheduler.set("users", "defer:ok\n")
    scheduler.await_event("settings-loaded")
    restart(scheduler)
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("done", id=name)
    assert scheduler.reports()[2:] == [("success", name, {at("defer"): "S 2.0.0 delivered"})]
    assert scheduler.files() == {} and scheduler.notes() == {}


def test_success_report_that_is_put_off(scheduler):
    """The message is delivered, and stays until its sender was told; not a second time here."""
    scheduler.tell("bounce", "defer")
    name = scheduler.inject_named(notify("ok", "S"))
    scheduler.await_event("deferred", id=name)
    restart(scheduler)
    (scheduler.folder / "agent" / "bounce").unlink()
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("done", id=name)
    assert scheduler.reports() == [("success", name, {at("ok"): "S 2.0.0 delivered"})]
    assert scheduler.recipients() == ["ok"]


def test_success_reporter_that_dies(scheduler):
    """As with a failure: told twice rather than not at all; and not delivered again."""
    scheduler.tell("bounce", "die")
    scheduler.inject(notify("ok", "S"))
    assert scheduler.end() == 111
    (name,) = scheduler.files()
    (scheduler.folder / "agent" / "bounce").unlink()
    scheduler.start()
    scheduler.await_event("done", id=name)
    assert scheduler.reports() == 2 * [("success", name, {at("ok"): "S 2.0.0 delivered"})]
    assert scheduler.recipients() == ["ok"]


def test_success_that_cannot_be_noted(scheduler):
    """It is no reason to deliver once more: the report is lost."""
    (scheduler.queue / "notes").rmdir()
    scheduler.inject(notify("ok", "S"))
    scheduler.await_event("done")
    assert (scheduler.reports(), scheduler.recipients()) == ([], ["ok"])


def test_reporter_that_dies(scheduler):
    """H09: a report whose success the scheduler does not learn of is made again: never none."""
    scheduler.tell("bounce", "die")
    scheduler.inject(at("fail"))
    assert scheduler.end() == 111
    (name,) = scheduler.files()
    assert scheduler.marks(name) == [FAILED]
    (scheduler.folder / "agent" / "bounce").unlink()
    scheduler.start()
    scheduler.await_event("done", id=name)
    assert scheduler.reports() == 2 * [("failure", name, {at("fail"): "5.2.0 never"})]


def test_sigterm_with_a_report_on_its_way(scheduler):
    scheduler.tell("bounce", "silent")
    name = scheduler.inject_named(at("fail"))
    scheduler.wait(lambda: scheduler.noted("asked"), "the question")
    assert scheduler.stop() == 0
    assert scheduler.marks(name) == [FAILED]


def test_failure_that_cannot_be_noted(scheduler):
    """It is put off: no mark without its reason."""
    (scheduler.queue / "notes").rmdir()
    name = scheduler.inject_named(at("fail"), at("ok"), at("defer"))
    scheduler.await_event("deferred")
    assert scheduler.events("not-noted")
    assert scheduler.marks(name) == [TODO, DONE, TODO]
    assert scheduler.reports() == []
    assert scheduler.stop() == 0
    scheduler.start()  # makes the folder
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("deferred", 2, id=name)
    assert scheduler.reports() == [("failure", name, {at("fail"): "5.2.0 never"})]


def test_message_of_an_older_version(stopped):
    """Marked as failed, and without notes: the sender is told, if not why."""
    stopped.start()
    stopped.tell("bounce", "defer")
    name = stopped.inject_named(at("fail"))
    stopped.await_event("deferred")
    stopped.stop()
    (stopped.queue / "notes" / name).unlink()
    (stopped.queue / "notes").rmdir()
    stopped.path(name).rename(stopped.queue / "new" / name)
    (stopped.folder / "agent" / "bounce").unlink()
    stopped.start()
    stopped.await_event("done", id=name)
    assert stopped.reports() == [("failure", name, {at("fail"): None})]


def test_a_sender_for_each_recipient(scheduler):
    """VERP: in both lanes; recipients of one destination are no transaction together."""
    scheduler.inject("a@far.test", at("ok"), "b@far.test", at("ok2"),
                     sender=f"list-owner-@{DOMAIN}-@[]")
    scheduler.await_event("done")
    remote = {(row[3], *row[4]) for row in scheduler.noted("transactions")}
    local = {(sender, recipient) for recipient, sender, _ in scheduler.deliveries()}
    assert remote == {(f"list-owner-{name}=far.test@{DOMAIN}", f"{name}@far.test") for name in "ab"}
    assert local == {(f"list-owner-{name}={DOMAIN}@{DOMAIN}", at(name)) for name in ("ok", "ok2")}


def await_age(scheduler, name, seconds):
    """Until message NAME is older than SECONDS, by its own arrival and in whole seconds."""
    head = scheduler.path(name).read_bytes()
    arrival = int(re.search(rb"@([0-9]+)\0", head).group(1))
    scheduler.wait(lambda: int(time.time()) > arrival + seconds, f"an age of {seconds} s")


def test_lifetime(scheduler):
    """H12: a try after the lifetime is the last; what fails then is reported with its reason."""
    name = scheduler.inject_named(at("fail"), at("defer"), "defer@elsewhere.test", at("ok"))
    scheduler.await_event("deferred")
    scheduler.set("queuelifetime", "0\n")
    scheduler.set("users", "ok\ndefer\n")
    scheduler.await_event("settings-loaded")
    await_age(scheduler, name, 0)
    restart(scheduler)
    assert scheduler.place(name), "no message fails without a try"
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("done", id=name)
    (_, _, told) = scheduler.reports()[1]
    given_up = r"5\.4\.7 given up after [0-9]+ (seconds|hours); the last try said: 4\.2\.0 not now"
    assert set(told) == {at("defer"), "defer@elsewhere.test"}
    assert all(re.match(given_up, text) for text in told.values())
    assert scheduler.recipients() == ["ok"]


def test_lifetime_is_over_but_the_try_succeeds(stopped):
    stopped.set("queuelifetime", "0\n")
    stopped.start()
    stopped.stop()
    name = stopped.inject_named(at("ok"), "someone@elsewhere.test")
    await_age(stopped, name, 0)
    stopped.start()
    stopped.await_event("done", id=name)
    assert stopped.recipients() == ["ok"] and stopped.sent() == ["someone@elsewhere.test"]
    assert stopped.reports() == []


def test_warning_of_a_delay(stopped):
    """Once, of those that wait still, and not for the null sender."""
    stopped.set("delaywarning", "1\n")
    stopped.set("queuelifetime", "86400\n")
    stopped.start()
    name = stopped.inject_named(at("defer"), at("ok"), at("defer2"), notify("defer", "F"),
                                notify("defer", "N"))
    other = stopped.inject_named(at("defer"), sender="")
    stopped.await_event("deferred", 2)
    assert stopped.reports() == []
    await_age(stopped, other, 1)
    stopped.tell("bounce", "defer")
    stopped.process.send_signal(signal.SIGALRM)
    stopped.await_event("deferred", 4)
    assert stopped.noted("asked") == [["delay", name]] and stopped.reports() == []
    (stopped.folder / "agent" / "bounce").unlink()
    for count in (6, 8):
        restart(stopped)
        stopped.process.send_signal(signal.SIGALRM)
        stopped.await_event("deferred", count)
        text = "4.2.0 not now"
        assert stopped.reports() == [("delay", name, {at("defer"): text, at("defer2"): text})]
    stopped.set("users", "defer:fail\ndefer2:ok\n")
    stopped.await_event("settings-loaded")
    restart(stopped)
    stopped.process.send_signal(signal.SIGALRM)
    stopped.await_event("done", 2)
    assert stopped.reports()[1:] in [
        [("failure", one, {at("defer"): "5.2.0 never"}), ("failure", two, {at("defer"): "5.2.0 never"})]
        for one, two in ((name, other), (other, name))
    ]
    assert stopped.notes() == {}


def test_warning_can_be_switched_off(stopped):
    stopped.set("delaywarning", "0\n")
    stopped.start()
    stopped.stop()
    name = stopped.inject_named(at("defer"))
    await_age(stopped, name, 1)
    stopped.start()
    stopped.await_event("deferred", id=name)
    assert stopped.noted("asked") == []


def test_remote_recipients_of_one_destination_go_together(scheduler):
    scheduler.set("smtproutes", "routed.test:[2001:db8::1]:2525\n.below.test:relay.test\n")
    scheduler.await_event("settings-loaded")
    recipients = ["a@One.test", "b@two.test", "c@one.test", "d@x.below.test", "e@y.BELOW.test",
                  "f@routed.test", at("ok"), "g@[192.0.2.1]", "h@two.test"]
    scheduler.inject(*recipients, sender="s@x.test")
    (done,) = scheduler.await_event("done")
    assert done["delivered"] == "9"
    assert {(host, port, way, tuple(names))
            for host, port, way, _, names, _, _ in scheduler.noted("transactions")} == {
        ("one.test", 25, "mx", ("a@One.test", "c@one.test")),
        ("two.test", 25, "mx", ("b@two.test", "h@two.test")),
        ("relay.test", 25, "host", ("d@x.below.test", "e@y.BELOW.test")),
        ("2001:db8::1", 2525, "host", ("f@routed.test",)),
        ("[192.0.2.1]", 25, "mx", ("g@[192.0.2.1]",)),
    }
    assert scheduler.recipients() == ["ok"]
    assert scheduler.files() == {}


def test_recipient_without_a_usable_domain(scheduler):
    scheduler.inject("x@", "y@" + "a" * 300 + ".test", "z@fine.test")
    scheduler.await_event("done")
    ((_, _, told),) = scheduler.reports()
    assert len(told) == 2 and all(text.startswith("5.1.3") for text in told.values())
    assert scheduler.sent() == ["z@fine.test"]


def test_answers_of_one_transaction_differ(scheduler):
    """I13."""
    name = scheduler.inject_named("ok@x.test", "fail@x.test", "defer@x.test", "ok2@x.test")
    scheduler.await_event("deferred")
    assert scheduler.marks(name) == [DONE, DONE, TODO, DONE]
    assert scheduler.reports() == [("failure", name, {"fail@x.test": "5.2.0 never, says x.test"})]
    assert sorted(scheduler.sent()) == ["ok2@x.test", "ok@x.test"]
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.await_event("deferred", 2)
    assert scheduler.transactions()[1:] == [("x.test", ["defer@x.test"])]


def test_a_thousand_recipients_at_fifty_destinations(scheduler):
    """Half of them fail in different ways: one report, each failure in it once, and everyone else
    is served once (H06)."""
    recipients = [f"{'fail' if index % 40 < 20 else 'user'}{index}@d{index % 50}.test"
                  for index in range(1000)]
    scheduler.inject(*recipients)
    scheduler.await_event("done")
    ((_, _, told),) = scheduler.reports()
    failing = [name for name in recipients if name.startswith("fail")]
    assert set(told) == set(failing) and len(scheduler.noted("reports")[0][2]) == len(failing) == 500
    assert Counter(scheduler.sent()) == Counter(set(recipients) - set(failing))
    assert Counter(host for host, _ in scheduler.transactions()) == {
        f"d{index}.test": 1 for index in range(50)
    }


def test_more_recipients_than_the_window_holds(scheduler):
    recipients = [f"user{index}@d{index % 7}.test" for index in range(3000)]
    scheduler.inject(*recipients)
    (done,) = scheduler.await_event("done")
    assert done["delivered"] == "3000"
    assert Counter(scheduler.sent()) == Counter(recipients)


def test_a_transaction_is_bounded(scheduler):
    scheduler.inject(*(f"user{index}@one.test" for index in range(250)))
    scheduler.await_event("done")
    assert [len(names) for _, names in scheduler.transactions()] == [100, 100, 50]
    assert len(set(scheduler.sent())) == 250


def test_one_destination_does_not_hold_up_others(stopped):
    """N18: messages for a dead host have half of the places, and a bound on those that wait does
    not stop local mail nor other hosts."""
    stopped.set("concurrencyremote", "6\n")
    stopped.set("concurrencyqueue", "5\n")
    stopped.start()
    for index in range(40):
        stopped.inject(f"user{index}@hang.test")
    stopped.inject(at("ok"), "first@hang.test", "second@fine.test")
    for index in range(10):
        stopped.inject(f"user{index}@fine.test", at("ok2"))
    stopped.await_event("done", 10)
    stopped.wait(lambda: len(stopped.sent()) == 11, "all that goes elsewhere")
    assert sorted(stopped.recipients()) == ["ok"] + ["ok2"] * 10
    hanging = [names for host, names in stopped.transactions() if host == "hang.test"]
    assert len(hanging) == 3
    stopped.tell("unhang")
    stopped.await_event("done", 51)
    assert len(set(stopped.sent())) == len(stopped.sent()) == 52
    assert stopped.files() == {}


def test_remote_places_that_are_all_taken_do_not_stop_local_mail(stopped):
    stopped.set("concurrencyremote", "2\n")
    stopped.set("concurrencyqueue", "3\n")
    stopped.start()
    for index in range(20):
        stopped.inject(f"user@hang{index}.test", at("ok"))
    stopped.wait(lambda: len(stopped.recipients()) == 20, "local mail")
    stopped.wait(lambda: len(stopped.transactions()) >= 2, "both transactions")
    assert len(stopped.transactions()) == 2
    stopped.tell("unhang")
    stopped.await_event("done", 20)
    assert len(stopped.sent()) == len(set(host for host, _ in stopped.transactions())) == 20


def test_local_places_that_are_all_taken_do_not_stop_remote_mail(stopped):
    stopped.set("concurrencylocal", "1\n")
    stopped.set("concurrencyqueue", "2\n")
    stopped.start()
    stopped.inject(at("held"))
    stopped.await_held()
    for index in range(20):
        stopped.inject(at("ok"), f"user{index}@fine.test")
    stopped.inject("last@fine.test")
    stopped.await_event("done")
    stopped.wait(lambda: len(stopped.sent()) == 21, "remote mail")
    assert stopped.recipients() == []
    stopped.release()
    stopped.await_event("done", 22)


def test_remote_agent_that_dies(scheduler):
    """Nothing is lost, and nobody who was served is served again."""
    scheduler.inject("user@one.test", at("ok"))
    scheduler.await_event("done")
    name = scheduler.inject_named("die@two.test", at("defer"))
    assert scheduler.end() == 111
    assert scheduler.place(name) == "new"
    scheduler.set("locals", "local.test\ntwo.test\n")
    scheduler.set("users", "die:ok\ndefer:ok\n")
    scheduler.start()
    scheduler.await_event("done", id=name)
    assert Counter(scheduler.sent()) == {"user@one.test": 1}


def test_other_kinds_of_local_delivery(stopped):
    """An alias goes to the local agent with its targets, a system user to the launcher."""
    stopped.set("aliases", f"list: a@x.test, b@y.test\nowner-list: boss@{DOMAIN}\n")
    stopped.set("systemusers", "games\n")
    stopped.start()
    stopped.inject(at("list"), at("games-extension"))
    stopped.await_event("done")
    rows = {row[0]: row[3:] for row in stopped.noted("deliveries")}
    assert rows[at("games-extension")] == ["ekiden-launch", "s", "games", "extension"]
    program, kind, targets, owner = rows[at("list")]
    assert (program, kind) == ("ekiden-local", "a")
    assert targets.split("\n") == ["a@x.test", "b@y.test"]
    assert owner == at("owner-list")


def await_agents(scheduler):
    """(program, arguments, status in /proc) of the agents, when all five have begun."""
    return scheduler.wait(lambda: len(rows := scheduler.noted("started")) == 5 and rows,
                          "five agents")


def test_how_agents_are_started(stopped):
    rows = await_agents(stopped.start("-n", "2", "-i", "/run/socket"))
    folder = stopped.folder
    control = f"4:{folder}/control"
    assert sorted([name, *arguments] for name, arguments, _ in rows) == sorted([
        ["ekiden-local", "-C", control, "-m", "3", "-i", "/run/socket"],
        ["ekiden-local", "-C", control, "-m", "3", "-i", "/run/socket"],
        ["ekiden-launch", "-C", control, "-i", "/run/socket",
         "-x", f"{folder}/agent"],
        ["ekiden-remote", "-C", control, "-a"],
        ["ekiden-bounce", "-C", control, "-q", "3"],
    ])


@pytest.mark.root
def test_who_agents_are(stopped, service_users):
    """Each its user, without a capability; but the launcher, which becomes others, keeps just
    that."""
    stopped.user = {}
    users = {"ekiden-local": "ekidenl", "ekiden-remote": "ekidenr", "ekiden-bounce": "ekidenq",
             "ekiden-launch": "root"}
    for name, _, status in await_agents(stopped.start()):
        entry = pwd.getpwnam(users[name])
        kept = 1 << 6 | 1 << 7 if name == "ekiden-launch" else 0  # CAP_SETGID, CAP_SETUID
        assert status["Uid"] == [str(entry.pw_uid)] * 4
        assert status["Gid"] == [str(entry.pw_gid)] * 4
        assert status["Groups"] in ([], [str(entry.pw_gid)])
        for key in ("CapPrm", "CapEff"):
            assert int(status[key][0], 16) == kept, (name, key)
        for key in ("CapInh", "CapAmb"):
            assert int(status[key][0], 16) == 0, (name, key)
        if kept:
            assert int(status["CapBnd"][0], 16) == kept
        else:
            assert status["NoNewPrivs"] == ["1"], name


@pytest.mark.parametrize("name", ["ekiden-local", "ekiden-launch", "ekiden-remote",
                                  "ekiden-bounce"])
def test_agent_that_is_not_installed(stopped, name):
    (stopped.folder / "agent" / name).unlink()
    done = subprocess.run(stopped.command(), capture_output=True, text=True, **stopped.user)
    assert done.returncode == 111
    assert name in done.stderr and "install it" in done.stderr


@pytest.mark.root  # who is not dumpable shows its descriptors to root only
def test_descriptors_are_given_back(scheduler):
    """Of messages, and of the notes that go to the reporter."""

    def held():
        return len(os.listdir(f"/proc/{scheduler.process.pid}/fd"))

    scheduler.inject(at("fail"), "user@one.test", at("ok"))
    scheduler.await_event("done")
    before = held()
    for count in range(2, 8):
        scheduler.inject(at("fail"), "user@one.test", at("ok"))
        scheduler.await_event("done", count)
    scheduler.wait(lambda: held() <= before, "no more descriptors than before")


def test_corrected_control_file_helps_queued_mail(scheduler):
    """And a malformed one changes nothing."""
    name = scheduler.inject_named("ok@defer.test")
    scheduler.await_event("deferred")
    scheduler.set("queuelifetime", "forever\n")
    (event,) = scheduler.await_event("settings-not-loaded")
    assert "queuelifetime:1" in event["error"]
    scheduler.set("locals", "defer.test\nlocal.test\n")
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


KILLER = "1hwq0000000000000000"
KILLER_CAME = 1_700_000_000


def put_old_killer(scheduler):
    """A message to die@ that came long ago, as the injector would have left it."""
    head = b"ekiden1\0@%d\0Ffrom@sender.test\0T%s\0\0" % (KILLER_CAME, at("die").encode())
    body = b"Subject: x\n\nhello\n"
    end = b"\nend %020d %020d f17f4d8ea074a613 b2961a04ee3b4336\n" % (len(head), len(body))
    path = scheduler.folder / KILLER
    path.write_bytes(head + body + end)
    path.chmod(0o666)
    # Not by SIGALRM, and not before the first look at all slots is over: what a death leaves of such
    # a look the next start takes up, and with it what was put off in the meantime.
    cursor = scheduler.queue / "wheel" / "cursor"
    scheduler.wait(lambda: int(cursor.read_text() or 0) > time.time() - 300, "the wheel's first look")
    path.rename(scheduler.queue / "new" / KILLER)
    wake = os.open(scheduler.queue / "wake", os.O_RDWR | os.O_NONBLOCK)
    os.write(wake, f"{KILLER}\n".encode())
    os.close(wake)


@pytest.mark.parametrize("lifetime, mark", [(316_224_000, TODO), (604_800, FAILED)])
def test_message_that_kills_the_agent_is_put_off(stopped, lifetime, mark):
    """Others flow after the first restart; it backs off by the schedule, and expires like any."""
    stopped.set("queuelifetime", f"{lifetime}\n")
    stopped.start()
    put_old_killer(stopped)
    assert stopped.end() == 111
    assert stopped.place(KILLER).startswith("wheel/")
    assert stopped.marks(KILLER) == [mark]
    assert not stopped.events("left", id=KILLER)
    fresh = stopped.inject_named(at("ok"))
    stopped.start()
    stopped.await_event("done", id=fresh)
    assert stopped.process.poll() is None
    assert stopped.place(KILLER).startswith("wheel/")
    if mark == FAILED:
        stopped.process.send_signal(signal.SIGALRM)
        stopped.await_event("done", id=KILLER)
        assert [(kind, name) for kind, name, _ in stopped.reports()] == [("failure", KILLER)]


def test_sigterm_waits_for_what_is_in_flight(scheduler):
    scheduler.inject(at("held"))
    agents = children(scheduler)
    assert len(agents) == 5
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


def test_a_fifo_that_never_gets_empty(stopped):
    """Whatever an injector that was taken over writes there: mail of others is found in new/."""
    stopped.start()
    assert stopped.stop() == 0
    with open(stopped.queue / "wake", "r+b", buffering=0) as fifo:
        with subprocess.Popen(["yes", "0" * 20], stdout=fifo) as flood:
            stopped.wait(lambda: not select.select([], [fifo], [], 0)[1], "a full FIFO")
            stopped.inject(at("ok"))
            stopped.start()
            try:
                stopped.await_event("done")
            finally:
                flood.kill()


def test_garbage_in_the_fifo(scheduler):
    with open(scheduler.queue / "wake", "wb", buffering=0) as wake:
        for line in (b"../../../etc/passwd\n", b"\n", b"\0" * 21 + b"\n", b"x" * 3000 + b"\n",
                     b"a" * 20 + b"\n", b"0" * 19 + b"\n", b"1" * 4000, b"\n"):
            wake.write(line)
    scheduler.inject(at("ok"))
    scheduler.await_event("done")


NOBODY = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid


def make_foreign(folder, tag):
    """What does not belong into FOLDER, of every kind. Returns the names."""
    good = f"1k0tvbq2nyw6fcd{tag:04}"
    (folder / f"README{tag}").write_text("no queue file")
    (folder / (f"{tag:x<255}")).write_text("long")
    (folder / f"evil\nname{tag}").write_text("x")
    (folder / f"{tag}\udcff").write_text("x")
    (folder / f"dangling{tag}").symlink_to("/nowhere")
    (folder / f"hard{tag}").hardlink_to(folder / f"README{tag}")
    (folder / f"{good}0").mkdir()
    (folder / f"{good}0" / "file").write_text("x")
    (folder / f"{good}1").symlink_to("/etc/passwd")
    (folder / f"{good}2").symlink_to(folder)
    os.mkfifo(folder / f"{good}3")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{os.open(folder, os.O_PATH)}/{good}4")
    names = [f"README{tag}", f"{tag:x<255}", f"evil\nname{tag}", f"{tag}\udcff", f"dangling{tag}",
             f"hard{tag}", *(f"{good}{number}" for number in range(5))]  # fmt: skip
    if os.geteuid() == 0:
        os.mknod(folder / f"{good}5", 0o60666, os.makedev(7, 0))
        os.mknod(folder / f"{good}6", 0o20666, os.makedev(1, 5))
        names += [f"{good}5", f"{good}6"]
        for name in names:
            os.lchown(folder / name, *NOBODY)
    return names


def test_foreign_files_are_set_aside(stopped):
    """P22: names that are none, folders, links, FIFOs, sockets and devices, in every folder."""
    stopped.start()
    stopped.stop()
    folders = ("new", "wheel/007", "wheel", "notes", ".")
    names = []
    for tag, folder in enumerate(folders):
        names += make_foreign(stopped.queue / folder, tag)
    (stopped.queue / "bad" / "README0").write_text("was here before")
    (stopped.queue / "wheel/cursor").unlink()  # all slots are read
    (stopped.queue / "wheel/100").rmdir()
    (stopped.queue / "wheel/101").rmdir()
    (stopped.queue / "wheel/101").write_text("no folder")
    stopped.start()
    stopped.inject(at("ok"))
    stopped.await_event("done")
    aside = [*(name for name in names if name != "README0"), "101"]
    bad = stopped.queue / "bad"
    stopped.wait(lambda: set(aside) <= set(os.listdir(bad)), f"{aside} in bad/")
    assert (bad / "README0").read_text() == "was here before"
    (second,) = (name for name in os.listdir(bad) if name.startswith("odd-"))
    assert (bad / second).read_text() == "no queue file"
    assert len(os.listdir(bad)) == len(aside) + 2
    stopped.wait(lambda: (stopped.queue / "wheel/101").is_dir(), "the slot, made anew")
    stopped.wait(lambda: (stopped.queue / "wheel/100").is_dir(), "the slot, made anew")
    assert not stopped.events("ignored")
    assert stopped.stop() == 0
    assert stopped.recipients() == ["ok"]


@pytest.mark.root
def test_what_cannot_be_set_aside_is_left(scheduler):
    """A folder that is root's: it is logged once, and nothing else comes of it."""
    (scheduler.queue / "new" / "of-root").mkdir(mode=0o755)
    for count in (1, 2):
        scheduler.process.send_signal(signal.SIGALRM)
        scheduler.inject(at("ok"))
        scheduler.await_event("done", count)
    scheduler.await_event("ignored")
    assert len(scheduler.events("ignored")) == 1
    assert (scheduler.queue / "new" / "of-root").is_dir()


def test_notes_without_their_message_are_removed(stopped):
    """But not those that may just be looked for at the wrong moment, nor those of held mail."""
    stopped.start()
    name = stopped.inject_named(at("defer"))
    stopped.await_event("deferred")
    stopped.stop()
    held = "1k0tvbq2nyw6fcdkd6ra"
    (stopped.queue / "hold" / held).write_text("whatever it is")
    names = [f"1k0tvbq2nyw6fcdk{number:04}" for number in range(40)]
    for note in (name, held, *names):
        path = stopped.queue / "notes" / note
        path.write_text("\nF 0 5.1.1 no such mailbox here\n")
        age(path, 36 * 3600 + 60)
        if os.geteuid() == 0:
            os.chown(path, *NOBODY)
    age(stopped.queue / "notes" / names[0], 36 * 3600 - 600)
    stopped.start()
    stopped.wait(lambda: stopped.inject(at("ok")) or len(stopped.notes()) == 3, "few notes")
    assert set(stopped.notes()) == {name, held, names[0]}


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
    for name in (fresh, old, locked):
        stopped.path(name).chmod(0o660)  # as while it is written
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


def test_truncated_in_new_is_set_aside(stopped):
    """It was accepted, its mode says."""
    stopped.start()
    stopped.stop()
    names = [damaged(stopped, lambda data, end=end: data[:end]) for end in (0, 50, -90, -1)]
    stopped.start()
    for name in names:
        stopped.await_event("bad", id=name)
        assert stopped.place(name) == "bad"


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
        (scheduler.queue / f"wheel/{slot:03}").chmod(0o555)  # one that is missing is made anew
    name = scheduler.inject_named(at("defer"), at("ok"))
    scheduler.await_event("not-settled", id=name)
    assert scheduler.place(name) == "new"
    assert scheduler.marks(name) == [TODO, DONE]


@pytest.mark.parametrize("others", [(), ("defer2",)])
def test_what_cannot_be_marked_is_not_delivered_again(scheduler, others):
    """A disk that can only be read, as after an error: neither mark nor removal. However often the
    folders are looked through, nobody gets it twice."""
    name = scheduler.inject_named(at("held"), *map(at, others))
    scheduler.await_held()
    scheduler.inject(at("defer"))
    path, new = scheduler.path(name), scheduler.queue / "new"
    path.chmod(0o440)
    new.chmod(0o555)
    for slot in range(512):
        (scheduler.queue / f"wheel/{slot:03}").chmod(0o555)
    scheduler.release()
    scheduler.await_event("not-settled", id=name)
    for count in (2, 3):
        scheduler.process.send_signal(signal.SIGALRM)
        scheduler.await_event("delivery", count, recipient=at("defer"))
    assert scheduler.recipients() == ["held"]
    path.chmod(0o660)
    new.chmod(0o777)
    scheduler.process.send_signal(signal.SIGALRM)
    if others:
        scheduler.wait(lambda: scheduler.marks(name) == [DONE, TODO], "the marks")
    else:
        scheduler.await_event("done", id=name)


def test_message_of_that_name_is_never_replaced(scheduler):
    name = scheduler.inject_named(at("silent"))
    scheduler.kill()
    for slot in range(512):
        (scheduler.queue / f"wheel/{slot:03}" / name).write_text("another")
    now = int(time.time()) // 64
    (scheduler.queue / "wheel/cursor").write_bytes(b"%020d\n" % (now * 64))
    scheduler.set("users", "silent:defer\n")
    scheduler.start()
    scheduler.await_event("not-settled", id=name)
    assert (scheduler.queue / "new" / name).exists()
    assert all((scheduler.queue / f"wheel/{slot:03}" / name).read_text() == "another"
               for slot in range(512) if (slot - now) % 512 > 3)


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
