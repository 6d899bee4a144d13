"""`ekiden queue`: what an operator sees of the queue, and does to it, beside a scheduler or without."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from instance import DOMAIN as INSTANCE_DOMAIN
from instance import PATIENCE, wait_for
from scheduler import DOMAIN

DONE, NOTHING, USAGE, TEMPORARY = 0, 1, 100, 111
CANCELLED = "5.7.1 the operator of this server has cancelled the delivery"
FAR = "far.test"


def at(name):
    return f"{name}@{DOMAIN}"


def peak_memory(command):
    """KiB of a process that prints more than a pipe holds, when it has printed most of it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        process.stdout.read(400_000)
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.stdout.read()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1])


class Tool:
    """The tool on the queue of SCHEDULER."""

    def __init__(self, scheduler):
        self.scheduler = scheduler

    def command(self, *words):
        return [self.scheduler.programs / "ekiden", "queue", "-Q", self.scheduler.queue,
                "-C", self.scheduler.folder / "control", *words]

    def run(self, *words, code=DONE, **options):
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, **options)
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    def say(self, *words, **options):
        return self.run(*words, **options).stdout

    def list(self, *words):
        """id -> object, in order."""
        lines = self.say("list", "--json", *words).splitlines()
        return {item["id"]: item for item in map(json.loads, lines)}

    def states(self, *words):
        return {name: item["state"] for name, item in self.list(*words).items()}


@pytest.fixture
def tool(scheduler):
    return Tool(scheduler)


@pytest.fixture
def alone(stopped):
    """Without a scheduler; but there was one, which made the folders."""
    stopped.start()
    assert stopped.stop() == 0
    return Tool(stopped)


def deferred(scheduler, *recipients, **options):
    """A message that was put off."""
    count = len(scheduler.events("deferred"))
    name = scheduler.inject_named(*recipients or (at("defer"),), **options)
    scheduler.await_event("deferred", count + 1)
    return name


def operations(scheduler):
    return [(event["id"], event["what"], event["outcome"], event["operator"])
            for event in scheduler.events("operation")]


# --- what is shown ---


def test_list_and_select(tool):
    scheduler = tool.scheduler
    first = deferred(scheduler, at("defer"), at("ok"), sender="a@One.test")
    second = deferred(scheduler, f"defer@{FAR}", sender="")
    third = deferred(scheduler, at("defer2"), sender="b@one.test")
    tool.run("hold", third)
    assert list(tool.list()) == [first, second, third]
    item = tool.list()[first]
    assert item["sender"] == "a@One.test" and item["state"] == "deferred"
    assert item["recipients"] == [{"address": at("defer"), "state": "open"},
                                  {"address": at("ok"), "state": "done"}]
    assert item["size"] == len(b"Subject: x\n\nhello\n") and item["due"] > item["arrival"]
    for words, names in (
        (["--sender", "A@one.TEST"], [first]),
        (["--sender", "@one.test"], [first, third]),
        (["--sender", "<>"], [second]),
        (["--rcpt", at("DEFER")], [first]),
        (["--rcpt", at("ok")], []),  # has it already
        (["--rcpt", f"@{DOMAIN}", "--sender", "b@one.test"], [third]),
        (["--domain", "FAR.test"], [second]),
        (["--state", "held"], [third]),
        (["--state", "held", "--state", "deferred", "--sender", "@one.test"], [first, third]),
    ):
        assert list(tool.list(*words)) == names, words
    text = tool.say("list")
    assert "3 messages, " in text and f"    done  {at('ok')}\n" in text and "  held\n" in text
    assert "  <>  deferred, next try " in text
    assert "No message" in tool.say("list", "--domain", "nowhere.test")
    counts = json.loads(tool.say("status", "--json"))
    assert counts == {"new": 0, "deferred": 2, "held": 1, "bad": 0, "paused": [],
                      "scheduler": True}


def test_what_strangers_chose_is_escaped(tool):
    """No control character, and in JSON nothing that is not UTF-8, whatever is in the queue."""
    body = b"Subject: \x1b[31m\xff\xc3\xa9\t\nX-Y: z\n\nsecret \x07\n"
    name = deferred(tool.scheduler, at("defer"), sender="\"q\\ \u00e9\u202e\"@s.test", body=body)
    raw = tool.scheduler.path(name).read_bytes()
    for words in (["list"], ["show", name], ["show", "--message", name]):
        text = tool.say(*words, encoding="ascii")
        assert set(re.findall(r"[^ -~]", text)) == {"\n"}
    assert "Subject: \\x1b[31m\\xff\\xc3\\xa9\\x09\nX-Y: z\n" in text and "secret \\x07\n" in text
    assert "secret" not in tool.say("show", name)
    shown = json.loads(tool.say("show", "--json", name))
    assert shown["sender"] == "\"q\\x5c \u00e9\\xe2\\x80\\xae\"@s.test"
    assert tool.scheduler.path(name).read_bytes() == raw


def test_bytes_that_are_no_characters(alone):
    """What another program has queued: JSON stays JSON, and says which bytes they were."""
    scheduler = alone.scheduler
    envelope = scheduler.folder / "envelope"
    envelope.write_bytes(b"Fa\xff\xed\xa0\x80\xc3\xa9@s.test\0T\xc0\xaf\"\\@x.test\0\0")
    with open(os.devnull) as zero, open(envelope) as one:
        subprocess.run([scheduler.programs / "ekiden-queue", "-Q", scheduler.queue], stdin=zero,
                       stdout=one, check=True, **scheduler.user)
    (item,) = alone.list().values()
    assert item["sender"] == "a\\xff\\xed\\xa0\\x80\u00e9@s.test"
    assert item["recipients"][0]["address"] == "\\xc0\\xaf\"\\x5c@x.test"
    assert "<a\\xff\\xed\\xa0\\x80\\xc3\\xa9@s.test>" in alone.say("list", encoding="ascii")


def test_reasons_are_shown(tool):
    """Of who failed, and of who was put off, the last time; a new scheduler knows it as well."""
    scheduler = tool.scheduler
    scheduler.tell("bounce", "defer")
    name = deferred(scheduler, at("defer"), at("fail"), at("ok"))
    for _ in range(2):
        failed, put_off = json.loads(tool.say("show", "--json", name))["notes"]
        assert failed == {"event": "failed", "recipient": at("fail"), "text": "5.2.0 never"}
        assert abs(put_off.pop("time") - time.time()) < 3600
        assert put_off == {"event": "deferred", "recipient": at("defer"), "text": "4.2.0 not now"}
        text = tool.say("show", name)
        assert f"note  {at('fail')} failed: 5.2.0 never\n" in text
        assert re.search(rf"note  {at('defer')} put off \w\w\w, .*: 4.2.0 not now\n", text)
        scheduler.stop()
        scheduler.start()
    (scheduler.queue / "reasons").write_bytes(b"x" * 9_000_000)
    assert "put off" not in tool.say("show", name)


def test_no_reason_is_no_failure(stopped):
    """What cannot be noted, since no file has that name, is in the log, and mail goes on."""
    stopped.start()
    stopped.stop()
    (stopped.queue / "reasons").unlink()
    (stopped.queue / "reasons").mkdir()
    stopped.start().await_event("reasons-not-kept")
    name = deferred(stopped)
    assert "put off" not in Tool(stopped).say("show", name)


@pytest.mark.parametrize("kind", ["file", "link", "FIFO"])
def test_what_is_no_folder_is_passed_over(alone, kind):
    """A slot that the scheduler would set aside: all the rest is shown and done, and it is named."""
    scheduler = alone.scheduler
    names = [scheduler.inject_named(at("ok")) for _ in range(2)]
    (scheduler.queue / "new" / names[1]).rename(scheduler.queue / "wheel/007" / names[1])
    slot = scheduler.queue / "wheel/006"
    slot.rename(scheduler.folder / "away")
    if kind == "file":
        slot.touch()
    elif kind == "FIFO":
        os.mkfifo(slot)
    else:
        (scheduler.queue / "new" / names[0]).rename(scheduler.folder / "away" / names[0])
        slot.symlink_to(scheduler.folder / "away")
        names = names[1:]
    listed = alone.run("list", "--json")
    assert [json.loads(line)["id"] for line in listed.stdout.splitlines()] == names
    shown = alone.run("status", "--json")
    counts = json.loads(shown.stdout)
    assert counts["new"] + counts["deferred"] == len(names)
    held = alone.run("hold", "--all")
    assert f"{len(names)} message" in held.stdout
    assert {scheduler.place(name) for name in names} == {"hold"}
    for done in (listed, shown, held):
        assert done.stderr.count("wheel/006: is not a folder; passed over") == 1


def test_list_takes_no_memory(alone, sanitized):
    """In order, whichever folders they lie in (tests/unit/test_queue_walk.c has more of them)."""
    scheduler = alone.scheduler
    scheduler.inject(at("ok"))
    (sample,) = scheduler.files()
    blob = scheduler.folder / "blob"
    os.link(scheduler.path(sample), blob)
    names = [f"{sample[:14]}{number:06}" for number in range(3000)]
    for number, name in enumerate(names):
        place = ("new", "hold", f"wheel/{number % 512:03}")[number % 3]
        os.link(blob, scheduler.queue / place / name)
    assert list(alone.list()) == sorted({*names, sample})
    assert sanitized or peak_memory(alone.command("list", "--json")) < 8 << 10
    counts = json.loads(alone.say("status", "--json"))
    assert counts["new"] + counts["deferred"] + counts["held"] == len({*names, sample})


# --- what is done ---


@pytest.fixture(params=["running", "alone"])
def either(request, stopped):
    """The tool beside a scheduler and without one, with one message that was put off."""
    stopped.start()
    tool = Tool(stopped)
    tool.name = deferred(stopped, at("defer"), at("ok"))
    if request.param == "alone":
        assert stopped.stop() == 0
    tool.start = lambda: stopped if stopped.process else stopped.start()
    return tool


def test_hold_and_release(either):
    name, scheduler = either.name, either.scheduler
    assert "1 message held" in either.say("hold", name)
    assert scheduler.place(name) == "hold"
    assert "is held already" in either.run("hold", name, code=NOTHING).stderr
    assert "is held; release it" in either.run("retry", name, code=NOTHING).stderr
    assert "1 message released" in either.say("release", name)
    assert "is not held" in either.run("release", name, code=NOTHING).stderr
    either.start().await_event("deferred", 2, id=name)
    assert scheduler.deliveries() == [(at("ok"), "from@sender.test", b"Subject: x\n\nhello\n")]


def test_retry(either):
    count = len(either.scheduler.events("delivery", id=either.name))
    assert "1 message tried now" in either.say("retry", either.name)
    either.start().await_event("delivery", count + 1, id=either.name)


def test_retry_of_all(either):
    assert "all deferred" in either.say("retry", "--all")
    either.start().await_event("deferred", 2, id=either.name)


def test_drop(either):
    scheduler = either.scheduler
    (scheduler.queue / "notes" / either.name).write_text("\nD 0 4.0.0 later\n")
    if os.geteuid() == 0:
        shutil.chown(scheduler.queue / "notes" / either.name, "nobody", "nogroup")
    assert "1 message dropped" in either.say("drop", either.name)
    assert scheduler.files() == {} and scheduler.notes() == {}
    assert "is not in the queue" in either.run("drop", either.name, code=NOTHING).stderr


@pytest.mark.parametrize("held", [False, True])
def test_bounce(either, held):
    """One report, on who had not got it."""
    name, scheduler = either.name, either.scheduler
    if held:
        either.run("hold", name)
    assert "1 message given up" in either.say("bounce", name)
    either.start().await_event("done", id=name)
    assert scheduler.reports() == [("failure", name, {at("defer"): CANCELLED})]
    assert scheduler.files() == {}


def test_log_says_who(tool):
    name = deferred(tool.scheduler)
    tool.run("hold", name)
    tool.run("drop", name)
    who = str(os.geteuid())
    assert operations(tool.scheduler) == [(name, "hold", "done", who), (name, "drop", "done", who)]


def test_selections(tool):
    """By sender, recipient, domain and state; all of it only when that is said twice."""
    scheduler = tool.scheduler
    names = [deferred(scheduler, at(f"defer{number}"), f"defer@{number}.{FAR}",
                      sender=f"s@{number % 2}.test") for number in range(4)]
    assert "2 messages held" in tool.say("hold", "--sender", "@0.test")
    assert set(tool.list("--state", "held")) == {names[0], names[2]}
    assert "1 message dropped" in tool.say("drop", "--domain", f"2.{FAR}")
    assert "nothing was done" in tool.say("drop", "--domain", f"2.{FAR}")
    assert "1 message released" in tool.say("release", "--all")
    assert "--yes" in tool.run("drop", "--all", code=USAGE).stderr
    assert "--yes" in tool.run("bounce", "--all", code=USAGE).stderr
    assert len(tool.list()) == 3
    for words in (["drop"], ["drop", "--all", names[0]], ["hold", "x"], ["list", "x"],
                  ["drop", "--sender", ""], ["drop", "--state", "odd", "--yes"], ["frob"],
                  ["hold", "--json", names[0]], ["show"], [], ["pause"], ["pause", "x"]):
        tool.run(*words, code=USAGE)
    assert "3 messages dropped" in tool.say("drop", "--all", "--yes")
    assert tool.list() == {}


def on_a_terminal(command, answer):
    """The exit code of COMMAND, and what it shows to somebody who types ANSWER."""
    ours, theirs = os.openpty()
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        os.write(ours, answer)
        shown = b""
        try:
            while piece := os.read(ours, 1000):
                shown += piece
        except OSError:  # EIO: nobody has the other end any more
            pass
        os.close(ours)
        return process.wait(PATIENCE), shown.decode()


def test_an_operator_is_asked(alone):
    alone.scheduler.inject(at("ok"))
    for answer, code, left in ((b"y\n", USAGE, 1), (b"\n", USAGE, 1), (b"yes\n", DONE, 0)):
        found, shown = on_a_terminal(alone.command("drop", "--all"), answer)
        assert found == code and "drop every message" in shown, shown
        assert len(alone.list()) == left


# --- beside deliveries ---


def test_operations_wait_for_what_is_under_way(tool):
    """Nothing more is handed out; what is in an agent's hands counts as it ends."""
    scheduler = tool.scheduler
    recipients = [at("held"), at("defer")]
    name = scheduler.inject_named(*recipients)
    scheduler.await_held()
    assert "1 message noted" in tool.say("hold", name)
    assert scheduler.place(name) == "new"
    assert "1 message noted" in tool.say("bounce", name)  # the last word counts
    scheduler.release()
    scheduler.await_event("done", id=name)
    assert at("held") in [row[0] for row in scheduler.deliveries()]
    assert scheduler.reports()[0][2] == {at("defer"): CANCELLED}
    assert len(scheduler.reports()) == 1
    outcomes = [(what, outcome) for _, what, outcome, _ in operations(scheduler)]
    assert outcomes == [("hold", "waits"), ("bounce", "waits"), ("bounce", "done")]


def test_what_was_delivered_meanwhile_is_not_held(tool):
    scheduler = tool.scheduler
    name = scheduler.inject_named(at("held"))
    scheduler.await_held()
    assert "1 message noted" in tool.say("hold", name)
    scheduler.release()
    scheduler.await_event("done", id=name)
    assert not scheduler.files()
    scheduler.wait(lambda: len(operations(scheduler)) == 2, "what became of the operation")
    outcomes = [(what, outcome) for _, what, outcome, _ in operations(scheduler)]
    assert outcomes == [("hold", "waits"), ("hold", "gone")]


def test_drop_under_way(tool):
    scheduler = tool.scheduler
    name = scheduler.inject_named(at("held"), *[at("ok")] * 3)
    scheduler.await_held()
    tool.run("drop", name)
    scheduler.release()
    scheduler.wait(lambda: not scheduler.files(), "the drop")


def test_what_was_noted_outlives_the_scheduler(tool):
    """It is killed over deliveries: the next one does what was promised, before it tries anything."""
    scheduler = tool.scheduler
    address = {what: f"{what}@hang.{FAR}" for what in ("hold", "drop", "bounce", "again", "alone")}
    names = {what: scheduler.inject_named(address[what]) for what in address}
    scheduler.wait(lambda: len(scheduler.transactions()) == len(names), "the transactions")
    for what, name in names.items():
        assert "1 message noted" in tool.say(what if what in ("drop", "bounce") else "hold", name)
    assert "1 message noted" in tool.say("release", names["again"])
    before = len(operations(scheduler))
    scheduler.kill()
    assert "1 message dropped" in tool.say("drop", names["alone"])  # a later word
    scheduler.start()
    scheduler.wait(lambda: len(scheduler.transactions()) == len(names) + 1, "what was released")
    scheduler.wait(scheduler.reports, "the report")
    assert scheduler.transactions()[-1][1] == [address["again"]]
    assert scheduler.place(names["hold"]) == "hold"
    (report,) = scheduler.reports()
    assert report[2] == {address["bounce"]: f"{CANCELLED}; it may have been under way and have succeeded"}
    scheduler.wait(lambda: sorted(scheduler.files()) == sorted((names["hold"], names["again"])),
                   "the drop, and the message that was reported")
    assert not os.listdir(scheduler.queue / "asked")
    assert {row[:3] for row in operations(scheduler)[before:]} == {
        (names[what], done, "done") for what, done in
        (("hold", "hold"), ("drop", "drop"), ("bounce", "bounce"), ("again", "retry"))}
    assert {row[3] for row in operations(scheduler)} == {str(os.geteuid())}


def test_what_cannot_be_noted_is_refused(tool):
    """Nothing is promised then, and the deliveries go on."""
    scheduler = tool.scheduler
    name = scheduler.inject_named(f"x@hang.{FAR}")
    scheduler.wait(scheduler.transactions, "the transaction")
    (scheduler.queue / "asked").rename(scheduler.queue / ".away")
    assert "cannot be written down" in tool.run("drop", name, code=TEMPORARY).stderr
    scheduler.tell("unhang")
    scheduler.inject(f"y@hang.{FAR}")
    scheduler.wait(lambda: not scheduler.files(), "the deliveries")
    scheduler.kill()
    (scheduler.queue / ".away").rename(scheduler.queue / "asked")
    (scheduler.queue / "asked" / name).write_text("")  # cut short, with the machine
    (scheduler.queue / "asked" / "else").write_text("")
    scheduler.start()
    scheduler.wait(lambda: scheduler.files() == {"else": "bad"}, "what is set aside")
    assert not os.listdir(scheduler.queue / "asked")


@pytest.mark.parametrize("what, place", [("hold", "hold"), ("bounce", None), ("retry", "wheel")])
def test_what_cannot_be_marked_waits(tool, what, place):
    """Moved without its marks it would be delivered again; and so would what is let go."""
    scheduler = tool.scheduler
    name = scheduler.inject_named(at("held"), at("defer"))
    scheduler.await_held()
    path = scheduler.path(name)
    path.chmod(0o440)
    tool.say("hold" if what == "retry" else what, name)
    if what == "retry":
        assert "1 message noted" in tool.say("release", name)
    scheduler.release()
    scheduler.await_event("not-marked", id=name)
    assert "1 message noted" in tool.say("hold" if what == "retry" else what, name)
    if what == "retry":
        assert "1 message noted" in tool.say("release", name)
    assert os.listdir(scheduler.queue / "asked") == [name]
    scheduler.process.send_signal(signal.SIGALRM)
    scheduler.inject(at("ok"))
    scheduler.await_event("done")
    assert scheduler.path(name) == path
    path.chmod(0o660)
    scheduler.process.send_signal(signal.SIGALRM)
    if place:
        scheduler.wait(lambda: (scheduler.place(name) or "").startswith(place), "the operation")
        assert scheduler.marks(name) == [b"+", b"T"]
    else:
        scheduler.await_event("done", id=name)
        assert scheduler.reports()[0][2] == {at("defer"): CANCELLED}
    assert [row[0] for row in scheduler.deliveries()].count(at("held")) == 1
    scheduler.wait(lambda: not os.listdir(scheduler.queue / "asked"), "what is forgotten")


def test_waiting_messages_are_changed_at_once(stopped):
    """Those that wait for a place are in nobody's hands, however many there are."""
    stopped.set("concurrencyremote", "2\n")
    stopped.start()
    tool = Tool(stopped)
    for number in range(30):
        stopped.inject(f"x@hang.{FAR}", sender=f"s@{number % 3}.test")
    stopped.wait(lambda: stopped.transactions(), "the first transaction")
    answer = tool.say("hold", "--sender", "@1.test")
    noted = int((re.search(r"(\d+) messages? noted", answer) or [0, 0])[1])
    assert noted <= 2 and f"{10 - noted} messages held" in answer
    assert len(tool.list("--state", "held")) == 10 - noted
    answer = tool.say("bounce", "--sender", "@2.test")
    noted = int((re.search(r"(\d+) messages? noted", answer) or [0, 0])[1])
    stopped.wait(lambda: len(stopped.reports()) == 10 - noted, "the reports")


def test_a_message_that_has_gone_is_no_error(tool):
    scheduler = tool.scheduler
    name = deferred(scheduler)
    with connect(scheduler) as client:
        client.send(request("d", name))
        assert client.recv(300) == f"K{name}\0\0".encode()
        client.send(request("d", name))
        assert client.recv(300) == f"G{name}\0\0".encode()


# --- the socket ---


def connect(scheduler):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    folder = os.open(scheduler.queue, os.O_RDONLY)
    client.connect(f"/proc/self/fd/{folder}/control")
    os.close(folder)
    client.settimeout(PATIENCE)
    return client


def request(letter, name, place=""):
    return "\0".join((letter, name, place, "")).encode()


def test_a_stuck_client_holds_up_nobody(tool):
    """Clients that ask and never read, that say nothing, that talk rubbish: mail and tool go on."""
    scheduler = tool.scheduler
    name = deferred(scheduler)
    clients = [connect(scheduler) for _ in range(12)]
    clients[-1].settimeout(0)  # the first ones had to make room
    with pytest.raises(BlockingIOError):
        while True:
            clients[-1].send(request("r", "0" * 20))
    for rubbish in (b"x", b"h\0", b"h\0../../../../etc/passwd\0\0", b"d" * 200, b"d" * 5000,
                    request("h", name, "512"), request("h", name, "-1"), request("z", name),
                    request("h", name, "wheel/1"), request("h", name) + b"x"):
        with connect(scheduler) as client:
            try:
                client.send(rubbish)
                assert client.recv(300) == b""
            except (BrokenPipeError, ConnectionResetError):
                pass
    scheduler.inject(at("ok"))
    scheduler.await_event("done")
    assert "1 message held" in tool.say("hold", name)
    assert scheduler.place(name) == "hold"
    for client in clients:
        client.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed")
def test_other_users_may_nothing(tool):
    scheduler = tool.scheduler
    name = deferred(scheduler)
    daemon = {"user": "daemon", "group": "daemon", "extra_groups": []}
    (scheduler.folder / "control").chmod(0o755)
    for words in (["list"], ["drop", name], ["pause", "remote"]):
        done = tool.run(*words, code=TEMPORARY, **daemon)
        assert name not in done.stdout and "denied" in done.stderr
    assert (scheduler.queue / "control").stat().st_mode & 0o777 == 0o600
    (scheduler.queue / "control").chmod(0o666)  # as after a careless copy
    scheduler.queue.chmod(0o777)
    script = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET);"
              "s.connect(sys.argv[1]); s.settimeout(60);"
              "sys.exit(0 if s.recv(9) == b'' else 1)")
    subprocess.run([sys.executable, "-c", script, scheduler.queue / "control"], check=True,
                   **daemon)
    scheduler.await_event("operator-refused")


def test_a_scheduler_that_starts_gets_the_lock(alone):
    """The tool has it for one operation at a time, however many it has to do."""
    scheduler = alone.scheduler
    scheduler.inject(at("ok"))
    (name,) = scheduler.files()
    content = scheduler.path(name).read_bytes()
    for number in range(3000):
        (scheduler.queue / "hold" / f"{name[:14]}{number:06}").write_bytes(content)
    with subprocess.Popen(alone.command("release", "--state", "held"), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as process:
        scheduler.wait(lambda: len(os.listdir(scheduler.queue / "new")) > 50, "the first ones")
        scheduler.start()
        assert "3000 messages released" in process.stdout.read()
    assert process.returncode == DONE
    scheduler.wait(lambda: not scheduler.files(), "their delivery")
    assert 0 < len(scheduler.events("operation")) < 3000  # some by the tool, some by the scheduler


# --- what does not belong there ---


def test_damaged_and_foreign_files(tool):
    """Bad messages are shown as such, and can be dropped; all else is left alone."""
    scheduler = tool.scheduler
    good = deferred(scheduler)
    names = [good[:-1] + letter for letter in "0123456789" if not good.endswith(letter)]
    content = scheduler.path(good).read_bytes()
    user = (lambda path: shutil.chown(path, "nobody", "nogroup")) if os.geteuid() == 0 else id
    place = scheduler.path(good).parent
    for name, path, data in ((names[0], "bad", b"rubbish"), (names[1], "hold", content[:-40]),
                             (names[2], "hold", content.replace(b"defer", b"refed")),
                             (names[3], "hold", b"")):
        (scheduler.queue / path / name).write_bytes(data)
        user(scheduler.queue / path / name)
    (place / names[4]).symlink_to("/etc/passwd")
    os.mkfifo(place / names[5])
    (scheduler.queue / "hold" / names[6]).mkdir()
    (scheduler.queue / "hold" / "notes.txt").write_text("not a message")
    (scheduler.queue / "bad" / "-rf").write_text("not a message")
    assert tool.states() == {good: "deferred", **{name: "bad" for name in names[:4]}}
    assert json.loads(tool.say("show", "--json", names[0])) == {
        "id": names[0], "state": "bad", "arrival": tool.list()[names[0]]["arrival"],
        "size": len(b"rubbish"), "notes": []}
    tool.run("show", names[4], code=NOTHING)
    for name in names[1:4]:
        assert "damaged" in tool.run("release", name, code=TEMPORARY).stderr
        assert "damaged" in tool.run("bounce", name, code=TEMPORARY).stderr
    assert "bad/" in tool.run("release", names[0], code=NOTHING).stderr
    for name in names[4:7]:
        assert "is not a file" in tool.run("drop", name, code=NOTHING).stderr
    # All that beside live traffic (L05).
    for _ in range(5):
        scheduler.inject(at("ok"), at("slow"))
        assert {"bad"} == set(tool.states("--state", "bad").values())
        tool.run("show", "--message", *tool.list("--state", "bad"))
        tool.run("hold", "--rcpt", "nobody@nowhere.test")
    scheduler.await_event("done", 5)
    assert "1 message dropped" in tool.say("drop", "--all", "--yes")
    assert "4 messages dropped" in tool.say("drop", "--state", "bad", "--yes", "--all")
    assert tool.list() == {}
    assert set(scheduler.files()) == {*names[4:7], "notes.txt", "-rf"}


def test_a_message_that_is_being_written_is_left_alone(alone):
    """Its writer would answer 250 for what is gone."""
    scheduler = alone.scheduler
    scheduler.inject(at("ok"))
    (name,) = scheduler.files()
    with open(scheduler.path(name)) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert alone.list() == {}
        for word in ("drop", "hold", "bounce"):
            assert "being written" in alone.run(word, name, code=NOTHING).stderr
    assert alone.states() == {name: "new"}


# --- pauses ---


def test_pause_of_a_lane(tool):
    """What is for the other lane is delivered; the rest comes at the end of the pause, and at once."""
    scheduler = tool.scheduler
    assert tool.say("pause", "remote") == "paused: remote\n"
    scheduler.await_event("settings-loaded")
    name = scheduler.inject_named(at("ok"), f"x@{FAR}", at("fail"))
    scheduler.await_event("paused", id=name)
    assert scheduler.recipients() == ["ok"] and scheduler.transactions() == []
    assert [told for _, _, told in scheduler.reports()] == [{at("fail"): "5.2.0 never"}]
    assert "due now" in tool.say("list")
    assert json.loads(tool.say("status", "--json"))["paused"] == ["remote"]
    tool.run("retry", name)  # is tried as far as that goes
    scheduler.await_event("paused", 2, id=name)
    assert tool.say("pause", "local") == "paused: local remote\n"
    scheduler.await_event("settings-loaded", 2)
    other = scheduler.inject_named(at("ok2"))
    scheduler.await_event("paused", id=other)
    assert tool.say("resume", "remote") == "paused: local\n"
    scheduler.await_event("done", id=name)
    assert scheduler.sent() == [f"x@{FAR}"]
    assert scheduler.recipients() == ["ok"]
    assert tool.say("resume", "all") == "nothing is paused\n"
    scheduler.await_event("done", id=other)
    assert scheduler.files() == {}


def test_a_pause_survives_restarts(alone):
    """It is a control file; and what waits is found by whoever starts after its end."""
    scheduler = alone.scheduler
    alone.run("pause", "remote", "local")
    scheduler.start()
    names = [scheduler.inject_named(f"x@{FAR}"), scheduler.inject_named(at("ok"))]
    for name in names:
        scheduler.await_event("paused", id=name)
    scheduler.kill()
    scheduler.start()
    for name in names:
        scheduler.await_event("paused", 2, id=name)
    assert scheduler.stop() == 0
    alone.run("resume", "all")
    scheduler.start()
    for name in names:
        scheduler.await_event("done", id=name)


def cpu_ticks(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_pause_of_much_mail(stopped):
    """More than can be active: none of it is, the other lane goes on, and nothing spins."""
    count = 3100
    tool = Tool(stopped)
    tool.run("pause", "remote")
    stopped.start()
    first = stopped.inject_named(f"x@{FAR}")
    stopped.await_event("paused", id=first)
    content = stopped.path(first).read_bytes()
    assert stopped.stop() == 0
    blob = stopped.folder / "blob"
    blob.write_bytes(content)
    for number in range(count):
        os.link(blob, stopped.queue / "new" / f"{first[:14]}{number:06}")
    stopped.start()
    stopped.inject(at("ok"))
    stopped.await_event("done")
    stopped.await_event("paused", count)
    if os.geteuid() == 0:  # it is not dumpable
        assert len(os.listdir(f"/proc/{stopped.process.pid}/fd")) < 100
    before = cpu_ticks(stopped.process)
    time.sleep(0.5)
    assert cpu_ticks(stopped.process) - before < 25
    assert len(stopped.files()) == count + 1
    tool.run("drop", "--rcpt", f"x@{FAR}")
    assert stopped.files() == {}
    tool.run("resume", "remote")
    stopped.inject(f"y@{FAR}")
    stopped.wait(lambda: stopped.sent() == [f"y@{FAR}"], "the mail after the pause")


def queue_of(instance, *words):
    """The tool as an operator of INSTANCE runs it. What it prints."""
    command = instance.command("ekiden", "queue", "-C", instance.control, "-Q", instance.queue,
                               *words)
    return subprocess.run(command, check=True, capture_output=True, text=True,
                          timeout=PATIENCE).stdout


def submit(instance):
    line = instance.command("ekiden-inject", "-f", f"s@{INSTANCE_DOMAIN}", f"alice@{INSTANCE_DOMAIN}")
    socket_path = instance.queue.parent / "inject"
    environment = {**os.environ, "EKIDEN_INJECT": str(socket_path),
                   "EKIDEN_CONTROL": str(instance.control)}
    return subprocess.run(line, input=b"Subject: x\n\nx\n", timeout=PATIENCE, check=False,
                          capture_output=True, env=environment)


def test_pause_of_intake(instance):
    """By SMTP at MAIL, in sessions that are older as well; of users of this machine too."""
    with instance.session() as old:
        old.command("EHLO client.test")
        queue_of(instance, "pause", "intake")

        def is_refused():
            answer = old.command("MAIL FROM:<s@sender.test>")
            if answer.code == 250:
                assert old.command("RSET").code == 250
            return answer.code == 452 and answer.enhanced == "4.3.2"

        wait_for(is_refused, PATIENCE, "the pause")
        wait_for(lambda: submit(instance).returncode != 0, PATIENCE, "the pause of local mail")
        refused = submit(instance)
        assert refused.returncode == 111 and b"4.3.2" in refused.stderr
        assert instance.queue_files() == []
        queue_of(instance, "resume", "intake")
        wait_for(lambda: not is_refused(), PATIENCE, "the end of the pause")
    wait_for(lambda: submit(instance).returncode == 0, PATIENCE, "local mail after the pause")
    instance.send(b"Subject: y\n\ny\n")
    instance.wait_for_mail("alice", 2)
