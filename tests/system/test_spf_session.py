"""SPF in a session: what is asked, what each answer does by `spfbehavior`, and the header fields.

A stand-in (stand_in_spf.sh) is in ekiden-spf's place: the sender's local part, or the first label of
HELO's name, is the answer. The last tests are with ekiden-spf itself and a name server.
"""

import email
import email.policy
import os
import re
import shutil
import socket
from collections import Counter
from pathlib import Path

import oracle
import pytest
from conftest import discard, new_instance
from instance import DOMAIN, wait_for
from name_server import NameServer
from smtp_client import body_of

STAND_IN = Path(__file__).with_name("stand_in_spf.sh")
ALICE = f"alice@{DOMAIN}"
CONTROL = {"spftimeout": "1\n", "maxerrors": "1000\n", "locals": f"{DOMAIN}\n"}
HOST = "none.client.example"
BROKEN = ("die", "silent", "nonsense", "more", "half", "injected", "flood")
RESULTS = ("none", "neutral", "pass", "fail", "softfail", "temperror", "permerror")
# The least spfbehavior for which a result is refused; and the reply.
SENDER = {"temperror": (2, 451, "4.7.24"), "fail": (3, 550, "5.7.23"), "softfail": (4, 550, "5.7.23")}
HELO = {"fail": SENDER["fail"]}


@pytest.fixture(scope="module")
def stand_in(scratch, programs, mode):
    """An instance whose ekiden-spf is the stand-in."""
    instance = new_instance(scratch, programs, mode, CONTROL)
    instance.programs = instance.folder / "programs"
    instance.programs.mkdir()
    for path in programs.iterdir():
        os.link(path, instance.programs / path.name)
    (instance.programs / "ekiden-spf").unlink(missing_ok=True)
    shutil.copy(STAND_IN, instance.programs / "ekiden-spf")
    (instance.programs / "ekiden-spf").chmod(0o755)
    instance.expected_signals = True  # some stand-ins are killed
    yield instance.start()
    try:
        oracle.check_end(instance)
    finally:
        discard(instance)


class Session:
    """One session of an ekiden-smtpd of its own, with the settings of today."""

    def __init__(self, instance, environment=None, arguments=(), **control):
        for name in ("spfbehavior", "dnsdown", "relayclients"):
            (instance.control / name).unlink(missing_ok=True)
        for name, text in control.items():
            instance.set(name, f"{text}\n")
        self.instance = instance
        self.log_start = len(instance.log_text())
        self.process, self.client = instance.single_session(environment, arguments=arguments)

    def __enter__(self):
        assert self.client.reply().code == 220
        return self

    def __exit__(self, kind, *_):
        self.client.close()
        self.process.wait(self.instance.patience)

    def hello(self, name):
        assert self.client.command(b"EHLO " + (name if isinstance(name, bytes) else name.encode())).code == 250

    def rcpt(self, sender, recipient=ALICE, parameters=""):
        """A transaction up to RCPT, whose reply this is; then RSET."""
        assert self.client.command(f"MAIL FROM:<{sender}>{parameters}").code == 250
        answer = self.client.command(f"RCPT TO:<{recipient}>")
        assert self.client.command("RSET").code == 250
        return answer

    def events(self, event):
        """What was logged meanwhile."""
        text = self.instance.log_text()[self.log_start :]
        return re.findall(rf"event={event} (.*)", text)

    def told(self):
        return [line.removeprefix("told=") for line in self.events("asked")]

    def deliver(self, sender, message=b"Subject: x\n\nbody\n", parameters="", chunks=False):
        """A message for alice, as it is in her mailbox."""
        self.instance.empty_mailboxes()
        self.client.envelope(sender, [ALICE], parameters)
        if chunks:
            wire = message.replace(b"\n", b"\r\n")
            for at in range(0, len(wire), 7):
                piece = wire[at : at + 7]
                last = " LAST" if at + 7 >= len(wire) else ""
                self.client.send(b"BDAT %d%s\r\n" % (len(piece), last.encode()) + piece)
                answer = self.client.reply()
        else:
            answer = self.client.command("DATA")
            self.client.send(message.replace(b"\n", b"\r\n") + b".\r\n")
            answer = self.client.reply()
        assert answer.code == 250, answer
        return self.instance.wait_for_mail("alice")[0]


def expect(answer, row, behavior, what):
    if row and behavior >= row[0]:
        assert (answer.code, answer.enhanced) == row[1:], f"{what}: {answer}"
    else:
        assert answer.code == 250, f"{what}: {answer}"


# --- what each answer does ---


@pytest.mark.parametrize("behavior", range(5))
def test_behavior(stand_in, behavior):
    with Session(stand_in, spfbehavior=behavior) as session:
        session.hello(HOST)
        for result in RESULTS:
            answer = session.rcpt(f"{result}@sender.example")
            expect(answer, SENDER.get(result), behavior, f"sender {result}")
            # Mail to postmaster is not refused by SPF.
            assert session.rcpt(f"{result}@sender.example", f"postmaster@{DOMAIN}").code == 250
        for result in RESULTS:
            session.hello(f"{result}.client.example")
            expect(session.rcpt("pass@sender.example"), HELO.get(result), behavior, f"HELO {result}")
            # The null sender stands for postmaster at the name of HELO.
            expect(session.rcpt(""), SENDER.get(result), behavior, f"null sender, HELO {result}")
        if behavior == 0:
            assert not session.told()


def test_the_reply_explains(stand_in):
    with Session(stand_in, spfbehavior=4) as session:
        session.hello(HOST)
        answer = session.rcpt("fail@sender.example")
        assert "sender.example does not let 127.0.0.1 send its mail" in answer.text, answer
        assert "See http://explain.example/?i=127.0.0.1" in answer.text, answer
        assert "0000" in session.rcpt("long@sender.example").text
        session.hello("fail.client.example")
        answer = session.rcpt("pass@sender.example")
        assert "fail.client.example does not let 127.0.0.1 say HELO" in answer.text, answer
        session.hello(HOST)
        assert "would rather not" in session.rcpt("softfail@sender.example").text
        assert any("rule=spfbehavior" in line for line in session.events("refused"))


@pytest.mark.parametrize("dnsdown", ["accept", "defer"])
def test_a_program_that_fails(stand_in, dnsdown):
    """It says nothing about the sender: the mail is taken, unless the operator wants it otherwise."""
    with Session(stand_in, spfbehavior=4, dnsdown=dnsdown) as session:
        session.hello(HOST)
        for habit in BROKEN:
            answer = session.rcpt(f"{habit}@sender.example")
            assert answer.code == (451 if dnsdown == "defer" else 250), f"{habit}: {answer}"
        failed = session.events("spf-failed")
        assert len(failed) == len(BROKEN), failed


def test_a_program_that_hangs(stand_in):
    """It is a temperror, both of them in one time."""
    stand_in.empty_mailboxes()
    with Session(stand_in, spfbehavior=2) as session:
        session.hello("hang.client.example")
        assert session.client.command("MAIL FROM:<hang@sender.example>").code == 250
        assert session.client.command(f"RCPT TO:<{ALICE}>").code == 451
        assert session.client.command(f"RCPT TO:<postmaster@{DOMAIN}>").code == 250
        assert session.client.data(b"Subject: x\r\n\r\nbody\r\n.\r\n").code == 250
    message = stand_in.wait_for_mail("alice")[0]
    assert results_of(message)[0] == [
        ("spf", "temperror", {"smtp.mailfrom": "hang@sender.example"}),
        ("spf", "temperror", {"smtp.helo": "hang.client.example"})]


def test_a_program_that_is_missing(stand_in):
    program = stand_in.programs / "ekiden-spf"
    program.rename(stand_in.programs / "away")
    try:
        with Session(stand_in, spfbehavior=4) as session:
            session.hello(HOST)
            assert session.rcpt("fail@sender.example").code == 250
            assert len(session.events("spf-failed")) == 2
    finally:
        (stand_in.programs / "away").rename(program)


# --- what is asked ---


def test_questions(stand_in):
    with Session(stand_in, spfbehavior=1) as session:
        for host in ("a.example", "a.example", "b.example", "[127.0.0.1]", "localhost", "a_b (c)", "c.example"):
            session.hello(host)
        assert session.rcpt("x@[192.0.2.1]").code == 250
        for sender in ("x@one.example", "x@one.example", "", "x@two.example", "x@one.example"):
            assert session.rcpt(sender).code == 250
        session.hello("d.example")  # %h is another one now
        assert session.rcpt("x@one.example").code == 250
        answered = [f"127.0.0.1/{one}/" for one in ("c.example", "d.example")]
        answered += ["127.0.0.1/c.example/x@one.example"] * 2 + ["127.0.0.1/c.example/x@two.example",
                                                                 "127.0.0.1/d.example/x@one.example"]
        superseded = ["127.0.0.1/a.example/", "127.0.0.1/b.example/"]  # ended, perhaps before they ran
        left = Counter(session.told())
        left.subtract(answered)
        assert all(0 <= count <= superseded.count(one) for one, count in left.items()), left


def test_programs_that_nobody_waits_for_end(make_instance):
    """A client that gives up one question for the next holds no more than one process: else it could
    use up those that all may have, and mail that nobody has judged would be taken."""
    with NameServer() as server:
        server.behaviours["*"] = "silence"
        instance = make_instance({"nameservers": f"{server.endpoint}\n", "spfbehavior": "3\n",
                                  "relayclients": "127.0.0.1\n", "spftimeout": "30\n"})
        with instance.session("127.1.1.9") as client:
            for number in range(8):
                assert client.command(f"EHLO host{number}.example").code == 250
            wait_for(lambda: server.asked("host7.example"), what="the last question")
            assert len(instance.processes()["ekiden-spf"]) <= 4


def test_a_client_that_changes_its_mind_starts_few_programs(stand_in):
    with Session(stand_in, spfbehavior=3) as session:
        for number in range(40):
            session.hello(f"fail.host{number}.example")
        assert session.rcpt("pass@sender.example").code == 550
        assert len(session.told()) <= 13
        session.hello("pass.host.example")
        assert session.rcpt("pass@sender.example").code == 250


@pytest.mark.parametrize("exemption", ["relayclients", "RELAYCLIENT", "submission"])
def test_who_is_not_asked_about(stand_in, exemption):
    options = {"relayclients": {"relayclients": "127.0.0.1"},
               "RELAYCLIENT": {"environment": {"TCPREMOTEIP": "127.0.0.1", "RELAYCLIENT": ""}},
               "submission": {"arguments": ("-R", "submission")}}[exemption]
    with Session(stand_in, spfbehavior=4, **options) as session:
        session.hello("fail.client.example")
        answer = session.client.command("MAIL FROM:<fail@sender.example>")
        if exemption == "submission":
            assert answer.code == 530
        else:
            assert answer.code == 250
            assert session.client.command(f"RCPT TO:<{ALICE}>").code == 250
        assert not session.told()


# --- the header fields ---

WORD = r'(?:"(?:[^"\\]|\\.)*"|[^\s;()"]+)'


def unquoted(text):
    whole = text.startswith('"') and text.endswith('"')
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if whole else text


def fields_of(message, name):
    """The values of NAME, unfolded, by Python's parser, which must find nothing wrong."""
    parsed = email.message_from_bytes(message, policy=email.policy.compat32)
    assert not parsed.defects, parsed.defects
    return [re.sub(r"\r?\n(?=[ \t])", "", value) for value in parsed.get_all(name, [])]


def results_of(message, me=DOMAIN):
    """Ours: method, result and properties of each; and those of others, as they stand."""
    ours, others = [], []
    for value in fields_of(message, "Authentication-Results"):
        found = re.fullmatch(rf"{re.escape(me)}((?:;.*)?)", value, re.S)
        if not found:
            others.append(value)
            continue
        items = re.findall(rf";\s*([a-z]+)=([a-z]+)((?:\s+[a-z]+\.[a-z]+={WORD}(?:@{WORD})?)*)(?:\s+\([^()]*\))?",
                           found.group(1))
        rebuilt = "".join(f"; {method}={result}{properties}" for method, result, properties in items)
        assert re.sub(r"\s+\([^()]*\)$", "", found.group(1)) == rebuilt, (value, rebuilt)
        for method, result, properties in items:
            pairs = re.findall(rf"([a-z]+\.[a-z]+)=({WORD}(?:@{WORD})?)", properties)
            ours.append((method, result, {key: unquoted(value) for key, value in pairs}))
    return ours, others


def received_spf_of(message):
    """Result, comment and pairs of each Received-SPF."""
    found = []
    for value in fields_of(message, "Received-SPF"):
        match = re.fullmatch(rf"([a-z]+) \(((?:[^()\\]|\\.)*)\)((?:\s+[a-z-]+={WORD};?)+)", value)
        assert match, value
        pairs = re.findall(rf"([a-z-]+)=({WORD});?", match.group(3))
        found.append((match.group(1), match.group(2), {key: unquoted(text) for key, text in pairs}))
    return found


def names_of(message):
    return [line.split(b":")[0].decode() for line in message.split(b"\n\n")[0].split(b"\n")
            if line[:1] not in b" \t"]


def test_fields(stand_in):
    with Session(stand_in, spfbehavior=1) as session:
        session.hello("pass.client.example")
        message = session.deliver("softfail@sender.example")
        assert names_of(message) == ["Return-Path", "Delivered-To", "Authentication-Results",
                                     "Received-SPF", "Received-SPF", "Received", "Subject"]
        assert results_of(message) == ([
            ("spf", "softfail", {"smtp.mailfrom": "softfail@sender.example"}),
            ("spf", "pass", {"smtp.helo": "pass.client.example"})], [])
        common = {"client-ip": "127.0.0.1", "envelope-from": "softfail@sender.example",
                  "helo": "pass.client.example", "receiver": DOMAIN}
        of_sender, of_helo = received_spf_of(message)
        assert (of_sender[0], of_sender[2]) == ("softfail", {**common, "identity": "mailfrom"})
        assert (of_helo[0], of_helo[2]) == ("pass", {**common, "identity": "helo"})
        assert of_sender[1].startswith(f"{DOMAIN}:") and "sender.example" in of_sender[1]

        message = session.deliver("", b"\nbody\n")
        assert results_of(message)[0] == [("spf", "pass", {"smtp.helo": "pass.client.example"})]
        assert [(one[0], one[2]["envelope-from"]) for one in received_spf_of(message)] == [("pass", "")]

        message = session.deliver("permerror@sender.example")
        assert received_spf_of(message)[0][2]["problem"] == 'what is "wrong"'
        message = session.deliver("die@sender.example")
        assert results_of(message)[0][0][:2] == ("spf", "temperror")


def test_no_fields_where_nothing_was_asked(stand_in):
    with Session(stand_in) as session:
        session.hello("pass.client.example")
        message = session.deliver("fail@sender.example")
        assert names_of(message) == ["Return-Path", "Delivered-To", "Received", "Subject"]


HOSTILE_NAMES = [b"x) (y", b"a\\b", b'a"b', b"a;spf=pass", b"a\x1b[31mb", b"(", b"\\", b'"',
                 b"\xc3\xa4.example", b"\xff\xfe", b"[IPv6:::1]", b"a=b c=d", b"a\tb", b"x" * 255,
                 b"a..b", b".", b"a.example.", b"=?utf-8?q?x?="]


def test_hostile_names(stand_in):
    with Session(stand_in, spfbehavior=1) as session:
        for name in HOSTILE_NAMES:
            session.hello(name)
            message = session.deliver("pass@sender.example")
            expected = re.sub(rb"[^\x20-\x7e]", b"?", name).decode()
            assert names_of(message)[2:] == ["Authentication-Results", "Received-SPF", "Received-SPF",
                                             "Received", "Subject"], (name, message)
            assert received_spf_of(message)[1][2]["helo"] == expected
            assert results_of(message)[0][1][2] == {"smtp.helo": expected}
            assert all(len(line) < 998 for line in message.split(b"\n"))


HOSTILE_SENDERS = ['"a b"@x.example', '"a\\"b"@x.example', '"a;spf=pass"@x.example', '"a)("@x.example',
                   '"a\\\\"@x.example', "a=b/c@x.example", "a@[192.0.2.1]", "a'b*c@x.example",
                   '"x@y"@x.example', "a" * 60 + "@" + ("b" * 58 + ".") * 3 + "example"]


def test_hostile_senders(stand_in):
    with Session(stand_in, spfbehavior=1) as session:
        session.hello(HOST)
        for sender in HOSTILE_SENDERS:
            local, _, domain = sender.rpartition("@")
            plain = unquoted(local) + "@" + domain
            message = session.deliver(sender)
            assert len(names_of(message)) == 7, message
            assert received_spf_of(message)[0][2]["envelope-from"] == plain
            shown = results_of(message)[0][0][2]["smtp.mailfrom"]
            assert shown in (sender, plain), shown


def test_utf8(stand_in):
    """RFC 8616: UTF-8 in the fields of a message by SMTPUTF8 only."""
    with Session(stand_in, spfbehavior=1) as session:
        session.hello("b\u00fccher.example")
        for smtputf8 in (True, False):
            sender = "j\u00fcrgen@b\u00fccher.example" if smtputf8 else "x@y.example"
            message = session.deliver(sender, parameters=" SMTPUTF8" if smtputf8 else "")
            header = message.split(b"Received:")[0].split(b"Delivered-To:")[1]
            text = header.decode("utf-8")
            assert ('helo="b\u00fccher.example";' if smtputf8 else 'helo="b??cher.example";') in text
            if smtputf8:
                assert f"smtp.mailfrom={sender}" in text


# --- claims of others (RFC 8601 5; attack case G06) ---


CLAIMS = (
    f"Authentication-Results: {DOMAIN}; spf=pass smtp.mailfrom=bank.example\n"
    f"authentication-results : {DOMAIN.upper()} 1;\n dkim=pass\n"
    f"Authentication-Results:\n (a comment) \"{DOMAIN}\"; none\n"
).encode()
OTHERS = b"Authentication-Results: other.example; spf=pass\nReceived-SPF: pass (other.example)\n"


@pytest.mark.parametrize("behavior", [0, 1])
@pytest.mark.parametrize("chunks", [False, True])
def test_claims_to_be_us(stand_in, behavior, chunks):
    message = CLAIMS + b"Subject: x\n" + OTHERS + CLAIMS + b"\n" + CLAIMS
    with Session(stand_in, spfbehavior=behavior) as session:
        session.hello(HOST)
        delivered = session.deliver("pass@sender.example", message, chunks=chunks)
        assert delivered.endswith(b";\n" + delivered.split(b";\n")[-1])
        assert delivered.partition(b"Subject: x\n")[2] == OTHERS + b"\n" + CLAIMS
        ours, others = results_of(delivered)
        assert len(ours) == (2 if behavior else 0) and others == ["other.example; spf=pass"]
        if behavior:  # ours on top
            assert len(received_spf_of(delivered.replace(OTHERS, b""))) == 2


def test_a_relay_client_may_speak_for_us(stand_in):
    with Session(stand_in, relayclients="127.0.0.1") as session:
        session.hello(HOST)
        assert body_of(session.deliver("x@y.example", CLAIMS + b"\nbody\n")) == CLAIMS + b"\nbody\n"


# --- the programs together ---

RECORDS = {
    ("good.example", "TXT"): ["v=spf1 ip4:127.0.0.1 -all"],
    ("bad.example", "TXT"): ["v=spf1 -all exp=why.%{d}"],
    ("why.bad.example", "TXT"): ["%{s} is not sent from %{i} to %{r}"],
    ("host.example", "TXT"): ["v=spf1 a -all"],
    ("host.example", "A"): ["127.0.0.1"],
}


@pytest.fixture
def names():
    with NameServer(dict(RECORDS), {"dead.example": "silence"}) as server:
        yield server


@pytest.fixture
def whole(names, make_instance):
    return make_instance({"spfbehavior": "3\n", "nameservers": f"{names.endpoint}\n"})


@pytest.mark.parametrize("records, expected", [
    ({("1.0.0.127.in-addr.arpa", "PTR"): ["host.example"]}, "pass"),
    ({("1.0.0.127.in-addr.arpa", "PTR"): ["other.example"]}, "fail"),
    ({}, "permerror"),
])
def test_reverse_name(names, make_instance, records, expected):
    names.records.update(records)
    whole = make_instance({"checks": "reverse-dns log\nforward-dns log\n",
                           "nameservers": f"{names.endpoint}\n"})
    with whole.connect() as client:
        client.greet("host.example")
        assert client.deliver("x@good.example", [ALICE], b"Subject: x\n\nbody\n").code == 250
    message = whole.wait_for_mail("alice")[0]
    assert results_of(message)[0] == [("iprev", expected, {"policy.iprev": "127.0.0.1"})]
    assert ("(host.example)" in fields_of(message, "Authentication-Results")[0]) == (expected == "pass")
    whole.empty_mailboxes()


def test_with_ekiden_spf(whole):
    with whole.connect() as client:
        client.greet("host.example")
        for sender, code in (("x@bad.example", 550), ("x@dead.example", 451), ("x@good.example", 250)):
            assert client.command(f"MAIL FROM:<{sender}>").code == 250
            answer = client.command(f"RCPT TO:<{ALICE}>")
            assert answer.code == code, answer
            if sender == "x@bad.example":
                assert f"x@bad.example is not sent from 127.0.0.1" in answer.text, answer
            if code != 250:
                assert client.command("RSET").code == 250
        assert client.data(b"Subject: x\r\n\r\nbody\r\n.\r\n").code == 250
    message = whole.wait_for_mail("alice")[0]
    assert results_of(message)[0] == [("spf", "pass", {"smtp.mailfrom": "x@good.example"}),
                                      ("spf", "pass", {"smtp.helo": "host.example"})]
    whole.empty_mailboxes()
