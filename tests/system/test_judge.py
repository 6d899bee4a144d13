"""ekiden-judge through its socket, against a scripted name server (judge/question.h)."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from instance import Process, wait_for
from judge import Judge
from name_server import NameServer

CLIENT = "192.0.2.7"
REVERSED = "7.2.0.192"
POINTER = f"{REVERSED}.in-addr.arpa"
PATIENT = 60  # `dnsdeadline` where a test is about something else
MEMORY = 8192  # KiB
JUDGE_USER = "ekidenj"


@pytest.fixture(scope="module")
def programs(build, scratch):
    """A place from which every user can run it."""
    folder = Path(tempfile.mkdtemp(prefix="judge-", dir=scratch))
    folder.chmod(0o755)
    shutil.copy2(build / "ekiden-judge", folder)
    return folder


@pytest.fixture
def folder(scratch, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    made = Path(tempfile.mkdtemp(prefix="judge-", dir=scratch))
    made.chmod(0o755)
    return made


@pytest.fixture
def judge(programs, folder):
    """judge(control, records, behaviours): a judge and its name server."""
    opened = []

    def start(control, records=None, behaviours=None, servers=None, **options):
        control = {"dnsdeadline": f"{PATIENT}\n", **control}
        server = NameServer(records, behaviours)
        opened.append(server.__enter__())
        made = Judge(programs, folder, control, servers or server, **options)
        opened.append(made)
        made.server = server
        return made

    yield start
    failed = None
    for one in reversed(opened):
        try:
            one.__exit__(None, None, None)
        except AssertionError as error:
            failed = error
    if failed:
        raise failed


def verdicts(findings):
    return "".join(finding.verdict for finding in findings)


def listed(zone, *values, text=None, key=REVERSED):
    records = {(f"{key}.{zone}", "A"): list(values)}
    if text is not None:
        records[(f"{key}.{zone}", "TXT")] = [text]
    return records


# --- dnsbl ---


def test_dnsbl(judge):
    records = {
        **listed("one.test", "127.0.0.2", text="See https://one.test/?192.0.2.7"),
        **listed("two.test", "127.0.0.2", "127.0.0.11"),
        **listed("three.test", "127.0.0.9"),
    }
    asked = judge({"dnsbl": "# ours\n\none.test\nTwo.Test. 127.0.0.4-127.0.0.11 Go away, please.\n"
                            "three.test 127.0.0.2,127.0.0.3,127.0.1.0/24\nfour.test\n"}, records)
    found = asked.ask("C", CLIENT)
    assert verdicts(found) == "rr--"
    assert [finding.place for finding in found] == [f"dnsbl:{line}" for line in (3, 4, 5, 6)]
    assert found[0][1:3] == (550, "dnsbl") and found[0].status == "5.7.1"
    assert found[0].text == f"client {CLIENT} is listed by one.test: " \
                            "See https://one.test/?192.0.2.7"
    assert found[0].trail == f"{REVERSED}.one.test A -> 127.0.0.2; " \
                             f"{REVERSED}.one.test TXT -> See https://one.test/?192.0.2.7"
    assert found[1].text == f"client {CLIENT} is listed (dnsbl): Go away, please."
    assert found[1].trail == f"{REVERSED}.two.test A -> 127.0.0.2, 127.0.0.11"
    assert found[3].trail == f"{REVERSED}.four.test A -> no such name"
    # A text is asked for where it is needed only.
    assert asked.server.asked(kind="TXT") == 1 and asked.server.asked() == 5


def test_dnsbl_ipv6(judge):
    key = "7.0.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2"
    records = {**listed("six.test", "127.0.0.2", key=key), **listed("four.test", "127.0.0.2")}
    asked = judge({"dnsbl": "six.test\nfour.test\n"}, records)
    assert verdicts(asked.ask("C", "2001:db8::7")) == "r-"
    assert asked.server.asked(f"{key}.six.test", "A") == 1
    # An IPv4 address, whatever it is written as.
    assert verdicts(asked.ask("C", f"::ffff:{CLIENT}")) == "-r"


def test_weights_and_allow_lists(judge):
    records = {**listed("a.test", "127.0.0.2"), **listed("b.test", "127.0.0.2"),
               **listed("good.test", "127.0.0.2")}
    lists = "a.test weight=2\nb.test 127.0.0.2 weight=3\nc.test weight=9\n"
    below = judge({"dnsbl": lists, "dnsblthreshold": "6\n"}, records)
    found = below.ask("C", CLIENT)
    assert verdicts(found) == "nn-" and found[0].number == 0
    assert found[0].text == f"client {CLIENT} is listed by a.test"
    above = judge({"dnsbl": lists + "+good.test\n+bad.test\n", "dnsblthreshold": "5\n"}, records)
    assert verdicts(above.ask("C", CLIENT)) == "rr-+-"


def test_errors_of_lists(judge):
    """What is no answer about the client does not count, and the log tells, once."""
    records = {
        **listed("blocked.test", "127.255.255.254"),
        **listed("sold.test", "198.51.100.1"),
        **listed("nobody.test", "127.0.0.1"),
        **listed("both.test", "127.255.255.252", "127.0.0.2"),
        **listed("meant.test", "127.0.0.1"),
    }
    asked = judge({"dnsbl": "blocked.test\nsold.test\nnobody.test\nboth.test\n"
                            "meant.test 127.0.0.1\n"}, records)
    found = asked.ask("C", CLIENT)
    assert verdicts(found) == "---rr"
    assert "an error of the list" in found[0].trail
    assert verdicts(asked.ask("C", CLIENT)) == "---rr"
    errors = [line for line in asked.log().splitlines() if "event=list-error" in line]
    assert len(errors) == 4, errors
    assert f"rule=dnsbl line=1 list=blocked.test of={CLIENT} answer=127.255.255.254" in errors[0]


def test_lists_that_do_not_answer(judge):
    down = {f"{REVERSED}.down.test": "servfail", f"{REVERSED}.mad.test": "truncate-always"}
    records = listed("up.test", "127.0.0.2")
    accepting = judge({"dnsbl": "down.test\nmad.test\n+down.test\nup.test\n"}, records, down)
    found = accepting.ask("C", CLIENT)
    assert verdicts(found) == "???r" and "SERVFAIL" in found[0].text
    deferring = judge({"dnsbl": "down.test\n+down.test\nnone.test\n", "dnsdown": "defer\n",
                       "checks": "reverse-dns log\nforward-dns refuse\n"}, records,
                      {**down, POINTER: "refused"})
    found = deferring.ask("C", CLIENT)
    assert verdicts(found) == "d?-?d"  # an allow list and what is only logged are no reason
    assert (found[0].number, found[0].status) == (451, "4.4.3")


def test_hostile_texts(judge):
    """A list's TXT in a reply is one line of printable ASCII, and not long."""
    every = bytes(range(256))
    records = {**listed("every.test", "127.0.0.2", text=every),
               **listed("huge.test", "127.0.0.2", text=b"a" * 40000),
               **listed("many.test", "127.0.0.2")}
    records[(f"{REVERSED}.many.test", "TXT")] = [f"text {number}" for number in range(1000)]
    asked = judge({"dnsbl": "every.test\nhuge.test\nmany.test\n"}, records)
    found = asked.ask("C", CLIENT)  # parse_answer looks at each byte
    assert verdicts(found) == "rrr"
    assert "??? !\"#$%&'()*+,-./0123456789:;<=>?@ABC" in found[0].text
    assert len(found[1].text) <= 300 and found[1].text.endswith("aaa")
    assert found[2].text.endswith("listed by many.test: text 0")


# --- rhsbl ---


def test_rhsbl(judge):
    records = {("bad.example.rh.test", "A"): ["127.0.1.2"],
               ("xn--n-1ga.example.rh.test", "A"): ["127.0.1.2"],
               ("bad.example.helo.test", "A"): ["127.0.1.2"]}
    asked = judge({"rhsbl": "rh.test\nhelo.test for=helo\nsender.test for=sender Not you.\n"
                            "+ok.test for=sender,helo\n"}, records)
    found = asked.ask("H", "BAD.example")
    assert verdicts(found) == "rr-"
    assert found[0].text == "HELO name bad.example is listed by rh.test"
    assert found[1].place == "rhsbl:2"
    found = asked.ask("M", "someone@bad.example")
    assert verdicts(found) == "r--" and found[1].place == "rhsbl:3"
    assert found[0].text == "sender domain bad.example is listed by rh.test"
    assert verdicts(asked.ask("M", "someone@nö.example")) == "r--"
    assert verdicts(asked.ask("H", "bad.example.")) == "rr-"  # the root's dot hides nothing
    before = asked.server.asked()
    # Not for literals, addresses without brackets, what is no domain, and nobody.
    for name in ("[192.0.2.7]", "[IPv6:2001:db8::7]", "192.0.2.7", "localhost", "a..b", "a b.c",
                 "x" * 300 + ".example", ""):
        assert asked.ask("H", name) == []
        assert asked.ask("M", f"someone@{name}" if name else "") == []
    assert asked.ask("M", "postmaster") == []
    assert asked.server.asked() == before


# --- checks ---


def test_client_names(judge):
    names = [f"mail{number}.example" for number in range(12)]
    records = {
        (POINTER, "PTR"): ["liar.example", "bad\\000name.example", "Mail.Example"],
        ("liar.example", "A"): ["198.51.100.1"],
        ("mail.example", "A"): ["198.51.100.2", CLIENT],
        ("8.2.0.192.in-addr.arpa", "PTR"): ["liar.example"],
        ("9.2.0.192.in-addr.arpa", "PTR"): names,
        (names[11], "A"): ["192.0.2.9"],
        ("7.0.0.0." + "0.0.0.0." * 5 + "8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["six.example"],
        ("six.example", "AAAA"): ["2001:db8::7"],
        ("12.2.0.192.in-addr.arpa", "PTR"): ["slow.example", "liar.example"],
    }
    asked = judge({"checks": "# names\nreverse-dns refuse\nforward-dns defer\n"}, records,
                  {"10.2.0.192.in-addr.arpa": "servfail", "slow.example": "servfail"})
    found = asked.ask("C", CLIENT)
    assert verdicts(found) == "--" and found[1].text == "mail.example"
    assert [finding.place for finding in found] == ["checks:2", "checks:3"]
    assert asked.server.asked("bad\\000name.example") == 0
    assert found[1].trail.endswith("liar.example A -> 198.51.100.1; "
                                   f"mail.example A -> 198.51.100.2, {CLIENT}")
    found = asked.ask("C", "192.0.2.8")
    assert verdicts(found) == "-d" and (found[1].number, found[1].status) == (450, "4.7.25")
    # Of many names ten are followed.
    assert verdicts(asked.ask("C", "192.0.2.9")) == "-d"
    assert asked.server.asked(names[9], "A") == 1 and asked.server.asked(names[10], "A") == 0
    assert verdicts(asked.ask("C", "192.0.2.10")) == "??"
    found = asked.ask("C", "192.0.2.11")
    assert verdicts(found) == "rd" and (found[0].number, found[0].status) == (550, "5.7.25")
    assert "192.0.2.11 has no name" in found[0].text
    assert verdicts(asked.ask("C", "192.0.2.12")) == "-?"
    assert asked.ask("C", "2001:db8::7")[1].text == "six.example"


def test_helo_names(judge):
    records = {("a.example", "A"): ["192.0.2.1"], ("six.example", "AAAA"): ["2001:db8::1"],
               ("mx.example", "MX"): [(10, "a.example")], ("txt.example", "TXT"): ["nothing"],
               ("xn--n-1ga.example", "A"): ["192.0.2.1"], ("found.example", "A"): ["192.0.2.1"]}
    asked = judge({"checks": "helo-dns refuse\n"}, records,
                  {"down.example": "servfail", ("found.example", "MX"): "silence",
                   ("half.example", "AAAA"): "servfail"})
    for name in ("a.example", "A.EXAMPLE", "six.example", "mx.example", "nö.example",
                 "[192.0.2.1]", "found.example"):
        assert verdicts(asked.ask("H", name)) == "-", name
    for name in ("txt.example", "none.example", "localhost", "192.0.2.1", "a..b", "x" * 500, ""):
        found = asked.ask("H", name)
        assert verdicts(found) == "r" and (found[0].number, found[0].status) == (550, "5.7.1")
    assert verdicts(asked.ask("H", "down.example")) == "?"
    assert verdicts(asked.ask("H", "half.example")) == "?"


def test_senders(judge):
    records = {("mx.example", "MX"): [(10, "a.example")], ("a.example", "A"): ["192.0.2.1"],
               ("six.example", "AAAA"): ["2001:db8::1"], ("null.example", "MX"): [(0, ".")],
               ("null.example", "A"): ["192.0.2.1"],
               ("useless.example", "MX"): [(10, "192.0.2.1"), (20, "localhost"), (30, ".")],
               ("mixed.example", "MX"): [(10, "192.0.2.1"), (20, "a.example")],
               ("quick.example", "MX"): [(10, "a.example")], ("txt.example", "TXT"): ["nothing"],
               ("mxdown.example", "A"): ["192.0.2.1"]}
    asked = judge({"checks": "sender-dns refuse\n"}, records,
                  {("quick.example", "AAAA"): "silence", ("mxdown.example", "MX"): "servfail",
                   "down.example": "servfail"})
    for sender in ("x@mx.example", "x@MX.Example", "x@six.example", "x@mixed.example",
                   "x@quick.example", "x@[192.0.2.1]", "", "postmaster", "#@[]",
                   '"a@null.example"@mx.example'):
        assert verdicts(asked.ask("M", sender)) == "-", sender
    for sender, status in (("x@null.example", "5.7.27"), ("x@useless.example", "5.1.8"),
                           ("x@192.0.2.1", "5.1.8"), ("x@mx.example.1", "5.1.8"),
                           ("x@txt.example", "5.1.8"), ("x@none.example", "5.1.8")):
        found = asked.ask("M", sender)
        assert verdicts(found) == "r" and (found[0].number, found[0].status) == (550, status)
    assert verdicts(asked.ask("M", "x@down.example")) == "?"
    assert verdicts(asked.ask("M", "x@mxdown.example")) == "?"


def test_actions(judge):
    asked = judge({"checks": "sender-dns log\nhelo-dns defer\nreverse-dns off\n"})
    found = asked.ask("M", "x@none.example")
    assert verdicts(found) == "n" and "none.example" in found[0].text
    assert verdicts(asked.ask("H", "none.example")) == "d"
    assert asked.ask("C", CLIENT) == []


# --- all at once ---


class TogetherServer(NameServer):
    """A name server that answers a round when all of it has come: what is asked one after the other
    never gets past it."""

    def __init__(self, records, sizes):
        super().__init__(records)
        self.sizes, self.waiting, self.rounds = list(sizes), {}, []

    def answer_datagram(self, question, source, behaviour, argument):
        self.waiting[question.name, question.type] = (question, source)  # the last of its tries
        if not self.sizes or len(self.waiting) < self.sizes[0]:
            return
        self.sizes.pop(0)
        self.rounds.append(set(self.waiting))
        ready, self.waiting = self.waiting, {}
        for one, asker in ready.values():
            super().answer_datagram(one, asker, None, None)


def test_all_questions_of_a_session_at_once(programs, folder):
    """Four lists, the client's names, HELO and sender: two rounds in all, the second for the names
    that the first one found."""
    records = {(POINTER, "PTR"): ["b.example", "a.example"], ("a.example", "A"): [CLIENT],
               ("b.example", "A"): [CLIENT], ("c.example", "MX"): [(0, "a.example")]}
    control = {"dnsbl": "1.test\n2.test\n3.test\n4.test\n", "rhsbl": "5.test\n",
               "checks": "reverse-dns refuse\nforward-dns refuse\nhelo-dns refuse\n"
                         "sender-dns refuse\n", "dnsdeadline": f"{PATIENT}\n"}
    # C: 4 lists, PTR. H: A, AAAA, MX, a list. M: the same. Then: the A of two names, of which that
    # of the HELO name is known by then.
    with TogetherServer(records, [13, 1]) as server, Judge(programs, folder, control,
                                                           server) as asked:
        numbers = [asked.send("C", CLIENT), asked.send("H", "a.example"),
                   asked.send("M", "x@c.example")]
        found = [verdicts(asked.wait(number)) for number in numbers]
        assert found == ["------", "--", "--"]
        assert server.rounds[1] == {("b.example", "A")} and not server.waiting


def test_what_is_known_is_not_asked_again(judge):
    records = {("a.example", "MX"): [(0, "a.example")], ("a.example", "A"): ["192.0.2.1"]}
    asked = judge({"checks": "helo-dns refuse\nsender-dns refuse\n", "rhsbl": "rh.test\n"}, records)
    for _ in range(20):
        assert verdicts(asked.ask("H", "a.example")) == "--"
        assert verdicts(asked.ask("M", "x@a.example")) == "--"
    assert asked.server.asked() == 4


def test_flood(judge):
    """Names without end: each question is answered, work and memory are bounded, and who does that
    is asked to come again."""
    asked = judge({"checks": "helo-dns refuse\nsender-dns refuse\n"})
    letters = {}
    for number in range(400):
        letters[asked.send("H", f"h{number}.example")] = "H"
        letters[asked.send("M", f"x@m{number}.example")] = "M"
        if number % 40 == 0:
            for question in letters:
                asked.wait(question)
    for question in letters:
        asked.wait(question)
    assert set(asked.answers) == set(letters)
    # A question that was answered late came twice.
    assert len({(question.name, question.type) for question in asked.server.questions}) <= 512
    last = asked.answers[max(letters)]
    assert verdicts(last).endswith("d") and last[-1].rule == "dns-questions"
    assert (last[-1].number, last[-1].status) == (450, "4.7.0")
    # What was looked up before still counts.
    assert verdicts(asked.ask("H", "h0.example"))[0] == "r"


def test_superseded(judge):
    """A new HELO is not held up by an old one that nobody answers."""
    records = {("quick.example", "A"): ["192.0.2.1"]}
    asked = judge({"checks": "helo-dns refuse\n"}, records, {"slow.example": "silence"})
    slow = asked.send("H", "slow.example")
    wait_for(lambda: asked.server.asked("slow.example") >= 3, what="its questions")
    quick = asked.send("H", "quick.example")
    assert asked.wait(slow) == [] and verdicts(asked.wait(quick)) == "-"


# --- time ---


def test_silence(judge):
    """Nothing is answered any more after `dnsdeadline`; later questions are not waited for."""
    asked = judge({"dnsbl": "one.test\ntwo.test\n", "checks": "sender-dns refuse\n",
                   "dnsdeadline": "1\n"}, None, {"*": "silence"})
    start = time.monotonic()
    assert verdicts(asked.ask("C", CLIENT)) == "??"
    assert time.monotonic() - start >= 0.9
    assert asked.process.poll() is None
    before = asked.server.asked()
    found = asked.ask("M", "x@new.example")
    assert verdicts(found) == "?" and "time for DNS is over" in found[0].text
    assert asked.server.asked() == before


def test_slow_names_of_a_client_leave_time_for_lists(judge):
    """Else whoever has a slow name server says HELO with its name, waits, and is on no list then."""
    asked = judge({"rhsbl": "rh.test for=sender\n", "checks": "helo-dns log\nsender-dns log\n",
                   "dnsdeadline": "4\n"}, {("bad.example.rh.test", "A"): ["127.0.0.2"]},
                  {"slow.example": "silence"})
    assert verdicts(asked.ask("H", "slow.example")) == "?"
    found = {finding.rule: finding for finding in asked.ask("M", "x@bad.example")}
    assert found["rhsbl"].verdict == "r", found
    assert found["sender-dns"].verdict == "?" and "time for DNS is over" in found["sender-dns"].text


def test_time_runs_only_while_something_is_asked(judge):
    """A client that waits is judged all the same."""
    records = {("null.example", "MX"): [(0, ".")]}
    asked = judge({"checks": "sender-dns refuse\n", "dnsdeadline": "1\n"}, records)
    assert verdicts(asked.ask("M", "x@none.example")) == "r"
    time.sleep(1.2)  # the point: the client is silent for longer than `dnsdeadline`
    assert verdicts(asked.ask("M", "x@null.example")) == "r"


@pytest.mark.parametrize("behaviour", ["refused", "wrong-question", "short", ("flood", 40),
                                       "pointer-loop", "truncate-always", "tcp-close"])
def test_bad_servers(judge, behaviour):
    asked = judge({"dnsbl": "one.test\n", "dnsdeadline": "1\n"}, listed("one.test", "127.0.0.2"),
                  {"*": behaviour})
    assert verdicts(asked.ask("C", CLIENT)) in ("?", "r")


# --- hostile answers and names ---


def test_memory(judge, sanitized):
    """Everything as large as it can be, sixteen lists and all names at once, by TCP."""
    addresses = [f"127.1.{number // 256}.{number % 256}" for number in range(1000)]
    names = [f"n{number}.{'x' * 60}.example" for number in range(800)]
    texts = [b"t" * 60000]
    records = {("*.list.test", "A"): addresses, ("*.list.test", "TXT"): texts,
               (POINTER, "PTR"): names, ("big.example", "MX"): [(1, name) for name in names],
               ("*.example", "A"): addresses,
               ("*.example", "AAAA"): [f"2001:db8::{number:x}" for number in range(1000)]}
    zones = "".join(f"z{number}.list.test\n" for number in range(16))
    asked = judge({"dnsbl": zones, "rhsbl": zones, "checks":
                   "reverse-dns refuse\nforward-dns refuse\nhelo-dns refuse\nsender-dns refuse\n"},
                  records, {"*": "truncate"})
    numbers = [asked.send("C", CLIENT), asked.send("H", "helo.example"),
               asked.send("M", "x@big.example")]
    assert [verdicts(asked.wait(number)) for number in numbers] == \
        ["r" * 16 + "-r", "-" + "r" * 16, "-" + "r" * 16]
    peak = asked.peak_memory()
    print(f"VmHWM {peak} KiB")
    assert sanitized or peak < MEMORY


def test_every_byte(judge):
    """In names that come from the session and from name servers."""
    every = bytes(byte for byte in range(1, 256))
    labels = [every[at : at + 60] for at in range(0, 240, 60)]
    hostile = b".".join(b"".join(b"\\%03d" % byte for byte in label) for label in labels).decode()
    records = {(POINTER, "PTR"): [hostile], ("evil.example", "MX"): [(0, hostile)]}
    asked = judge({"dnsbl": "list.test\n", "rhsbl": "list.test\n",
                   "checks": "reverse-dns refuse\nforward-dns refuse\nhelo-dns refuse\n"
                             "sender-dns refuse\n"}, records)
    found = asked.ask("C", CLIENT)
    assert verdicts(found) == "--r" and found[1].trail.endswith(" PTR -> *")
    assert verdicts(asked.ask("M", "x@evil.example")) == "r-"
    assert verdicts(asked.ask("H", every)) == "r"
    numbers = []
    for byte in range(1, 256):
        name = b"a" + bytes([byte]) + b".example"
        numbers += [asked.send("H", name), asked.send("M", b"x@" + name)]
        if byte % 16 == 0:
            for number in numbers:
                asked.wait(number)
    for number in numbers:
        assert "+" not in verdicts(asked.wait(number))
    for question in asked.server.questions:
        assert all(0x20 < ord(char) < 0x7F for char in question.name)


# --- the protocol ---


@pytest.mark.parametrize("packet", [
    b"X1\0a\0", b"C1\0192.0.2.1", b"C1\0\0", b"C1\0not an address\0", b"C1\0192.0.2.1\0more\0",
    b"C\0192.0.2.1\0", b"C-1\0192.0.2.1\0", b"C99999999999\0192.0.2.1\0", b"R1\0a\0",
    b"H1\0" + b"a" * 601 + b"\0", b"A" * 5000,
])
def test_malformed_questions(programs, folder, packet):
    """It is the session that was taken over, so this one ends."""
    asked = Judge(programs, folder, {"dnsbl": "list.test\n", "nameservers": "127.0.0.1:9\n"})
    with asked.socket:
        asked.socket.settimeout(60)
        asked.socket.send(packet)
        assert asked.socket.recv(100) == b""
        assert asked.process.wait(60) == 111
    assert "event=malformed-question" in asked.log()


def test_ends_with_its_session(judge):
    """Though questions are under way."""
    asked = judge({"dnsbl": "list.test\n"}, None, {"*": "silence"})
    asked.send("C", CLIENT)
    wait_for(lambda: asked.server.asked() > 0, what="its question")
    asked.socket.close()
    assert asked.process.wait(60) == 0


def test_a_reader_that_is_behind(judge):
    """Answers that find no room wait, and no question is lost."""
    records = listed("list.test", "127.0.0.2", text=b"x" * 250)
    asked = judge({"dnsbl": "".join(f"list.test 127.0.0.{n}\n" for n in range(2, 18))}, records)
    asked.socket.setblocking(False)
    sent = 0
    try:
        while sent < 5000:
            asked.send("C", CLIENT)
            sent += 1
            if sent % 20 == 0:
                time.sleep(0.01)
    except BlockingIOError:
        asked.number -= 1
    assert sent > 20
    for number in range(1, sent + 1):
        assert asked.wait(number) is not None


# --- control files ---


def test_malformed_files_are_refused(programs, folder):
    """By hand. A server hands over what it found right: test_judgement.py."""
    asked = Judge(programs, folder, {"dnsbl": "good.test\nbad.test weight=0\n"})
    asked.socket.close()
    assert asked.process.wait(60) == 111
    assert "event=configuration-refused" in asked.log() and "dnsbl:2: expected" in asked.log()


@pytest.mark.root
@pytest.mark.parametrize("user", [None, "nobody"])
def test_privilege(judge, service_users, sanitized, user):
    """Of root nothing is left, and who is nobody's server serves as it is."""
    asked = judge({"dnsbl": "list.test\n"}, listed("list.test", "127.0.0.2"), user=user)
    assert verdicts(asked.ask("C", CLIENT)) == "r"
    process = Process(asked.process.pid)
    expected = pwd.getpwnam(user or JUDGE_USER)
    assert process.status("Uid").split() == [str(expected.pw_uid)] * 4
    assert process.status("CapEff").strip("0") == "" and process.status("NoNewPrivs") == "1"
    assert sanitized or process.status("Seccomp") == "2"


def test_usage(programs):
    for arguments in (["-x"], ["more"], []):
        done = subprocess.run([programs / "ekiden-judge", *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60)
        assert done.returncode == 100 and b"usage" in done.stderr
