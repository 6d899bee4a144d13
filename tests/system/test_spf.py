"""ekiden-spf, against a scripted name server: the test suite of RFC 7208, and what strangers can do
to who evaluates their records (attack cases J03 to J15, J20, J21)."""

import os
import socket
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import spf_vectors
from name_server import NameServer
from spf_asker import Asker, Watch, vectors_missing

CLIENT, CLIENT6 = "192.0.2.1", "2001:db8::25"
LEEWAY = 30  # seconds, for a slow machine to start and end a program
KILOBYTES = 8 << 10
AT_ONCE = 4


@pytest.fixture(scope="module")
def folder(scratch, request):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    return Path(tempfile.mkdtemp(prefix="spf-", dir=scratch))


@pytest.fixture
def world(folder, build):
    """world(records, behaviours, **control files): an asker, and the name server that it asks."""
    servers = []

    def make(records, behaviours=None, **control):
        records = {key: value if isinstance(value, list) else [value]
                   for key, value in records.items()}
        server = NameServer(records, behaviours).__enter__()
        servers.append(server)
        return Asker(folder, build, server, **control), server

    yield make
    for server in servers:
        server.__exit__()


def txt(**records):
    """Records of the domains NAME.test."""
    return {(f"{name}.test", "TXT"): text for name, text in records.items()}


# --- the test suite ---

SECTIONS = spf_vectors.SECTIONS


@pytest.mark.parametrize("section", SECTIONS)
def test_rfc7208(folder, build, section):
    if not spf_vectors.find():
        vectors_missing(spf_vectors.MISSING)
    cases, failed = spf_vectors.run(section, lambda server: Asker(folder, build, server), AT_ONCE)
    assert len(cases) == SECTIONS[section]
    assert not failed


def test_all_sections_are_run():
    assert sum(SECTIONS.values()) == 203
    if not spf_vectors.find():
        vectors_missing(spf_vectors.MISSING)
    assert list(spf_vectors.load()) == list(SECTIONS)


# --- libspf2's open reports ---


def test_macro_without_its_delimiter(world):
    ask, names = world({**txt(a="v=spf1 exists:%{l1r-}.x.test -all"), ("joe.x.test", "A"): CLIENT})
    assert ask(CLIENT, "helo.test", "joe@a.test").result == "pass"
    assert names.asked("joe.x.test", "A") == 1


@pytest.mark.parametrize("macro, local, expanded", [
    ("%{l}", "a.b-c", "a.b-c"), ("%{lr}", "a.b.c", "c.b.a"), ("%{l2}", "a.b.c", "b.c"),
    ("%{l9}", "a.b", "a.b"), ("%{l1r}", "a.b.c", "a"), ("%{l-}", "a-b.c", "a.b.c"),
    ("%{l1-}", "a-b-c", "c"), ("%{l2r+-}", "foo-bar+zip+quux", "bar.foo"), ("%{L}", "a", "a"),
    ("%{l999999999999}", "a.b", "a.b"), ("%{lR}", "a.b", "b.a"), ("%{i}", "a", "192.0.2.1"),
    ("%{l/,=_}", "a/b,c=d_e", "a.b.c.d.e"), ("%{ir}.%{v}", "a", "1.2.0.192.in-addr"),
    ("%{h2}", "a", "helo.test"),
    ("%{o}-%{d}", "a", "a.test-a.test"), ("x%%y%-z", "a", "x%y%20z"),
])
def test_macros(world, macro, local, expanded):
    ask, names = world({**txt(a=f"v=spf1 exists:{macro}.x.test -all"), ("*.x.test", "A"): CLIENT})
    assert ask(CLIENT, "mx.helo.test", f"{local}@a.test").result == "pass"
    assert names.asked(expanded.replace("%", "\\037").replace("@", "\\@") + ".x.test", "A") == 1


def test_mixed_case(world):
    ask, _ = world({
        **txt(a="V=SpF1 Ip4:198.51.100.1 InClUdE:B.TEST RedIrect=C.test EXP=e.test",
              b="v=spf1 A:HOST.test Mx:Host.Test -ALL", c="v=spf1 PTR:Host.test -aLl eXp=E.test",
              e="No."),
        ("host.test", "A"): "192.0.2.7"})
    assert ask("192.0.2.7", "helo.test", "x@a.TEST").result == "pass"
    answer = ask(CLIENT, "helo.test", "x@A.test")
    assert (answer.result, answer.explanation) == ("fail", "No.")


def test_long_chains(world):
    """Ten includes or redirects, one in the other, and one more."""
    records = {}
    for kind in ("include:", "redirect="):
        for depth in range(11):
            records[f"{kind[0]}{depth}.test", "TXT"] = f"v=spf1 {kind}{kind[0]}{depth + 1}.test"
        records[f"{kind[0]}11.test", "TXT"] = "v=spf1 ip4:192.0.2.1"
    ask, names = world(records)
    for kind in "ir":
        assert ask(CLIENT, "helo.test", f"x@{kind}1.test").result == "pass"
        names.questions.clear()
        answer = ask(CLIENT, "helo.test", f"x@{kind}0.test")
        assert answer.result == "permerror" and "more than 10 terms" in answer.problem
        assert names.asked() == 11


@pytest.mark.parametrize("client, network", [(CLIENT, "ip4:10.{}.{}.1"),
                                             (CLIENT6, "ip6:2001:db9:{}::{}")])
def test_long_record(world, client, network):
    """libspf2 drops what comes after its 511th byte without a word: the last term counts too."""
    def networks(count):
        return " ".join(network.format(n // 100, n % 100) for n in range(count))

    others = networks(200)
    last = f"ip{6 if ':' in client else 4}:{client}"
    ask, _ = world(txt(a=f"v=spf1 {others} {last} -all", b=f"v=spf1 {others} ~all",
                       c=f"v=spf1 ?include:b.test {others} redirect=a.test",
                       d=f"v=spf1 {networks(398)} {last} -all"))
    assert [ask(client, "helo.test", f"x@{name}.test").result for name in "abcd"] == \
        ["pass", "softfail", "pass", "pass"]


def test_more_terms_than_are_taken(world):
    network = "ip4:10.0.0.1 "
    ask, _ = world(txt(a="v=spf1 " + network * 401, b="v=spf1 all " + network * 4000))
    answer = ask(CLIENT, "helo.test", "x@a.test")
    assert answer.result == "permerror" and answer.problem.startswith("too long a record")
    assert ask(CLIENT, "helo.test", "x@b.test").result == "pass"


# --- what libspf2 must not see ---


@pytest.mark.parametrize("size", [1, 63, 64, 250, 253, 254, 255, 256, 510, 511, 512, 5000, 20000])
def test_sizes_of_literals_and_macros(world, size):
    """CVE-2023-42118 and CVE-2021-20314: lengths that run over when a macro is compiled or
    expanded."""
    literal, macros = "a" * size, "%{S}" * (size // 4 + 1)
    ask, _ = world(txt(
        a=f"v=spf1 exists:{literal}%{{d}}{literal} a:{macros}.test ?all",
        b=f"v=spf1 -all exp={literal}%{{l}}.e.test", c=f"v=spf1 -all exp=%{{s}}{macros}.test",
        d=f"v=spf1 redirect={macros}", e=f"v=spf1 {literal}={macros}{literal} ?all",
        f="v=spf1 -all exp=g.test", g=f"{macros}{literal}"))
    local = "l" * 64
    for name, results in (("a", ["permerror"]), ("b", ["fail"]), ("c", ["fail"]),
                          ("d", ["permerror"]), ("e", ["neutral"]), ("f", ["fail"])):
        answer = ask(CLIENT, "h" * 255, f"{local}@{name}.test")
        assert answer.result in results, (name, answer)
    assert 0 < len(answer.explanation) <= 400


@pytest.mark.parametrize("local", ["\u00e4", "\u00ff" * 100, "\x7f", "a\tb"], ids=range(4))
def test_locals_that_are_not_printable_ascii(world, local):
    """CVE-2021-33912; RFC 8616, section 4: a term with such a macro matches nothing."""
    record = "v=spf1 exists:%{L}.%{l}.x.test ~exists:%{S}.x.test -all exp=e.test"
    ask, names = world({**txt(a=record, e="%{l} is not wanted"), ("*.x.test", "A"): CLIENT})
    answer = ask(CLIENT, "helo.test", f"{local}@a.test")
    assert answer.result == ("softfail" if local.isascii() else "fail") and not answer.explanation
    assert sum("x.test" in question.name for question in names.questions) == local.isascii()


def test_internationalized_sender(world):
    ask, names = world({("xn--bcher-kva.test", "TXT"): "v=spf1 ip4:192.0.2.1 -all"})
    assert ask(CLIENT, "helo.test", "x@b\u00fccher.test").result == "pass"
    assert ask(CLIENT, "b\u00fccher.test", "").result == "pass"
    assert ask(CLIENT, "helo.test", b"x@b\xff.test").result == "none"


def test_loopback_is_a_client_like_others(world):
    ask, _ = world(txt(a="v=spf1 -all"))
    assert [ask(client, "helo.test", "x@a.test").result for client in ("127.0.0.1", "::1")] == \
        ["fail", "fail"]


def test_mapped_clients(world):
    ask, _ = world({**txt(a="v=spf1 ip4:192.0.2.1 -all", e="%{c} %{i} %{v}",
                          b="v=spf1 ip6:::/0 a:host.test -all exp=e.test"),
                    ("host.test", "AAAA"): "::ffff:192.0.2.1"})
    assert ask(f"::ffff:{CLIENT}", "helo.test", "x@a.test").result == "pass"
    answer = ask(f"::FFFF:{CLIENT}", "helo.test", "x@b.test")
    assert (answer.result, answer.explanation) == ("fail", f"{CLIENT} {CLIENT} in-addr")


@pytest.mark.parametrize("client", [CLIENT, CLIENT6])
def test_prefix_lengths(world, client):
    six = ":" in client
    ask, _ = world({
        **txt(a="v=spf1 -ip4:0.0.0.0/0 ?ip6:::/0 all", b="v=spf1 a:host.test/0//0 -all",
              c="v=spf1 mx/32//128 mx/0//0 -all", d="v=spf1 a:none.test/0//0 -all",
              e="v=spf1 ip4:192.0.2.0/31 ip6:2001:db8::20/125 -all"),
        ("host.test", "A"): "10.0.0.1", ("host.test", "AAAA"): "::2",
        ("c.test", "MX"): (0, "host.test")})
    assert [ask(client, "helo.test", f"x@{name}.test").result for name in "abcde"] == \
        ["neutral" if six else "fail", "pass", "pass", "fail", "pass"]


# --- limits ---


def test_nested_includes(world):
    """libspf2 alone makes 66,430 look-ups of this."""
    records = txt(a="v=spf1 " + " ".join(f"include:b{n}.test" for n in range(10)) + " -all")
    for level, below in zip("bcde", "cdef"):
        for n in range(10):
            includes = " ".join(f"include:{below}{m}.test" for m in range(10))
            records[f"{level}{n}.test", "TXT"] = f"v=spf1 {includes} -all"
    for n in range(10):
        records[f"f{n}.test", "TXT"] = "v=spf1 a mx -all"
        records[f"f{n}.test", "A"] = "10.0.0.1"
        records[f"f{n}.test", "MX"] = (0, f"f{n}.test")
    ask, names = world(records)
    answer = ask(CLIENT, "helo.test", "x@a.test")
    assert answer.result == "permerror" and "more than 10 terms" in answer.problem
    print(f"\nnested includes: {names.asked()} look-ups")
    assert names.asked() <= 1 + 10 + 9 + 10  # record, terms, what was asked ahead, exchangers


def addresses(count):
    return [f"10.{n // 62500}.{n // 250 % 250}.{n % 250}" for n in range(count)]


FLOODS = {
    "mx": ("permerror", txt(mx="v=spf1 mx:many.test -all exp=last.test")
           | {("many.test", "MX"): [(n, f"h{n}.many.test") for n in range(1000)],
              ("*.many.test", "A"): "192.0.2.1"}),
    "ptr": ("fail", txt(ptr="v=spf1 ptr:many.test -all exp=last.test")
            | {("1.2.0.192.in-addr.arpa", "PTR"): [f"h{n}.many.test" for n in range(1000)],
               ("h999.many.test", "A"): "192.0.2.1"}),
    "txt": ("fail", txt(txt=[f"text {n}" for n in range(999)] + ["v=spf1 -all exp=last.test"])),
    "address": ("fail", txt(address="v=spf1 a:many.test -all exp=last.test")
                | {("many.test", "A"): addresses(3900)}),
    "hosts": ("fail", txt(hosts="v=spf1 mx:many.test -all exp=last.test")
              | {("many.test", "MX"): [(n, f"h{n}.many.test") for n in range(10)],
                 ("*.many.test", "A"): addresses(600)}),
    "long": ("fail", txt(long=f"v=spf1 include:long1.test -all exp=last.test x={'x' * 60000}",
                         **{f"long{n}": f"v=spf1 include:long{n + 1}.test x={'x' * 60000}"
                            for n in range(1, 10)}, long10="v=spf1 x=" + "x" * 60000)),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_floods(world, sanitized, flood):
    """Answers of a thousand records, and as large as answers can be."""
    result, records = FLOODS[flood]
    watch = Watch()
    if result == "permerror":
        records = {**records, ("more.test", "TXT"): "v=spf1 -all"}
    ask, names = world({**records, ("last.test", "TXT"): "Seen."}, {"last.test": watch})
    watch.asker = ask
    answer = ask(CLIENT, "helo.test", f"x@{flood}.test")
    assert answer.result == result, answer
    limit = {"mx": 1, "ptr": 11, "hosts": 11}.get(flood)
    asked = {question.name for question in names.questions if "many" in question.name
             or question.type == "PTR"}
    assert limit is None or len(asked) == limit
    if result == "fail":
        assert answer.explanation == "Seen."
        print(f"\n{flood}: {watch.kilobytes} KiB at most")
        assert sanitized or 0 < watch.kilobytes < KILOBYTES


def test_all_memory_is_limited(world, sanitized):
    """Program, stack and heap together: whatever libspf2 does, that is the end of it."""
    if sanitized:
        pytest.skip("a sanitizer's own memory is terabytes")
    ask, names = world(txt(a="v=spf1 -all"), {"*": "silence"}, spftimeout="1")
    limits = []

    def note(question, packet):
        with open(f"/proc/{ask.process.pid}/limits") as file:
            limits.append(next(line.split() for line in file if line.startswith("Max address")))
        limits.append(ask.status())
        return [packet]

    names.behaviours["*"] = note
    assert ask(CLIENT, "helo.test", "x@a.test").result == "fail"
    assert limits[0][3:5] == [str(KILOBYTES << 10)] * 2
    assert b"Seccomp:\t2\n" in limits[1] and b"NoNewPrivs:\t1\n" in limits[1]


def test_a_silent_name_server(world, sanitized):
    """The answer comes within spftimeout, here 1 second, and no more is asked than ten terms may."""
    records = txt(a="v=spf1 " + " ".join(f"a:dead{n}.test" for n in range(20)) + " -all")
    ask, names = world(records, {f"dead{n}.test": "silence" for n in range(20)}, spftimeout="1")
    dead, _ = world({}, {"*": "silence"}, spftimeout="1")
    for asker in (ask, dead):
        start = time.monotonic()
        answer = asker(CLIENT, "helo.test", "x@a.test")
        assert time.monotonic() - start < 1 + LEEWAY
        assert answer.result == "temperror" and "no answer" in answer.problem
    assert len({question.name for question in names.questions}) <= 11


def test_ten_dead_names_cost_one_timeout(world):
    """ptr and mx: all at once, and one deadline for all."""
    ask, names = world({**txt(a="v=spf1 ptr mx:many.test -all"),
                        ("1.2.0.192.in-addr.arpa", "PTR"): [f"p{n}.dead.test" for n in range(10)]},
                       {f"p{n}.dead.test": "silence" for n in range(10)}, spftimeout="2")
    start = time.monotonic()
    assert ask(CLIENT, "helo.test", "x@a.test").result == "temperror"
    assert time.monotonic() - start < 2 + LEEWAY
    assert {question.name for question in names.questions} >= {f"p{n}.dead.test" for n in range(10)}


def test_terms_are_asked_together(world):
    """While the first term waits all others are asked; none before the first is reached."""
    ask, names = world({
        **txt(a="v=spf1 ip4:10.0.0.1 a:dead.test mx:b.test include:c.test exists:%{i}.d.test ptr "
                "a:%{p}.e.test redirect=f.test")},
        {"dead.test": "silence"}, spftimeout="1")
    assert ask("10.0.0.1", "helo.test", "x@a.test").result == "pass"
    assert [(question.name, question.type) for question in names.questions] == [("a.test", "TXT")]
    names.questions.clear()
    assert ask(CLIENT, "helo.test", "x@a.test").result == "temperror"
    assert {(question.name, question.type) for question in names.questions} == {
        ("a.test", "TXT"), ("dead.test", "A"), ("b.test", "MX"), ("c.test", "TXT"),
        ("192.0.2.1.d.test", "A"), ("1.2.0.192.in-addr.arpa", "PTR"), ("f.test", "TXT")}


@pytest.mark.parametrize("record, result", [
    ("a:v1.test a:v2.test ?all", "neutral"),
    ("a:v1.test mx:v2.test exists:v3.test ?all", "permerror"),
    ("a:v1.test a:v2.test ptr ?all", "permerror"),
    ("mx:v4.test a:v1.test a:v2.test ?all", "neutral"),
    ("mx:v4.test a:v1.test a:v2.test a:v3.test ?all", "permerror"),
    ("a:bad..name.test a:v1.test a:v2.test ?all", "neutral"),
])
def test_void_look_ups(world, record, result):
    """A term counts once; an exchanger that has no address does not, nor does what is no name."""
    ask, _ = world({**txt(a=f"v=spf1 {record}", v1="no address"),
                    ("v4.test", "MX"): [(n, f"v6.v{n}.test") for n in range(5)]})
    assert ask(CLIENT, "helo.test", "x@a.test").result == result


# --- the DNS ---

GARBAGE = ["servfail", "refused", "formerr", "notimp", ("garbage", 100), ("garbage", 1200), "short",
           "header", ("count", 65535), ("cut", 3), "pointer-loop", "pointer-self", "pointer-end",
           ("label", 64), ("label", 191), ("rdlength", 1), ("rdlength", 60000), "wrong-owner",
           "truncate-always", "tcp-close", ("tcp-length", 100), "tcp-wrong-id"]


def test_garbage(world):
    """Each in place of a record, of an include's, of addresses, of exchangers and of names."""
    def ask_one(case):
        behaviour, ask, name = case
        return behaviour, name, ask(CLIENT, "helo.test", f"x@{name}.test")

    cases = []
    for behaviour in GARBAGE:
        records = {**txt(a="v=spf1 -all", b="v=spf1 include:bad.test -all", bad="v=spf1 all",
                         c="v=spf1 a:bad.test -all", d="v=spf1 mx:bad.test -all",
                         e="v=spf1 ptr:bad.test -all exp=bad.test"),
                   ("bad.test", "A"): CLIENT, ("bad.test", "MX"): (0, "bad.test"),
                   ("1.2.0.192.in-addr.arpa", "PTR"): "bad.test"}
        ask, _ = world(records, {"bad.test": behaviour}, spftimeout="1")
        cases += [(behaviour, ask, name) for name in ("bad", "b", "c", "d", "e")]
    with ThreadPoolExecutor(24) as pool:  # most of them wait
        answers = list(pool.map(ask_one, cases))
    for behaviour, name, answer in answers:
        late = "no time is left" in answer.problem  # for a ptr, which is not mended by waiting
        wanted = "fail" if name == "e" and not late else "temperror"
        assert (answer.result, answer.explanation) == (wanted, ""), (behaviour, name, answer)


@pytest.mark.parametrize("text", [
    b"v=spf1 a\0:host.test -all", b"v=spf1 ip4:192.0.2.1\0 -all", b"v=spf1 \x1b[2J all",
    b"v=spf1 all\r\n", b"v=spf1 \tall", b"v=spf1 \x80all", b"v=spf1 all exp=\xffa.test"],
    ids=range(7))
def test_records_with_odd_bytes(world, text):
    ask, _ = world({("a.test", "TXT"): text})
    answer = ask(CLIENT, "helo.test", "x@a.test")
    assert answer.result == "permerror", answer


@pytest.mark.parametrize("text, explanation", [
    (b"a\r\nb", ""), (b"a\x1b[2Jb", ""), (b"a\0b", ""), (b"a\xffb", ""), ("a" * 10000, "a" * 400),
    ("%{s}" * 200, "x@a.test" * 50), ("%", ""), ("100%%, %_%-", "100%,  %20"), ("", ""),
    ("%{p} %{r} %{h} %{v}", "unknown receiver.example helo.test in-addr")], ids=range(10))
def test_explanations(world, text, explanation):
    ask, _ = world(txt(a="v=spf1 -all exp=e.test", e=text))
    answer = ask(CLIENT, "helo.test", "x@a.test")
    assert (answer.result, answer.explanation) == ("fail", explanation)


def test_names_of_a_client(world):
    """%{p} is the domain itself, else a name below it, else any; none with odd bytes."""
    records = {**txt(a="v=spf1 -ptr:evil.test exists:%{p}.x.test -all",
                     b="v=spf1 exists:%{p}.x.test -all"),
               ("1.2.0.192.in-addr.arpa", "PTR"): ["other.test", "x\\.evil.test", "evil.test.nz",
                                                   "notevil.test", "mx.a.test"],
               ("*.x.test", "A"): CLIENT}
    for name in ("other.test", "x\\.evil.test", "evil.test.nz", "notevil.test", "mx.a.test"):
        records[name, "A"] = CLIENT
    ask, names = world(records)
    assert ask(CLIENT, "helo.test", "x@a.test").result == "pass"
    assert names.asked("mx.a.test.x.test") == 1
    assert ask(CLIENT, "helo.test", "x@b.test").result == "pass"
    assert names.asked("other.test.x.test") == 1
    assert names.asked("1.2.0.192.in-addr.arpa") == 2, "once an evaluation"


# --- the program ---


def test_what_is_printed_by_hand(world):
    ask, _ = world({**txt(a="v=spf1 mx include:none.test; -all", b="v=spf1 mx -all exp=e.test",
                          e="No; never."),
                    ("b.test", "MX"): (10, "mx.test"), ("mx.test", "A"): "192.0.2.9"})
    assert ask.by_hand(CLIENT, "helo.test", "x@b.test") == [
        "result fail", "explanation No; never.", 'trail TXT b.test "v=spf1 mx -all exp=e.test"',
        "trail MX b.test mx.test", "trail A mx.test 192.0.2.9", 'trail TXT e.test "No, never."']
    assert ask.by_hand(CLIENT, "helo.test", "x@a.test")[:2] == [
        "result permerror", "problem not a domain: a.test: include:none.test;"]
    assert ask.by_hand(CLIENT, "b.test", "")[0] == "result fail"
    assert ask.by_hand(CLIENT, "helo.test", "x@nothing.test") == [
        "result none", "trail TXT nothing.test no such name"]


@pytest.mark.parametrize("question", [
    b"", b"192.0.2.1", b"192.0.2.1\0", b"192.0.2.1\0h\0", b"192.0.2.1\0h\0s",
    b"192.0.2.1\0h\0s\0\0", b"192.0.2.1\0h\0s\0x", b"\0h\0s\0", b"192.0.2.256\0h\0s\0", b"localhost\0h\0s\0",
    b"192.0.2.1\0" + b"h" * 512 + b"\0\0", b"192.0.2.1\0\0" + b"s" * 512 + b"\0", b"x" * 100000],
    ids=range(13))
def test_what_is_no_question(world, question):
    ask, names = world({})
    answer, code, errors = ask.exchange(question)
    assert (answer, code) == (b"", 100) and "event=spf-failed" in errors
    assert names.asked() == 0


def test_an_asker_that_says_nothing(world):
    ask, _ = world({})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = ask.start(channel=theirs)
        ours.sendall(b"192.0.2.1\0")
        assert process.wait(LEEWAY) == 100
    process.stderr.close()


@pytest.mark.parametrize("name, text", [("spftimeout", "0"), ("spftimeout", "61"),
                                        ("spftimeout", "x"), ("nameservers", "nowhere"),
                                        ("me", "not a name")])
def test_control_files(world, name, text):
    ask, _ = world({}, **{name: text})
    answer, code, errors = ask.exchange(b"192.0.2.1\0h\0s\0")
    assert (answer, code) == (b"", 100)
    assert f"{ask.control / name}:1: expected" in errors
