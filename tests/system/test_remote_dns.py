"""Where ekiden-remote goes: a scripted name server, and servers on addresses of 127/8 that count as
others' (attack cases I14, I16, I17, J01-J07)."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from instance import PATIENCE
from name_server import NameServer
from remote import MESSAGE, Remote, Sink, run_as

ONE, TWO, THREE, DEAD = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.250"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.fixture
def folder(scratch):
    path = Path(tempfile.mkdtemp(prefix="remote-", dir=scratch))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def world(folder, build):
    """world(records, behaviours, sinks=..., script=...) -> the name server, the sink, the sender."""
    with ExitStack() as stack:

        def make(records, behaviours=None, sinks=(ONE, TWO, THREE), script=None, **control):
            names = stack.enter_context(NameServer(records, behaviours))
            sink = stack.enter_context(Sink(*sinks, script=script))
            return names, sink, Remote(folder, build, sink.port, [names], **control)

        yield make


def mx(domain, *hosts):
    return {(domain, "MX"): list(hosts)}


def hosts(**addresses):
    return {(f"{name}.test", "AAAA" if ":" in address else "A"): [address]
            for name, address in addresses.items()}


# --- which host ---


def test_no_mx(world):
    _, sink, remote = world(hosts(plain=TWO))
    letter, text = remote.result("plain.test")
    assert letter == "r" and f"plain.test[{TWO}]:{sink.port}" in text
    assert sink.messages == [(TWO, "ann@local.test", ["bob@plain.test"],
                              MESSAGE.replace(b"\n", b"\r\n"))]
    (attempt,) = remote.events("remote-attempt")
    assert attempt["host"] == "plain.test" and attempt["ip"] == TWO
    assert attempt["result"] == "settled" and attempt["delivered"] == "1"


def test_mx_before_the_domains_own_address(world):
    _, sink, remote = world({**mx("a.test", (10, "one.test")), **hosts(one=ONE, a=TWO)})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [ONE]


def test_null_mx(world):
    names, sink, remote = world({**mx("null.test", (0, ".")), **hosts(null=ONE)})
    letter, text = remote.result("null.test")
    assert letter == "h" and text.startswith("5.1.10 ")
    assert not sink.connections and names.asked() == 1


def test_equal_mx_are_both_used(world):
    _, sink, remote = world({**mx("a.test", (10, "one.test"), (10, "two.test")),
                             **hosts(one=ONE, two=TWO)})
    for _ in range(100):  # one of two, all the same: once in 2^99
        assert remote.result("a.test")[0] == "r"
        if set(sink.connections) == {ONE, TWO}:
            break
    assert set(sink.connections) == {ONE, TWO}


def test_dead_first_mx(world):
    _, sink, remote = world({**mx("a.test", (20, "two.test"), (10, "dead.test")),
                             **hosts(dead=DEAD, two=TWO)})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [TWO]
    assert [event["result"] for event in remote.events("remote-attempt")] == ["unreachable",
                                                                              "settled"]


@contextmanager
def black_hole(address, port):
    """A listener whose queue is full: the kernel drops who knocks then."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(8):
            knock = stack.enter_context(socket.socket())
            knock.settimeout(0.3)
            try:
                knock.connect((address, port))
            except TimeoutError:
                break
        else:
            pytest.skip("a full queue drops nobody here")
        yield


def test_black_hole_before_a_good_mx(world):
    _, sink, remote = world({**mx("a.test", (10, "dead.test"), (20, "two.test")),
                             **hosts(dead=DEAD, two=TWO)}, timeoutconnect="1")
    with black_hole(DEAD, sink.port):
        assert remote.result("a.test")[0] == "r"
    first, second = remote.events("remote-attempt")
    assert first["result"] == "unreachable" and "timed out" in first["reason"]
    assert second["result"] == "settled" and sink.connections == [TWO]


@pytest.mark.parametrize("behaviour", ["drop", ("greeting", "421 4.3.2 not now"),
                                       ("greeting", "554 5.3.2 go away"), ("EHLO", ""),
                                       ("MAIL", "421 4.3.2 bye"), ("RCPT", "421 4.3.2 bye"),
                                       ("DATA", "421 4.3.2 bye"), ("DATA", "")])
def test_next_mx_after_a_server_that_fails(world, behaviour):
    _, sink, remote = world({**mx("a.test", (10, "one.test"), (20, "two.test")),
                             **hosts(one=ONE, two=TWO)}, script={ONE: behaviour})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [ONE, TWO]
    assert [message[0] for message in sink.messages] == [TWO]


def test_no_other_mx_after_the_final_dot(world):
    """Whether the message was taken is not known: another server would make two of it for sure."""
    _, sink, remote = world({**mx("a.test", (10, "one.test"), (20, "two.test")),
                             **hosts(one=ONE, two=TWO)}, script={ONE: ("dot", "")})
    letter, text = remote.result("a.test")
    assert letter == "s" and text.startswith("4.")
    assert sink.connections == [ONE]


def test_cname_chain(world):
    records = {("c.test", "CNAME"): ["d.test"], ("d.test", "CNAME"): ["e.test"],
               **mx("e.test", (10, "alias.test")), ("alias.test", "CNAME"): ["one.test"],
               **hosts(one=ONE)}
    _, sink, remote = world(records)
    assert remote.result("c.test")[0] == "r"
    assert sink.connections == [ONE]


def test_cname_loop(world):
    _, sink, remote = world({("a.test", "CNAME"): ["b.test"], ("b.test", "CNAME"): ["a.test"]})
    letter, text = remote.result("a.test")
    assert letter == "s" and text.startswith("4.4.3 ")
    assert not sink.connections


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6_only(world):
    _, sink, remote = world({**mx("a.test", (10, "six.test")), **hosts(six="::1")}, sinks=("::1",))
    letter, text = remote.result("a.test")
    assert letter == "r" and "six.test[::1]:" in text


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_ipv6_before_ipv4_and_both_tried(world):
    records = {**mx("a.test", (10, "both.test")), ("both.test", "A"): [ONE],
               ("both.test", "AAAA"): ["::1"]}
    _, sink, remote = world(records, sinks=("::1", ONE), script={"::1": "drop"})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == ["::1", ONE]


def test_idn(world):
    _, sink, remote = world({("xn--bcher-kva.test", "A"): [ONE]})
    assert remote.result("BÜCHER.test", "bob@bücher.test")[0] == "r"
    assert sink.connections == [ONE]


def test_500_addresses(world):
    """All dead: the tries are bounded. And the answer comes over TCP."""
    records = {("many.test", "A"): [f"127.9.{n // 250}.{n % 250 + 1}" for n in range(500)]}
    names, sink, remote = world(records)
    letter, text = remote.result("many.test")
    assert letter == "s" and text.startswith("4.4.1 ")
    attempts = remote.events("remote-attempt")
    assert len(attempts) == 10 and len({attempt["ip"] for attempt in attempts}) == 10
    assert names.asked("many.test", "A", "tcp") == 1


def test_50_mx_that_are_dead(world):
    records = mx("a.test", *((n, f"h{n}.test") for n in range(50)))
    for n in range(50):
        records[f"h{n}.test", "A"] = [f"127.8.{n}.{m + 1}" for m in range(20)]
    _, _, remote = world(records)
    assert remote.result("a.test")[0] == "s"
    attempts = remote.events("remote-attempt")
    assert len(attempts) == 10
    assert [attempt["host"] for attempt in attempts] == [f"h{n // 2}.test" for n in range(10)]


def test_900_mx(world):
    """They are sorted behind the fence, and the best comes last in the answer."""
    others = [(n, f"h{n}.test") for n in range(1, 900)]
    _, sink, remote = world({**mx("a.test", *others, (0, "best.test")), **hosts(best=ONE)})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [ONE]


def test_literal(world):
    names, sink, remote = world({})
    assert remote.result(f"[{ONE}]", f"bob@[{ONE}]")[0] == "r"
    assert sink.connections == [ONE] and names.asked() == 0


# --- what the DNS says ---


def test_no_such_domain(world):
    _, _, remote = world({("other.test", "A"): [ONE]})
    letter, text = remote.result("nothing.test")
    assert letter == "h" and text.startswith("5.1.2 nothing.test ")


def test_mx_without_an_address(world):
    _, _, remote = world({**mx("a.test", (10, "nowhere.test")), **mx("b.test", (10, "other.test"))},
                         {"other.test": "servfail"})
    letter, text = remote.result("a.test")
    assert letter == "h" and text.startswith("5.4.4 a.test ")
    letter, text = remote.result("b.test")
    assert letter == "s" and text.startswith("4.4.3 b.test ")


@pytest.mark.parametrize("behaviour", ["servfail", "refused", ("count", 65535), "pointer-loop",
                                       "tcp-close"])
def test_dns_failure_defers(world, behaviour):
    """Never a failure for good: the domain may well exist."""
    _, sink, remote = world(hosts(a=ONE), {"a.test": behaviour})
    letter, text = remote.result("a.test")
    assert letter == "s" and text.startswith("4.4.3 a.test ")
    assert not sink.connections


@pytest.mark.parametrize("behaviour", ["truncate", "noedns", ("flood", 1000), ("delay", 0.2)])
def test_dns_in_trouble_is_still_dns(world, behaviour):
    _, sink, remote = world({**mx("a.test", (10, "one.test")), **hosts(one=ONE)},
                            {"*": behaviour})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [ONE]


def test_wrong_answers_are_not_believed(world):
    """To the first question only something forged: the right answer to a later one counts."""
    _, sink, remote = world({**mx("a.test", (10, "one.test")), **hosts(one=ONE)},
                            {("a.test", "MX"): ["wrong-id"], ("one.test", "A"): ["wrong-port"]})
    assert remote.result("a.test")[0] == "r"
    assert sink.connections == [ONE]


def test_silence_and_garbage_defer(world):
    """At the same time, because each of them lasts as long as a name server is waited for."""
    names = {"silence.test": "silence", "garbage.test": ("garbage", 200),
             "id.test": "wrong-id", "question.test": "wrong-question"}
    _, sink, remote = world({(name, "A"): [ONE] for name in names}, names)
    start = time.monotonic()
    with ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(lambda name: remote.result(name, pipe=True), names))
    for name, (letter, text) in zip(names, results):
        assert letter == "s" and text.startswith(f"4.4.3 {name} "), (name, text)
    assert not sink.connections
    assert time.monotonic() - start < PATIENCE


# --- ourselves ---


@pytest.mark.parametrize("address", ["127.0.0.1", "127.3.2.1", "0.0.0.0", "::1", "::",
                                     "::ffff:127.0.0.1", "198.51.100.7"])
def test_mail_does_not_loop_back(world, address):
    kind = "AAAA" if ":" in address else "A"
    names, sink, remote = world({**mx("a.test", (10, "us.test"), (10, "other.test"),
                                      (20, "two.test")),
                                 ("us.test", kind): [address], ("plain.test", kind): [address],
                                 **hosts(other=ONE, two=TWO)},
                                notipme="192.0.2.1", moreipme="198.51.100.0/24")
    for domain in ("a.test", "plain.test"):
        letter, text = remote.result(domain)
        assert letter == "h" and text.startswith("5.4.6 "), text
    assert not sink.connections and not remote.events("remote-attempt")


def test_literal_of_ours(world):
    _, sink, remote = world({}, notipme="192.0.2.1")
    for literal in (f"[{ONE}]", "[127.0.0.1]", "[0.0.0.0]", "[IPv6:::1]"):
        letter, text = remote.result(literal, f"bob@{literal}")
        assert letter == "h" and text.startswith("5.4.6 "), text
    assert not sink.connections


def test_a_better_mx_is_used_by_a_backup(world):
    """We are the second: the first gets the mail, the third does not."""
    records = {**mx("a.test", (10, "one.test"), (20, "us.test"), (30, "three.test")),
               **hosts(one=ONE, us=THREE, three=TWO)}
    _, sink, remote = world(records, notipme="127.0.0.0/8\n!127.0.0.4", script={ONE: "drop"})
    assert remote.result("a.test")[0] == "s"
    assert sink.connections == [ONE]


# --- in a network of its own: port 25, addresses of interfaces, outgoingip ---

INSIDE = """
import json, subprocess, sys
sys.path[:0] = [{tests!r}, {system!r}]
from remote import Sink
with Sink("192.0.2.25", "198.51.100.25", "192.0.2.26", port=25) as sink:
    results = []
    for host in ("[192.0.2.25]", "[198.51.100.25]", "[192.0.2.26]"):
        with open({message!r}, "rb") as file:
            done = subprocess.run([{program!r}, "-C", {control!r}, host, "a@b.test", "c@" + host],
                                  stdin=file, stdout=subprocess.PIPE, **{run_as!r})
        results.append(done.stdout.decode())
    print(json.dumps([results, sink.connections, sink.peers]))
"""


@pytest.mark.root
@pytest.mark.needs("unshare", "ip")
def test_in_a_network_of_its_own(folder, build):
    """192.0.2.25 is an interface's and so ours; 198.51.100.25 is local by a route, which only the
    kernel can tell; 192.0.2.26 is an interface's, and notipme says that it is not ours."""
    remote = Remote(folder, build, notipme="192.0.2.26", outgoingip="192.0.2.1")
    (remote.control / "smtproutes").unlink()
    (folder / "message").write_bytes(MESSAGE)
    (folder / "message").chmod(0o644)
    here = Path(__file__).parent
    script = INSIDE.format(tests=str(here.parent), system=str(here), run_as=run_as(),
                           message=str(folder / "message"), program=str(remote.program),
                           control=str(remote.control))
    setup = ("set -e; ip link set lo up; "
             "for n in 1 25 26; do ip addr add 192.0.2.$n/32 dev lo; done; "
             'ip route add local 198.51.100.0/24 dev lo; exec "$@"')
    if subprocess.run(["unshare", "-n", "true"]).returncode != 0:
        pytest.skip("no network namespaces here")
    done = subprocess.run(["unshare", "-n", "sh", "-c", setup, "sh", sys.executable, "-c", script],
                          stdout=subprocess.PIPE, timeout=PATIENCE, check=True)
    (ours, routed, others), connections, peers = json.loads(done.stdout)
    assert ours.startswith("h5.4.6 ")
    assert routed.startswith("s4.4.6 "), routed
    assert others.startswith("r2."), others
    assert "192.0.2.26" in connections and set(peers) == {"192.0.2.1"}
