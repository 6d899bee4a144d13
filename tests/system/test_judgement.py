"""Who may hand us mail, as a session decides it: which rules are asked at which stage, in which
order they count, what the reply and the log say, and that helpers who fail cost nobody his mail."""

import os
import re
import shutil
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import certificates
import oracle
import pytest
from conftest import discard, new_instance
from instance import DOMAIN, wait_for
from name_server import NameServer
from submitter import start_tls

ALICE, BOB, NOBODY = (f"{name}@{DOMAIN}" for name in ("alice", "bob", "nobody"))
STAND_IN = Path(__file__).with_name("stand_in_judge.py")
LISTED = {("1.0.0.127.bad.test", "A"): ["127.0.0.2"]}
MESSAGE = b"Subject: x\n\nx\n"


def takes_mail(instance):
    with instance.connect() as client:
        return client.reply().code == 220 and [client.command(line).code for line in (
            "EHLO client.example", "MAIL FROM:<a@b.example>", f"RCPT TO:<{ALICE}>")] == [250] * 3


@pytest.fixture(scope="module")
def shared(scratch, programs, mode):
    instance = new_instance(scratch, programs, mode, {})
    yield instance.start()
    instance.expected_signals = True  # some tests' judges are killed
    wait_for(lambda: takes_mail(instance), what="the listener to forget what the last test has set")
    try:
        # The listener knows a file that was removed for two seconds more.
        wait_for(lambda: takes_mail(instance), what="the control files of before")
        oracle.check_end(instance)
    finally:
        discard(instance)


def takes_mail(instance):
    with instance.session() as client:
        return offer(client).code == 250


@pytest.fixture
def server(shared):
    """A server of which sessions of their own, as of tcpserver, are what is asked: they read the
    control files as they stand. What a test has set is gone after it."""
    before, programs = {path.name for path in shared.control.iterdir()}, shared.programs
    shared.start_of_log = len(shared.log())
    yield shared
    shared.programs = programs
    for path in shared.control.iterdir():
        if path.name not in before:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in "judge", "programs":
        shutil.rmtree(shared.folder / name, ignore_errors=True)


@pytest.fixture
def names(server):
    """names(records): what DNS says."""
    with NameServer({}) as one:
        server.set("nameservers", f"{one.endpoint}\n")
        yield one


@contextmanager
def session(server, greet="client.example", environment=None, local=False):
    process, client = server.single_session(environment, local=local)
    try:
        if greet:
            assert client.reply().code == 220
            client.reply_to_hello = client.command(f"EHLO {greet}")
        yield client
    finally:
        client.close()
        process.wait(60)


def offer(client, recipient=ALICE, sender="a@sender.example"):
    """The reply to RCPT."""
    answer = client.command(f"MAIL FROM:<{sender}>")
    return client.command(f"RCPT TO:<{recipient}>") if answer.code == 250 else answer


def events(server, name="refused"):
    return [event for event in server.log()[server.start_of_log:] if event["event"] == name]


def last(server, name="refused"):
    return events(server, name)[-1]


# --- what name servers say ---


def test_a_list_refuses_at_rcpt(server, names):
    """Not before: an unknown mailbox is said first, and postmaster gets all mail."""
    names.records = LISTED
    server.set("dnsbl", "good.test\nbad.test\n")
    with session(server) as client:
        assert client.reply_to_hello.code == 250
        assert client.command("MAIL FROM:<a@sender.example>").code == 250
        answer = client.command(f"RCPT TO:<{NOBODY}>")
        assert (answer.code, answer.enhanced) == (550, "5.1.1")
        for recipient in (ALICE, BOB):
            answer = client.command(f"RCPT TO:<{recipient}>")
            assert (answer.code, answer.enhanced) == (550, "5.7.1")
            assert "bad.test" in answer.text and "dnsbl" in answer.text
        assert client.command("RCPT TO:<postmaster>").code == 250
        assert client.command(f"RCPT TO:<PostMaster@{DOMAIN}>").code == 250
    refused = last(server)
    assert (refused["rule"], refused["lists"]) == ("dnsbl", "dnsbl:2")
    assert names.asked("1.0.0.127.bad.test", "A") == 1


def test_an_allow_list_silences_the_others(server, names):
    names.records = {**LISTED, ("1.0.0.127.fine.test", "A"): ["127.0.0.2"]}
    server.set("dnsbl", "bad.test\n+fine.test\n")
    with session(server) as client:
        assert offer(client).code == 250
        assert client.command("DATA").code == 354
        assert client.command("Subject: x\r\n\r\nx\r\n.").code == 250
    accepted = last(server, "accepted")
    assert (accepted["rule"], accepted["lists"]) == ("dnsbl", "dnsbl:1,+dnsbl:2")


def test_an_allowed_name_does_not_silence_lists_of_addresses(server, names):
    """Everybody can claim one."""
    names.records = {("sender.example.good.test", "A"): ["127.0.0.2"],
                     ("sender.example.rh.test", "A"): ["127.0.0.2"]}
    server.set("rhsbl", "+good.test for=sender\nrh.test for=sender\n")
    with session(server) as client:
        assert offer(client).code == 250
    names.records = {**names.records, **LISTED}
    server.set("dnsbl", "bad.test\n")
    with session(server) as client:
        assert offer(client).code == 550
    assert last(server)["rule"] == "dnsbl"


def test_the_first_of_the_order_decides(server, names):
    """Client, HELO name, sender; what only wants to be logged is."""
    server.set("checks", "reverse-dns log\nforward-dns log\nhelo-dns refuse\nsender-dns defer\n")
    names.records = {("1.0.0.127.in-addr.arpa", "PTR"): ["mx.client.example"],
                     ("mx.client.example", "A"): ["127.0.0.1"]}
    with session(server) as client:
        answer = offer(client)
        assert answer.code == 550 and "helo-dns" in answer.text
    assert last(server)["name"] == "mx.client.example"
    names.records = {("client.example", "A"): ["127.0.0.1"]}
    with session(server) as client:
        answer = offer(client)
        assert answer.code == 450 and "sender-dns" in answer.text
    assert last(server)["noted"] == "reverse-dns,forward-dns"
    names.records = {("client.example", "A"): ["127.0.0.1"], ("sender.example", "A"): ["127.0.0.1"]}
    with session(server) as client:
        assert offer(client).code == 250


def test_facts_of_the_connection_stay(server, names):
    """STARTTLS, a second EHLO, RSET: the client is asked about once, a name and a sender each time
    that they change."""
    certificates.put(server)
    names.records = {("sender.example", "A"): ["127.0.0.1"], ("client.example", "A"): ["127.0.0.1"]}
    server.set("dnsbl", "bad.test\n")
    server.set("checks", "helo-dns refuse\nsender-dns refuse\n")
    with session(server) as client:
        assert offer(client).code == 250
        start_tls(client)
        assert client.command("EHLO client.example").code == 250
        assert offer(client).code == 250
        assert client.command("RSET").code == 250
        assert offer(client, sender="a@none.example").code == 550
        assert client.command("EHLO none.example").code == 250
        answer = offer(client)
        assert answer.code == 550 and "helo-dns" in answer.text
    assert names.asked("1.0.0.127.bad.test", "A") == 1
    assert names.asked("client.example", "A") == 1


def test_name_servers_that_do_not_answer(server, names):
    """Within the deadline of the whole session; then the mail goes on, or waits where dnsdown says
    so."""
    names.behaviours = {"*": "silence"}
    server.set("dnsbl", "bad.test\n")
    server.set("dnsdeadline", "1\n")
    server.set("checks", "reverse-dns refuse\nsender-dns refuse\n")
    with session(server) as client:
        assert offer(client).code == 250
        assert client.command("RSET").code == 250
        assert offer(client, sender="b@other.example").code == 250
    server.set("dnsdown", "defer\n")
    with session(server) as client:
        answer = offer(client)
        assert (answer.code, answer.enhanced) == (451, "4.4.3")


# --- who is not asked about ---


def put_stand_in(server, habit):
    """Gives SERVER programs of its own, whose ekiden-judge is the stand-in."""
    original = server.programs
    server.programs = server.folder / "programs"
    if not server.programs.exists():
        server.programs.mkdir()
        for path in original.iterdir():
            os.link(path, server.programs / path.name)
        (server.programs / "ekiden-judge").unlink()
        shutil.copy(STAND_IN, server.programs / "ekiden-judge")
    (server.programs / "habit").write_text(habit)


def started(server):
    return list(server.folder.glob("judge/started.*"))


def test_who_is_exempt_starts_no_helper(server, names):
    put_stand_in(server, "refuse")
    server.set("dnsbl", "bad.test\n")
    server.set("greylist", "")
    server.set("spfbehavior", "3\n")
    server.set("relayclients", "127.0.0.0/8\n")
    with session(server) as client:
        assert offer(client).code == 250
    server.remove("relayclients")
    with session(server, environment={"RELAYCLIENT": "", "TCPREMOTEIP": "127.0.0.1"}) as client:
        assert offer(client).code == 250
    assert not started(server) and not names.asked()
    with session(server) as client:
        assert offer(client).code == 550
    assert started(server)


def test_without_control_files_there_is_no_helper(server):
    put_stand_in(server, "refuse")
    with session(server) as client:
        assert offer(client).code == 250
    assert not started(server)
    # Rules that ask nobody start nobody.
    server.set("checks", "helo-us refuse\nearly-talker refuse\npipelining refuse\n")
    server.set("badhelo", "worse.example\n")
    with session(server) as client:
        assert offer(client).code == 250
    assert not started(server)


def count_calls(server):
    """System calls of the dialogue and all that it starts, in a session of one message."""
    path = server.folder / "trace"
    server.prefix = ["strace", "-f", "-qq", "-o", path]
    command = server.command
    server.command = lambda *words: [*server.prefix, *map(str, command(*words))]
    with session(server) as client:
        assert offer(client).code == 250
        assert client.command("DATA").code == 354
        assert client.command("Subject: x\r\n\r\nx\r\n.").code == 250
        client.command("QUIT")
    server.command = command
    lines = path.read_text(errors="replace").splitlines()
    return sum("clone(" in line or "fork(" in line for line in lines), len(lines)


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_rules_that_are_off_cost_nothing(server, names):
    """Not one process more, and no system call where the client is waited for."""
    if server.mode != "privileged":
        pytest.skip("strace of another user's processes")
    forks, _ = count_calls(server)
    server.set("relayclients", "127.0.0.0/8\n")
    server.set("dnsbl", "bad.test\n")
    assert count_calls(server)[0] == forks
    server.remove("relayclients")
    assert count_calls(server)[0] == forks + 1


# What a message costs the dialogue and the injector, by strace of the last revision that had none of
# these rules (c8a2e00), without what waits for the injector; since then a small message became one packet,
# not two: a poll and a sendmsg less.
CALLS_OF_A_MESSAGE = {
    "close": 1, "fchmod": 1, "flock": 1, "fstatfs": 1, "fsync": 2, "getrandom": 1, "openat": 1,
    "poll": 2, "ppoll": 4, "read": 4, "recvmsg": 2, "sendmsg": 2, "sendto": 4, "write": 2,
    "writev": 1}


def calls_by_name(server, messages):
    """System calls of a session; of several, the least of each, since who comes first has to wait."""
    path, runs, command = server.folder / "trace", [], server.command
    server.command = lambda *words: ["strace", "-f", "-qq", "-o", path, *map(str, command(*words))]
    for _ in range(5):
        with session(server) as client:
            for _ in range(messages):
                assert offer(client).code == 250
                assert client.command("DATA").code == 354
                assert client.command("Subject: x\r\n\r\nx\r\n.").code == 250
            client.command("QUIT")
        trace = path.read_text(errors="replace")
        calls = Counter(re.findall(r"^\d+ +(\w+)\(", trace, re.M))
        # Who is faster than the injector looks in vain, and waits: chance.
        waits = len(re.findall(r"recvmsg\b.* EAGAIN ", trace))
        runs.append(calls - Counter({"recvmsg": waits, "poll": waits}))
    server.command = command
    return {name: min(run[name] for run in runs) for name in set().union(*runs)}


@pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")
def test_a_message_costs_what_it_did_before(server, sanitized):
    if server.mode != "privileged" or sanitized:
        pytest.skip("strace of another user's processes; sanitizers have calls of their own")
    one, many = calls_by_name(server, 1), calls_by_name(server, 5)
    more = {name: (many[name] - one.get(name, 0)) / 4 for name in many}
    if more["fsync"] == 1:  # a journal that keeps the order: the folder needs none of its own
        more["fsync"] = 2
    assert {name: count for name, count in more.items() if count} == CALLS_OF_A_MESSAGE


# --- helpers that fail ---


HABITS = ("die", "leave", "wrong-number", "wrong-kind", "garbage", "control", "success", "long",
          "many", "empty", "flood")


def test_judges_that_fail(server, names):
    """Nobody else's mail is refused for it, and nobody waits."""
    server.set("dnsbl", "bad.test\n")
    for dnsdown, code in ("accept", 250), ("defer", 451):
        server.set("dnsdown", f"{dnsdown}\n")
        for habit in HABITS:
            put_stand_in(server, habit)
            before = len(events(server, "judge-lost"))
            with session(server) as client:
                assert offer(client).code == code, habit
                assert client.command(f"RCPT TO:<{BOB}>").code == code, habit
                assert client.command("RCPT TO:<postmaster>").code == 250, habit
                assert client.command("EHLO other.example").code == 250
            assert len(events(server, "judge-lost")) == before + 1, habit


def test_judges_that_hang(server, names):
    """They hold their session for the deadline and a second, once, and end with it."""
    server.set("dnsbl", "bad.test\n")
    server.set("greylist", "")
    server.set("dnsdeadline", "1\n")
    for habit in "hang", "deaf":
        put_stand_in(server, habit)
        with session(server) as client:
            for sender in ("a@one.example", "b@two.example"):
                assert offer(client, sender=sender).code == 250
                assert client.command("RSET").code == 250
    for path in started(server):
        wait_for(lambda: not Path(f"/proc/{path.suffix[1:]}").exists(), what="the judge's end")


def test_without_a_judge(server, names):
    put_stand_in(server, "good")
    (server.programs / "ekiden-judge").unlink()
    server.set("dnsbl", "bad.test\n")
    with session(server) as client:
        assert offer(client).code == 250
    assert events(server, "judge-lost")


def test_a_judge_of_a_listener_ends_with_its_session(make_instance):
    with NameServer(LISTED) as one:
        instance = make_instance({"nameservers": f"{one.endpoint}\n", "dnsbl": "bad.test\n"})

        def judges():
            return [process for process in instance.all_processes()
                    if process.comm.startswith("ekiden-judge")]

        with instance.session() as client, instance.session() as other:
            for each in (client, other):
                assert offer(each).code == 550
            assert len(judges()) == 2
            client.command("QUIT")
        wait_for(lambda: not judges(), what="the end of the judges")


# --- what is remembered ---


def test_greylisting(server):
    server.set("greylist", "delay 1\n")
    with session(server) as client:
        answer = offer(client)
        assert answer.code == 451 and "greylist" in answer.text
        assert client.command("RCPT TO:<postmaster>").code == 250
    refused = last(server)
    assert (refused["rule"], refused["greylist"]) == ("greylist", "wait")


    def passes():
        with session(server) as client:
            if offer(client).code != 250:
                return False
            assert client.command("DATA").code == 354
            return client.command("Subject: x\r\n\r\nx\r\n.").code == 250

    wait_for(passes, what="the end of the delay")
    assert last(server, "accepted")["greylist"] == "passed"


def test_limits(server):
    server.set("limits", "connections 2/h\n")
    for code in (220, 220, 421):
        with session(server, greet=None) as client:
            assert client.reply().code == code
    assert last(server)["rule"] == "limits"
    server.set("limits", "unknown 2/h\n")
    with session(server) as client:
        assert client.command("MAIL FROM:<a@sender.example>").code == 250
        assert [client.command(f"RCPT TO:<{NOBODY}>").code for _ in range(3)] == [550, 550, 421]
        assert client.is_closed()
    server.set("limits", "messages 1/h\n")
    with session(server) as client:
        assert offer(client).code == 250
        assert client.command("DATA").code == 354
        assert client.command("x: y\r\n\r\n.").code == 250
        assert offer(client).code == 450


# --- local rules ---


def test_early_talkers(server):
    server.set("checks", "early-talker refuse\n")
    server.set("greetdelay", "60\n")  # it ends when the client speaks
    process, client = server.single_session()
    client.send("EHLO client.example\r\n")
    answer = client.reply()
    assert (answer.code, answer.enhanced) == (554, "5.5.1") and "early-talker" in answer.text
    assert client.reply().code == 503
    assert client.command("QUIT").code == 221
    client.close()
    process.wait(60)
    assert last(server)["rule"] == "early-talker"
    server.set("checks", "early-talker defer\n")
    process, client = server.single_session()
    client.send("EHLO client.example\r\n")
    assert client.reply().code == 421
    assert client.is_closed()
    process.wait(60)
    server.set("checks", "early-talker log\n")
    server.set("greetdelay", "1\n")
    begun = time.monotonic()
    process, client = server.single_session()
    client.send("EHLO client.example\r\n")
    assert client.reply().code == 220 and time.monotonic() - begun >= 1
    assert client.reply().code == 250
    assert offer(client, NOBODY).code == 550
    client.close()
    process.wait(60)
    assert last(server)["noted"] == "early-talker"


def test_who_waits_for_the_greeting(server):
    server.set("checks", "early-talker refuse\n")
    server.set("greetdelay", "1\n")
    begun = time.monotonic()
    with session(server) as client:
        assert time.monotonic() - begun >= 1
        assert offer(client).code == 250
    server.set("greetdelay", "60\n")
    server.set("relayclients", "127.0.0.1\n")
    begun = time.monotonic()
    with session(server) as client:
        assert offer(client).code == 250
    assert time.monotonic() - begun < 50


PIPELINED = {
    "behind EHLO": b"EHLO x\r\nNOOP\r\n",
    "behind HELO": b"HELO x\r\nNOOP\r\n",
    "before EHLO": b"NOOP\r\nEHLO x\r\n",
}


def test_pipelining_too_early(server):
    server.set("checks", "pipelining refuse\n")
    for what, group in PIPELINED.items():
        with session(server, greet=None) as client:
            assert client.reply().code == 220
            client.send(group)
            answer = client.reply()
            assert (answer.code, answer.enhanced) == (554, "5.5.1"), what
            assert "pipelining" in answer.text and client.is_closed()


def test_pipelining(server):
    """A message that is sent behind DATA is not run as commands; groups of RFC 2920 are served."""
    server.set("checks", "pipelining refuse\n")
    with session(server) as client:
        client.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        assert client.command("x: y\r\n\r\n.").code == 250
        client.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\nBDAT 6 LAST\r\nx: y\r\nQUIT\r\n")
        assert [client.reply().code for _ in range(4)] == [250, 250, 250, 221]
    with session(server) as client:
        client.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n"
                    f"RSET\r\nMAIL FROM:<spam@b.example>\r\n.\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 554]
        assert client.is_closed()
    with session(server, greet=None) as client:
        assert client.reply().code == 220
        assert client.command("HELO x").code == 250
        client.send(f"MAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\n")
        assert client.reply().code == 554


def test_tarpit(server):
    server.set("tarpit", "2 1\n")
    with session(server) as client:
        assert client.command("MAIL FROM:<a@b.example>").code == 250
        for _ in range(2):
            assert client.command(f"RCPT TO:<{NOBODY}>").code == 550
        begun = time.monotonic()
        assert client.command(f"RCPT TO:<{NOBODY}>").code == 550
        assert client.command(f"RCPT TO:<{ALICE}>").code == 250
        assert time.monotonic() - begun >= 2


def test_who_says_that_it_is_us(server):
    """Only from elsewhere: who connects from this host may be us."""
    server.set("checks", "helo-us refuse\n")

    def came_from(address):
        return session(server, greet=None, local=True, environment={
            "TCPREMOTEIP": address, "TCPLOCALIP": "192.0.2.1"})

    with came_from("192.0.2.7") as client:
        assert client.reply().code == 220
        for name in (DOMAIN.upper(), "[192.0.2.1]"):
            answer = client.command(f"EHLO {name}")
            assert (answer.code, answer.enhanced) == (550, "5.7.1") and "helo-us" in answer.text
        assert (last(server)["rule"], last(server)["client"]) == ("helo-us", "192.0.2.7")
        assert client.command("EHLO [192.0.2.7]").code == 250
        assert offer(client).code == 250
    for own in "127.0.0.9", "192.0.2.1":
        with came_from(own) as client:
            assert client.reply().code == 220
            assert client.command(f"EHLO {DOMAIN}").code == 250


def test_names_and_recipients_on_lists(server):
    server.set("badhelo", "worse.example\n.evil.example\n[192.0.2.1]\n")
    server.set("badrcptto", f"{ALICE}\n")
    server.set("checks", "helo-syntax refuse\n")
    with session(server) as client:
        for name in ("Worse.example", "worse.example.", "a.evil.example", "[192.0.2.1]"):
            answer = client.command(f"EHLO {name}")
            assert (answer.code, answer.enhanced) == (550, "5.7.1") and "badhelo" in answer.text
        for name in ("192.0.2.1", "[192.0.2.300]", "a..b", "a b", "-", "a.b.", "x_y@z"):
            answer = client.command(f"EHLO {name}")
            assert answer.code == 501 and "helo-syntax" in answer.text, name
        for name in ("evil.example", "localhost", "[127.0.0.1]", "[IPv6:::1]"):
            assert client.command(f"EHLO {name}").code == 250, name
        answer = offer(client)
        assert (answer.code, answer.enhanced) == (550, "5.7.1") and "badrcptto" in answer.text
        assert client.command(f"RCPT TO:<{BOB}>").code == 250
    assert last(server)["rule"] == "badrcptto"


BROKEN = {
    "checks": ("helo-us no\n", "checks:1: expected a rule"),
    "tarpit": ("3\n", "tarpit:1: expected a number of unknown recipients"),
    "greetdelay": ("121\n", "greetdelay:1: expected"),
    "badhelo": ("a b\n", "badhelo:1: expected NAME or .PARENT"),
    "badrcptto": ("alice\n", "badrcptto:1: expected ADDRESS"),
    "dnsbl": ("not a zone!\n", "dnsbl:1: expected"),
    "limits": ("many 3/h\n", "limits:1: expected"),
    "greylist": ("delay soon\n", "greylist:1: expected"),
    "dnsdown": ("perhaps\n", "dnsdown:1: expected accept or defer"),
}


def test_malformed_files_are_named(make_instance):
    server = make_instance(start=False)
    for name, (text, expected) in BROKEN.items():
        server.set(name, text)
        told = subprocess.run(server.command("ekiden-smtpd", "-t", "-C", server.control),
                              capture_output=True, text=True)
        assert told.returncode == 100 and expected in told.stderr
        server.remove(name)


def test_the_last_good_settings_stay(make_instance):
    """For each judge that starts while a file is wrong; said once, by the server."""
    server = make_instance({"limits": "connections 2/h\n"})
    server.set("limits", "# much\nconnections many\n")
    wait_for(lambda: "event=configuration-refused" in server.log_text(), what="a look at the new file")
    codes = []
    for _ in range(4):
        with server.connect("127.0.3.3") as client:
            codes.append(client.reply().code)
    assert codes == [220, 220, 421, 421]
    assert [event for event in server.log() if event["event"] == "refused"][-1]["place"] == "limits:1"
    [said] = [event for event in server.log() if "limits" in event["line"] and event["event"] != "refused"]
    assert said["program"] == "ekiden-smtpd" and "limits:2: expected" in said["line"]
    server.set("limits", "connections 1/h\n")
    server.wait_for_new_template()
    for code in (220, 421):
        with server.connect("127.0.3.4") as client:
            assert client.reply().code == code
