"""Greylisting and limits, asked of ekiden-judge as a session asks; and what may become of its store."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import BUILD, IS_ROOT, is_sanitized
from instance import DOMAIN, SENDER, wait_for
from judge import Judge

ALICE = f"alice@{DOMAIN}"
GREYLIST = {"greylist": "delay 300\n"}
PAGE = 4096


@pytest.fixture
def state(scratch):
    """A state folder that the judge's user can write to, whoever that is here."""
    whole = Path(tempfile.mkdtemp(dir=scratch))
    whole.chmod(0o755)
    folder = whole / "state"
    folder.mkdir()
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(whole)


@pytest.fixture
def judge(state):
    """Makes judges that share a state folder: one a session."""
    count = 0

    def make(control, *arguments):
        nonlocal count
        count += 1
        folder = state.parent / f"judge{count}"
        folder.mkdir()
        return Judge(BUILD, folder, control, arguments=("-S", str(state), *arguments))

    return make


def open_to_all(folder):
    """For the next judge, which may be another user."""
    for path in folder.iterdir():
        path.chmod(0o666)


def ask(session, recipient="user@local.example", spf="", sender="sender@remote.example",
        client="192.0.2.1"):
    """One session's finding about a recipient."""
    session.ask("N", client)
    session.ask("M", sender)
    (finding,) = session.ask("R", recipient, spf)
    assert finding.rule == "greylist"
    return finding


def test_deferred_then_known(judge):
    """A second session passes when the delay is over; the third is known."""
    control = {"greylist": "delay 1\n"}
    with judge(control) as session:
        first = ask(session)
        assert (first.verdict, first.number, first.status) == ("d", 451, "4.7.1")
        assert "try again in 1 second" in first.text and first.place == "greylist:1"
    with judge(control) as session:
        wait_for(lambda: ask(session, sender="Sender+x@remote.example", client="192.0.2.200")
                 .verdict == "-", what="the end of the delay")
    with judge(control) as session:
        assert ask(session).text == "known"
        assert ask(session, client="192.0.3.1").verdict == "d"
        assert ask(session, client="2001:db8::1").verdict == "d"
        assert ask(session, sender="").verdict == "d"
        assert ask(session, recipient="other@local.example").verdict == "d"


def test_a_network_that_has_earned_it(judge):
    control = {"greylist": "delay 1\nallowance 2\n"}
    recipients = [f"user{number}@local.example" for number in range(2)]
    with judge(control) as session:
        for recipient in recipients:
            wait_for(lambda name=recipient: ask(session, name, client="2001:db8:0:7::1").verdict
                     == "-", what="the end of the delay")
        found = ask(session, "new@local.example", client="2001:db8:0:7:8::1")
        assert (found.verdict, found.text, found.place) == ("-", "network", "greylist:2")
        assert ask(session, "new@local.example", client="2001:db8:0:8::1").verdict == "d"


def test_spf_pass(judge):
    with judge({"greylist": "spf 1\n"}) as session:
        assert ask(session, spf="pass").text == "spf"
        assert ask(session, spf="none").verdict == "d"
    with judge(GREYLIST) as session:
        assert ask(session, spf="pass").verdict == "d"


def test_explain_changes_nothing(judge, state):
    with judge(GREYLIST, "-n") as session:
        assert ask(session).verdict == "d"
    assert not list(state.iterdir())
    with judge(GREYLIST) as session:
        assert ask(session, "other@local.example").verdict == "d"
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    with judge({**GREYLIST, "limits": "connections 1/d\n"}, "-n") as session:
        for _ in range(3):
            (limits,) = session.ask("N", "192.0.2.1")
            assert limits.verdict == "-" and limits.trail == "1 of 1 connections left"
            assert session.ask("R", "user@local.example", "")[0].verdict == "d"
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before


@pytest.mark.parametrize(
    "line, letter, fields, number, status",
    [
        ("connections 3/d", "N", ["192.0.2.1"], 421, "4.7.0"),
        ("messages 3/d", "D", ["1"], 450, "4.7.1"),
        ("recipients 3/d", "R", ["user@local.example", ""], 450, "4.7.1"),
        ("unknown 3/d", "U", ["nobody@local.example"], 421, "4.7.0"),
    ],
)
def test_limits(judge, line, letter, fields, number, status):
    """Across sessions; each address for itself."""
    control = {"limits": f"# ours\n{line}\n198.51.100.0/24 {line}\n"}
    verdicts = []
    for _ in range(4):
        with judge(control) as session:
            if letter != "N":
                session.ask("N", "192.0.2.1")
            (found,) = session.ask(letter, *fields)
            verdicts.append(found.verdict)
            assert found.place == "limits:2"
    assert "".join(verdicts) == "---d"
    assert (found.number, found.status) == (number, status)
    assert "please try again in" in found.text
    with judge(control) as session:
        session.ask("N", "2001:db8::1")
        assert session.ask(letter, *fields)[0].verdict == "-" or letter == "N"
    others = []
    for last in range(4):
        with judge(control) as session:
            found = session.ask("N", f"198.51.100.{last}")
            if letter != "N":
                found = session.ask(letter, *fields)
            others.append(found[0].verdict)
            assert found[0].place == "limits:3"
    assert "".join(others) == "---d"


def test_over_a_limit_nobody_begins_to_wait(judge):
    with judge({**GREYLIST, "limits": "recipients 1/d\n"}) as session:
        session.ask("N", "192.0.2.1")
        first = session.ask("R", "user@local.example", "")
        assert [finding.rule for finding in first] == ["limits", "greylist"]
        second = session.ask("R", "user@local.example", "")
        assert [finding.rule for finding in second] == ["limits"]


@pytest.mark.parametrize("name, text, message", [
    ("greylist", "delay 5\ndelay 6\n", "greylist:2: expected each value once"),
    ("greylist", "window soon\n", "greylist:1: expected window DURATION"),
    ("limits", "messages 5/h\nmesages 5/h\n", "limits:2: expected [ipv4/N"),
])
def test_what_is_wrong_is_said_before_it_counts(make_instance, name, text, message):
    instance = make_instance(control={name: text}, start=False)
    done = subprocess.run(
        instance.command("ekiden-smtpd", "-C", instance.control, "-Q", instance.queue, "-t"),
        capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode != 0
    assert message in done.stderr, done.stderr


def test_killed_writers(state):
    """What anybody was told is so, and each page of the files is used once or free once."""
    done = subprocess.run([BUILD / "tests" / "greylist_store", state, "10000", "8", "400"],
                          capture_output=True, text=True, timeout=300)
    values = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(values["kills"]) > 0 and values["missing"] == values["wrong"] == "0"


def test_killed_with_its_lock(judge, state):
    """A judge that is stopped keeps its lock, and others go on without; killed, it has none."""
    with judge(GREYLIST) as session:
        assert ask(session).verdict == "d"
    holder = subprocess.Popen(
        ["/usr/bin/python3", "-c",
         "import fcntl, os, struct, sys, time\n"
         "file = os.open(sys.argv[1], os.O_RDWR)\n"
         "fcntl.fcntl(file, 37, struct.pack('hhqqi4x', 1, 0, 0, 1, 0))\n"  # F_OFD_SETLK, a byte
         "print('held', flush=True)\n"
         "sys.stdin.read()\n", state / "lock"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with judge(GREYLIST) as session:
            found = ask(session)
            assert found.verdict == "?" and "event=store-failed" in session.log()
            assert ask(session).verdict == "?"
            assert session.log().count("store-failed") == 1
        holder.send_signal(signal.SIGKILL)
        holder.wait(60)
        with judge(GREYLIST) as session:
            assert ask(session).verdict == "d"
    finally:
        holder.kill()
        holder.communicate()


def fill(judge, state):
    with judge(GREYLIST) as session:
        session.ask("N", "192.0.2.1")
        session.ask("M", "sender@remote.example")
        for number in range(400):
            assert session.ask("R", f"user{number}@local.example", "")[0].verdict == "d"
    open_to_all(state)


def use(judge):
    """One session with a store that may be damaged. True when it went well."""
    session = judge(GREYLIST)
    try:
        verdicts = {ask(session, f"user{number}@local.example").verdict
                    for number in range(0, 400, 25)}
    except (AssertionError, OSError):
        return False  # it ended: its heap was broken
    finally:
        session.socket.close()
        code = session.process.wait(60)
    assert code in (0, 111), session.log()
    assert verdicts <= {"d", "-", "?"}
    return code == 0 and "?" not in verdicts


def test_damaged_at_each_page(judge, state):
    """Set aside, logged, and at the latest the third session has one again."""
    if is_sanitized():
        pytest.skip("LMDB does what a page says; where that is survived a sanitizer ends it")
    fill(judge, state)
    names = ["kept", next(path.name for path in state.iterdir() if path.name.startswith("recent"))]
    saved = {name: (state / name).read_bytes() for name in names}
    assert len(saved[names[1]]) > 8 * PAGE
    for name in names:
        for place in range(0, len(saved[name]), PAGE):
            damaged = bytearray(saved[name])
            damaged[place : place + PAGE] = os.urandom(PAGE)
            for other in state.iterdir():
                if other.name != "lock":
                    other.unlink()
            for whole in names:
                (state / whole).write_bytes(damaged if whole == name else saved[whole])
            open_to_all(state)
            assert any(use(judge) for _ in range(3)), (name, place)


@pytest.mark.parametrize("kind", ["foreign", "link", "fifo", "empty"])
def test_something_else_in_its_place(judge, state, kind):
    outside = state.parent / "outside"
    path = state / "kept"
    if kind == "foreign":
        path.write_bytes(b"SQLite format 3\0" * 1000)
    elif kind == "link":
        path.symlink_to(outside)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.touch()
    if kind != "link":
        path.chmod(0o666)
    with judge(GREYLIST) as session:
        assert ask(session).verdict == "d"
        assert ("event=store-damaged" in session.log()) == (kind != "empty")
    assert not outside.exists()
    assert (state / "kept.bad").exists() or (state / "kept.bad").is_symlink() or kind == "empty"


def test_no_room(judge, state):
    """A full disk: mail is let in, and it is said once a session."""
    if not IS_ROOT:
        pytest.skip("needs a small file system of its own")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=777", "none", state])
    if mounted.returncode:
        pytest.skip("nothing may be mounted here")
    try:
        with judge(GREYLIST) as session:
            verdicts = [ask(session, f"user{number}@local.example").verdict
                        for number in range(3000)]
            assert verdicts[0] in "d?" and verdicts[-1] == "?"
            assert session.log().count("store-failed") == 1
            assert "No space left" in session.log()
    finally:
        subprocess.run(["umount", state], check=True)


def test_no_folder(judge, state):
    state.chmod(0o000 if not IS_ROOT else 0o700)  # root's judge is another user
    try:
        with judge({**GREYLIST, "limits": "recipients 5/h\n"}) as session:
            session.ask("N", "192.0.2.1")
            found = session.ask("R", "user@local.example", "")
            assert [(one.rule, one.verdict) for one in found] == [("limits", "?"),
                                                                  ("greylist", "?")]
    finally:
        state.chmod(0o777)


# --- as a client sees it ---


def rcpt(client, recipient=ALICE, sender=SENDER):
    client.greet()
    assert client.command(f"MAIL FROM:<{sender}>").code == 250
    return client.command(f"RCPT TO:<{recipient}>")


def test_greylisted_client(make_instance):
    """Deferred in one session, let in by another, and logged."""
    server = make_instance({"greylist": "delay 1\n", "relayclients": "127.0.0.1\n"})
    with server.connect("127.1.1.1") as client:
        answer = rcpt(client)
        assert (answer.code, answer.enhanced) == (451, "4.7.1")
        assert "try again in 1 second" in answer.text
        # Postmaster can be reached, and the session goes on.
        assert client.command(f"RCPT TO:<postmaster@{DOMAIN}>").code == 250

    def delivered():
        with server.connect("127.1.1.99") as other:
                return rcpt(other).code == 250 and other.data(b"Subject: x\r\n\r\nbody\r\n.\r\n")

    wait_for(lambda: (reply := delivered()) and reply.code == 250, what="the end of the delay")
    server.wait_for_mail("alice")
    with server.connect("127.1.2.1") as stranger:
        assert rcpt(stranger).code == 451


def greeting(server, source):
    with server.connect(source) as client:
        return client.reply()


def test_limited_client(make_instance):
    server = make_instance(
        {"limits": "connections 3/d\nrecipients 4/d\nunknown 2/d\n127.1.9.0/24 messages 1/d\n"})
    with server.connect("127.1.1.1") as client:
        assert rcpt(client).code == 250
        codes = [client.command(f"RCPT TO:<{ALICE}>").code for _ in range(4)]
        assert codes == [250, 250, 250, 450]
    assert greeting(server, "127.1.1.1").code == 220
    assert greeting(server, "127.1.1.1").code == 220
    answer = greeting(server, "127.1.1.1")
    assert (answer.code, answer.enhanced) == (421, "4.7.0")
    with server.connect("127.1.1.2") as client:
        assert rcpt(client, f"nobody@{DOMAIN}").code == 550
        assert client.command(f"RCPT TO:<nobody@{DOMAIN}>").code == 550
        assert client.command(f"RCPT TO:<nobody@{DOMAIN}>").code == 421
    assert greeting(server, "127.1.1.2").code == 421
    with server.connect("127.1.9.1") as client:
        client.greet()
        assert client.deliver(SENDER, [ALICE], b"Subject: x\n\nbody\n").code == 250
        assert client.command(f"MAIL FROM:<{SENDER}>").code == 250
        assert client.command(f"RCPT TO:<{ALICE}>").code == 450


def test_exempt_client(make_instance):
    """Who may relay is neither greylisted nor limited, and no judge is started for him."""
    server = make_instance({"greylist": "", "limits": "connections 1/d\n",
                            "relayclients": "127.0.0.1\n127.1.1.1\n"})
    for _ in range(3):
        with server.connect("127.1.1.1") as client:
            assert rcpt(client).code == 250
    assert not (server.folder / "judge").exists() or not list((server.folder / "judge").iterdir())
