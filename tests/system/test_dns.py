"""lib/dns through ekiden-dns, against a scripted name server (attack cases J01-J09, J21)."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from name_server import NameServer, Packet
from ports import free_port

PERMANENT, USAGE, TEMPORARY = 1, 100, 111
PATIENCE = 2  # seconds, of questions that get no answer
LEEWAY = 30  # seconds, for a slow machine to start and end a program
ADDRESS = "10.0.0.1"
SILENT = "no answer from the name servers in time"
MALFORMED = "malformed"


class Asker:
    """Runs ekiden-dns with a control folder that names the given servers."""

    def __init__(self, folder, build):
        self.folder = folder
        self.program = folder / "ekiden-dns"
        shutil.copy2(build / "ekiden-dns", self.program)
        folder.chmod(0o755)
        self.control = folder / "control"
        self.control.mkdir(mode=0o755)

    def __call__(self, servers, kind, *names, seconds=20, prefix=(), **options):
        lines = [server if isinstance(server, str) else server.endpoint for server in servers]
        (self.control / "nameservers").write_text("".join(f"{line}\n" for line in lines))
        start = time.monotonic()
        command = [*prefix, self.program, "-C", self.control, "-t", str(seconds), kind, *names]
        done = subprocess.run(command, capture_output=True, timeout=seconds + 2 * LEEWAY, **options)
        assert time.monotonic() - start < seconds + LEEWAY
        self.code, self.errors = done.returncode, done.stderr.decode("ascii")
        self.out = done.stdout.decode("ascii")  # nothing else may come out
        assert "Sanitizer" not in self.errors and "runtime error" not in self.errors, self.errors
        assert self.code in (0, PERMANENT, TEMPORARY, USAGE), (self.code, self.errors)
        return self.out.splitlines()


@pytest.fixture(scope="module")
def ask(scratch, build, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    return Asker(Path(tempfile.mkdtemp(prefix="dns-", dir=scratch)), build)


# --- right answers ---

RIGHT = {
    ("example.test", "MX"): [(10, "mx.example.test"), (20, "MX2.Example.Test")],
    ("mx.example.test", "A"): ["127.0.0.2", "127.0.0.3"],
    ("mx.example.test", "AAAA"): ["2001:db8::25"],
    ("null.test", "MX"): [(0, ".")],
    ("text.test", "TXT"): ["v=spf1 -all", ["a", b"\0\x1b\xff\\"], "l" * 600, [""]],
    ("2.0.0.127.in-addr.arpa", "PTR"): ["mx.example.test"],
    ("5.2.0.0" + ".0" * 20 + ".8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["six.test"],
    ("many.test", "A"): [f"10.1.{n // 250}.{n % 250}" for n in range(500)],
    ("more.test", "A"): [f"10.{n // 62500}.{n // 250 % 250}.{n % 250}" for n in range(1500)],
    ("txt.only.test", "TXT"): ["x"],
}


@pytest.fixture(scope="module")
def right():
    with NameServer(RIGHT) as server:
        yield server


@pytest.mark.parametrize(
    "kind, name, lines",
    [
        ("MX", "example.test", ["10 mx.example.test", "20 mx2.example.test"]),
        ("MX", "EXAMPLE.Test.", ["10 mx.example.test", "20 mx2.example.test"]),
        ("A", "mx.example.test", ["127.0.0.2", "127.0.0.3"]),
        ("AAAA", "mx.example.test", ["2001:db8::25"]),
        ("MX", "null.test", ["0 ."]),
        ("PTR", "127.0.0.2", ["mx.example.test"]),
        ("ptr", "2001:db8::25", ["six.test"]),
        ("TXT", "text.test",
         ['"v=spf1 -all"', '"a\\x00\\x1b\\xff\\x5c"', '"' + "l" * 600 + '"', '""']),
    ],
)
def test_right(ask, right, kind, name, lines):
    assert ask([right], kind, name) == [f"{name} {kind.upper()} {line}" for line in lines]
    assert ask.code == 0 and ask.errors == ""


def test_500_addresses_come_by_tcp(ask, right):
    found = ask([right], "A", "many.test")
    assert found == [f"many.test A {address}" for address in RIGHT["many.test", "A"]]
    assert right.asked("many.test", "A", "tcp") == 1


def test_more_records_than_are_looked_at(ask, right):
    assert len(ask([right], "A", "more.test")) == 1000


def test_what_is_not_there(ask, right):
    names = ["nothing.test", "only.test", "txt.only.test", "example.test"]
    assert ask([right], "MX", *names)[0].startswith("example.test MX 10 ")
    assert ask.code == PERMANENT
    assert [line.split(": ", 1)[1] for line in ask.errors.splitlines()] == [
        "nothing.test MX: no such name",
        "only.test MX: no record of this type",
        "txt.only.test MX: no record of this type",
    ]


@pytest.mark.parametrize(
    "name",
    ["", "..", ".test", "a..test", "a" * 64 + ".test", "x." * 127 + "toolong", "a b.test", "a\nb",
     "\u00e4.test", "a\\", "a\\300b"],
)
def test_names_that_dns_cannot_hold(ask, right, name):
    before = len(right.questions)
    assert ask([right], "A", name) == []
    assert ask.code == PERMANENT
    assert ask.errors.endswith("not a name that DNS can hold\n")
    assert len(right.questions) == before


def test_form_of_the_question(ask, right):
    ask([right], "A", "form.test")
    question = right.questions[-1]
    assert question.name == "form.test" and question.type == "A"
    assert question.flags == 0x0120, "RD and AD"
    assert question.edns == 1232


def test_ids_and_ports_are_random(ask, right):
    names = [f"random{number}.test" for number in range(64)]
    ask([right], "A", *names)
    asked = [question for question in right.questions if question.name.startswith("random")]
    assert len(asked) == 64
    # 64 of 65536 and of 28232 or so: a few of them may be equal.
    assert len({question.id for question in asked}) > 55
    assert len({question.source for question in asked}) > 50
    assert sorted(question.id for question in asked) != [question.id for question in asked]


# --- wrong answers ---

FAILS = {  # at once: behaviour, argument, what is said
    "servfail": (None, "SERVFAIL"),
    "refused": (None, "REFUSED"),
    "formerr": (None, "FORMERR"),
    "notimp": (None, "NOTIMP"),
    "cut": (3, MALFORMED),
    "trailing": (None, MALFORMED),
    "pointer-loop": (None, MALFORMED),
    "pointer-self": (None, MALFORMED),
    "pointer-end": (None, MALFORMED),
    "label-64": (64, MALFORMED),
    "label-128": (128, MALFORMED),
    "label-191": (191, MALFORMED),
    "rdlength-less": (-1, MALFORMED),
    "rdlength-more": (1, MALFORMED),
    "rdlength-most": (65531, MALFORMED),
    "count": (65535, MALFORMED),
    "wrong-owner": (None, MALFORMED),
    "truncate-always": (None, "truncated its answer by TCP"),
    "tcp-close": (None, "broke its answer by TCP off"),
    "tcp-length-less": (-5, MALFORMED),
    "tcp-length-least": (-65535, MALFORMED),
    "tcp-wrong-id": (None, "answered another question"),
}
IGNORED = {
    "silence": None, "wrong-id": None, "wrong-question": None, "wrong-type": None,
    "wrong-class": None, "wrong-port": None, "wrong-address": None, "query-bit": None,
    "opcode": None, "garbage": 500, "empty": None, "short": None, "header": None,
    "no-question": None, "two-questions": None,
    # by TCP: not complete in time
    "tcp-silence": None, "tcp-slow": None, "tcp-length-more": 5,
}  # fmt: skip
BEHAVIOURS = ("label", "rdlength", "tcp-length")


def hostile(cases):
    """Records and behaviours of a server whose names are CASES."""
    behaviours = {}
    for case, argument in cases.items():
        name = next((each for each in BEHAVIOURS if case.startswith(each + "-")), case)
        behaviours[f"{case}.test"] = name if argument is None else (name, argument)
    return {(name, "A"): [ADDRESS] for name in behaviours}, behaviours


@pytest.mark.parametrize("case", FAILS)
def test_a_failure_is_temporary_and_quick(ask, case):
    """J01, J04, J05: never "no such name", and the next server is asked."""
    argument, text = FAILS[case]
    name = f"{case}.test"
    records, behaviours = hostile({case: argument})
    with NameServer(records, behaviours) as server, NameServer(records) as good:
        began = time.monotonic()
        assert ask([server], "A", name, seconds=60) == []
        seconds = time.monotonic() - began
        assert ask.code == TEMPORARY
        assert text in ask.errors
        # Not before EDNS was left out, for those that may not know it; and once by TCP. A server
        # that was stalled for a second may be asked again before its answer comes.
        expected = 2 if case in ("formerr", "notimp") else 1
        assert server.asked(name, transport="udp") in range(expected, expected + 1 + int(seconds))
        assert server.asked(name, transport="tcp") == (1 if "tcp" in case or "trunc" in case else 0)
        assert ask([server, good], "A", name) == [f"{name} A {ADDRESS}"]
        assert ask.code == 0


def test_what_is_no_answer_is_ignored_until_the_deadline(ask):
    """J04, J05, J06, J21."""
    with NameServer(*hostile(IGNORED)) as server:
        names = [f"{case}.test" for case in IGNORED]
        assert ask([server], "A", *names, seconds=PATIENCE) == []
        assert ask.code == TEMPORARY
        for line, name in zip(ask.errors.splitlines(), names, strict=True):
            assert line == f"ekiden-dns: {name} A: {SILENT}"
        for name in names:
            assert server.asked(name) >= 2, f"{name}: asked again, or by TCP"


def test_the_next_server_answers_when_one_does_not(ask):
    records, behaviours = hostile(IGNORED)
    with NameServer(records, behaviours) as bad, NameServer(records) as good:
        names = [f"{case}.test" for case in IGNORED if not case.startswith("tcp")]
        found = ask([bad, good], "A", *names)
        assert found == [f"{name} A {ADDRESS}" for name in names]
        assert ask.code == 0


@pytest.mark.parametrize("behaviour", ["flood", "flood-only"])
def test_a_flood_of_wrong_ids(ask, behaviour):
    """J06: after some of them the question goes by TCP, where ids cannot be guessed."""
    flood = {"flood.test": (behaviour, 10000)}
    with NameServer({("flood.test", "A"): [ADDRESS]}, flood) as server:
        assert ask([server], "A", "flood.test") == [f"flood.test A {ADDRESS}"]
        assert server.asked("flood.test", transport="tcp") == 1


def test_a_few_strangers_before_the_answer(ask):
    with NameServer({("few.test", "A"): [ADDRESS]}, {"few.test": ("flood", 20)}) as server:
        assert ask([server], "A", "few.test") == [f"few.test A {ADDRESS}"]
        assert server.asked("few.test", transport="tcp") == 0


@pytest.mark.parametrize("behaviour", ["case", "noedns", "truncate", ("delay", 0.3)])
def test_odd_and_right(ask, behaviour):
    with NameServer({("odd.test", "A"): [ADDRESS]}, {"odd.test": behaviour}) as server:
        assert ask([server], "A", "odd.test") == [f"odd.test A {ADDRESS}"]


def test_a_lost_packet_costs_a_second_try(ask):
    with NameServer({("lost.test", "A"): [ADDRESS]}, {"lost.test": ["silence"]}) as server:
        assert ask([server], "A", "lost.test") == [f"lost.test A {ADDRESS}"]
        first, second = server.questions[:2]
        assert first.source != second.source, "a new port a try"


def test_a_referral_is_not_believed(ask, right):
    def refer(question, _packet):
        packet = Packet(question, 0, 0)
        packet.record(2, "test", "NS", "ns.elsewhere.test")
        return [packet.wire()]

    with NameServer({}, {"*": refer}) as lame:
        assert ask([lame], "A", "mx.example.test") == []
        assert ask.code == TEMPORARY
        assert len(ask([lame, right], "A", "mx.example.test")) == 2


def test_a_closed_port_is_left_at_once(ask, right):
    port = free_port()
    assert len(ask([f"127.0.0.1:{port}", right], "A", "mx.example.test")) == 2
    assert ask([f"127.0.0.1:{port}"], "A", "mx.example.test", seconds=60) == []
    assert ask.code == TEMPORARY and "cannot be reached" in ask.errors


def test_questions_are_asked_at_the_same_time(ask):
    """One after the other, 40 of 0.3 seconds would not be done in 8."""
    names = [f"slow{number}.test" for number in range(40)]
    records = {(name, "A"): [ADDRESS] for name in names}
    with NameServer(records, {"*": ("delay", 0.3)}) as server:
        assert len(ask([server], "A", *names, seconds=8)) == 40


# --- chains of CNAMEs ---


def chain(length, kind="A", value=ADDRESS):
    records = {(f"c{n}.test", "CNAME"): [f"c{n + 1}.test"] for n in range(length)}
    records[f"c{length}.test", kind] = [value]
    return records


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("length", [1, 8])
def test_a_chain_in_one_answer_or_in_many(ask, length, follow):
    with NameServer(chain(length), follow=follow) as server:
        assert ask([server], "A", "c0.test") == [f"c0.test A {ADDRESS}"]
        assert len(server.questions) == (1 if follow else length + 1)


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize("records", [chain(9), chain(20), {("c0.test", "CNAME"): ["c0.test"]},
                                     {**chain(3), ("c2.test", "CNAME"): ["C0.Test"]}])
def test_a_chain_without_end(ask, records, follow):
    """J03"""
    with NameServer(records, follow=follow) as server:
        assert ask([server], "A", "c0.test", seconds=60) == []
        assert ask.code == TEMPORARY and "CNAME" in ask.errors
        assert len(server.questions) <= 10


@pytest.mark.parametrize("follow", [True, False])
def test_a_chain_into_nothing(ask, follow):
    records = {("gone.test", "CNAME"): ["nowhere.test"], ("bare.test", "CNAME"): ["text.test"],
               ("text.test", "TXT"): ["x"], ("dead.test", "CNAME"): ["servfail.test"]}
    with NameServer(records, {"servfail.test": "servfail"}, follow=False) as server:
        ask([server], "A", "gone.test", "bare.test", "dead.test")
        assert [line.split(": ")[2] for line in ask.errors.splitlines()] == [
            "no such name", "no record of this type", "a name server answered SERVFAIL"]
        assert ask([server], "CNAME", "gone.test") == ["gone.test CNAME nowhere.test"]


# --- the AD bit ---


def test_authenticated(ask):
    records = {**chain(1), ("only.test", "A"): [ADDRESS]}
    behaviours = {"only.test": "ad", "c0.test": "ad", "none.test": "ad"}
    with NameServer(records, behaviours, follow=False) as server:
        assert ask([server], "A", "only.test", "c1.test") == [
            f"only.test A {ADDRESS} ad", f"c1.test A {ADDRESS}"]
        assert ask([server], "A", "c0.test") == [f"c0.test A {ADDRESS}"], "one link is not"
        behaviours["c1.test"] = "ad"
        assert ask([server], "A", "c0.test") == [f"c0.test A {ADDRESS} ad"]
        assert ask([server], "A", "none.test") == []
        assert ask.errors.endswith("no such name (ad)\n")


NETWORK = "ip link set lo up && ip address add 192.0.2.53/32 dev lo && echo ready && cat"


@pytest.mark.root
@pytest.mark.needs("unshare", "nsenter", "ip")
def test_authenticated_by_a_stranger(ask):
    """Only a loopback address or one that is marked is believed; the port is 53 by default."""
    holder = subprocess.Popen(["unshare", "-n", "sh", "-c", NETWORK], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"ready\n":
            pytest.skip("no network namespaces here")
        namespace = f"/proc/{holder.pid}/ns/net"
        enter = ["nsenter", f"--net={namespace}"]
        with NameServer({("a.test", "A"): [ADDRESS]}, {"*": "ad"}, "192.0.2.53", 53,
                        namespace=namespace):
            assert ask(["192.0.2.53"], "A", "a.test", prefix=enter) == [f"a.test A {ADDRESS}"]
            assert ask(["192.0.2.53 trusted"], "A", "a.test", prefix=enter) == [
                f"a.test A {ADDRESS} ad"]
            # No server and no way there: at once, both.
            assert ask(["192.0.2.54", "[2001:db8::53]:53"], "A", "a.test", seconds=60,
                       prefix=enter) == []
            assert ask.code == TEMPORARY
    finally:
        holder.communicate()


# --- names that strangers made up ---


def test_odd_names_come_out_escaped(ask):
    """J08"""
    odd = [b"\x00\n\x1b", b"a b;`$(id)", b"\xff\xe2\x80\xae", b'"\\@.|&']
    wire = b"".join(bytes([len(label)]) + label for label in odd) + b"\x04TEST\x00"
    records = {("odd.test", "PTR"): [wire], ("odd.test", "CNAME"): [wire],
               ("odd.test", "MX"): [b"\x00\x05" + wire]}
    with NameServer(records) as server:
        escaped = ("\\000\\010\\027.a\\032b\\;`\\$\\(id\\).\\255\\226\\128\\174"
                   '.\\"\\\\\\@\\.|&.test')
        assert ask([server], "PTR", "odd.test") == [f"odd.test PTR {escaped}"]
        assert ask([server], "MX", "odd.test") == [f"odd.test MX 5 {escaped}"]
        assert ask([server], "CNAME", "odd.test") == [f"odd.test CNAME {escaped}"]
        # What came out can be asked for.
        ask([server], "A", escaped)
        assert server.questions[-1].wire_name == wire.lower()


def test_rdata_of_the_wrong_size(ask):
    bad = {"a": ("A", b"\1\2\3"), "aaaa": ("AAAA", b"\1" * 17), "mx": ("MX", b"\0\1"),
           "mx2": ("MX", b"\0\1\3ab"), "mx3": ("MX", b"\0\1\0\0"), "ptr": ("PTR", b""),
           "txt": ("TXT", None), "loop": ("PTR", b"\xc0\x0c\0")}
    for name, (kind, data) in bad.items():
        def answer(question, _packet, data=data):
            packet = Packet(question, 0, 0)
            packet.record(1, question.name, 999, b"\5abc" if data is None else data)
            wire = packet.wire()
            end = 12 + len(question.wire_name)
            record = wire[end + 4 :]
            return [wire[: end + 4] + record[:2] + wire[end : end + 2] + record[4:]]

        with NameServer({}, {"*": answer}) as server:
            assert ask([server], kind, f"{name}.test", seconds=60) == []
            assert ask.code == TEMPORARY and MALFORMED in ask.errors, (name, ask.errors)


# --- settings ---


@pytest.mark.parametrize(
    "line",
    ["localhost", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:53x", "::1:53:",
     "[::1", "[::1]53", "[::1]:", "127.0.0.1 trust", "127.0.0.1 trusted now", "127.0.0.1 # ours",
     "127.1", "1.2.3.4.5", "x" * 200, ":53"],
)
def test_a_setting_that_is_none(ask, line):
    ask(["127.0.0.1", line], "A", "a.test")
    assert ask.code == USAGE
    assert "control/nameservers:2: expected a name server such as" in ask.errors


def test_too_many_servers(ask):
    ask(["127.0.0.1"] * 9, "A", "a.test")
    assert ask.code == USAGE and "nameservers:9: expected at most 8 name servers" in ask.errors


def test_servers_by_ipv6(ask):
    try:
        server = NameServer({("six.test", "A"): [ADDRESS]}, {"*": "ad"}, address="::1").__enter__()
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        assert ask([server], "A", "six.test") == [f"six.test A {ADDRESS} ad"]
    finally:
        server.__exit__()


def test_usage(ask):
    for arguments in (["A"], ["HINFO", "a.test"], ["-t", "0", "A", "a.test"], ["-q"],
                      ["A", *["a.test"] * 65]):
        done = subprocess.run([ask.program, *arguments], capture_output=True, timeout=LEEWAY)
        assert done.returncode == USAGE and done.stdout == b"" and done.stderr


@pytest.mark.root
def test_as_a_plain_user(ask, right):
    found = ask([right], "MX", "null.test", user="nobody", group="nogroup", extra_groups=[])
    assert found == ["null.test MX 0 ."]
