"""Certificates and keys of ekiden-tls -s: broken ones, replaced ones, and who can get at a key; and
what is left when one of its processes is gone."""

import os
import random
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import certificates
from certificates import NAME
from instance import Process, wait_for
from tls_server import Session, anyone, der, failed, own, refused, shared  # noqa: F401 (fixtures)
from tls_service import Failed


# --- broken certificates ---


def openssl(*arguments, octets=None):
    return subprocess.run(["openssl", *arguments], input=octets, check=True,
                          capture_output=True).stdout


def make_key(*arguments):
    return openssl("genpkey", *arguments)


def break_pairs(server):
    """Folders with what no operator should have: name -> (file, words)."""
    chain, key = certificates.pair(serial=50)
    broken = {}

    def add(name, file, words, **which):
        host = f"{name}.broken.test"
        server.put(host, **{"chain": chain, "key": key, **which})
        broken[host] = (file, words)
        return server.place.control / "tls" / host

    def curve(name):
        return make_key("-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{name}")

    def rsa(bits, *more):
        return make_key("-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", *more)

    for name, days, words in (("expired", (-3, -1), "expired"), ("early", (2, 9), "not yet valid")):
        made = certificates.pair(days=days)
        add(name, "chain.pem", words, chain=made[0], key=made[1])
    add("mismatch", "key.pem", "is not the key of the first", key=certificates.pair(serial=51)[1])
    add("othertype", "key.pem", "is not the key of the first",
        key=certificates.pair(kind="RSA-2048")[1])
    add("small", "key.pem", "less than 2048", key=rsa(1024))
    add("large", "key.pem", "more than 4096", key=rsa(4104))
    add("multi", "key.pem", "two primes", key=rsa(2048, "-pkeyopt", "rsa_keygen_primes:3"))
    add("p521", "key.pem", "another curve", key=curve("P-521"))
    add("secp256k1", "key.pem", "another curve", key=curve("secp256k1"))
    add("ed25519", "key.pem", "neither an RSA key", key=make_key("-algorithm", "ED25519"))
    add("secret", "key.pem", "encrypted",
        key=openssl("pkey", "-aes128", "-passout", "pass:x", octets=key))
    add("oldsecret", "key.pem", "encrypted",
        key=openssl("pkey", "-aes128", "-passout", "pass:x", "-traditional", octets=key))
    add("halfkey", "key.pem", "whole PEM", key=key[:-80])
    add("halfchain", "chain.pem", "whole PEM", chain=chain + chain[:-80])
    add("nochain", "chain.pem", "no certificate", chain=b"\n")
    add("nokey", "key.pem", "no private key", key=chain)
    add("keyinchain", "chain.pem", "private key in it", chain=chain + key)
    add("garbage", "chain.pem", "is broken", chain=b"-----BEGIN CERTIFICATE-----\nAAAA\n"
        b"-----END CERTIFICATE-----\n")
    add("huge", "chain.pem", "larger than 64 KiB", chain=chain * 200)
    add("many", "chain.pem", "more than 16", chain=chain * 17)
    (add("missing", "key.pem", "is missing") / "key.pem").unlink()
    place = add("pipe", "key.pem", "is no file")
    (place / "key.pem").unlink()
    os.mkfifo(place / "key.pem", 0o644)
    place = add("folder", "chain.pem", "is no file")
    (place / "chain.pem").unlink()
    (place / "chain.pem").mkdir()
    place = add("unreadable", "key.pem", "cannot be read")
    (place / "key.pem").chmod(0)
    return broken


def test_broken_certificates(shared):
    """Each name is refused at once by all, with words; nobody gets the default instead."""
    broken = break_pairs(shared)
    reasons = {}

    def ask(host):
        context = anyone()
        reasons[host] = failed(shared, refused(context, host))

    threads = [threading.Thread(target=ask, args=(host,)) for host in broken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = shared.log_text()
    for host, (file, words) in broken.items():
        assert reasons.get(host, "").startswith(f"tls/{host}/{file} "), (host, reasons.get(host))
        assert words in reasons[host], (host, reasons[host])
        lines = [line for line in log.splitlines()
                 if "event=certificate-broken" in line and f"name={host} " in line]
        assert len(lines) == 1 and f"/tls/{host}/{file}" in lines[0] and " do=" in lines[0], host
    Session(shared).close()


def test_a_broken_default_is_refused_before_220(own):
    key = own.default.parent / "key.pem"
    key.unlink()
    client, link = own.dial()
    with pytest.raises(Failed, match="tls/default/key.pem is missing"):
        link.answer()
    link.close()
    assert client.recv(1) == b""
    own.put()
    Session(own).close()


def test_a_key_for_everybody_is_warned_of(own):
    (own.default.parent / "key.pem").chmod(0o644)
    Session(own).close()
    assert "event=certificate-careless" in own.log_text()


# --- replacement ---


def replace_in_place(path, octets):
    """As no careful tool does: the file is there half for a moment."""
    with open(path, "r+b") as file:
        file.truncate(0)
        file.write(octets[:400])
        file.flush()
        time.sleep(0.005)
        file.write(octets[400:])


@pytest.mark.parametrize("way", ["renamed", "in place"])
def test_replacement_under_load(own, way):
    pairs = [certificates.pair(serial=serial) for serial in (60, 61)]
    leaves = [ssl.PEM_cert_to_DER_cert(chain.decode()) for chain, _ in pairs]
    own.put(chain=pairs[0][0], key=pairs[0][1])
    failures, count, stop = [], [0], threading.Event()

    def load():
        while not stop.is_set():
            try:
                session = Session(own)
                assert session.client.getpeercert(True) in leaves
                session.close()
                count[0] += 1
            except Exception as failure:  # whatever it is, it must not be
                failures.append(failure)
                return

    wait_for(lambda: der(own.default) == leaves[0])
    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    chosen = random.Random(5)
    place = own.default.parent
    for turn in range(8):
        chain, key = pairs[(turn + 1) % 2]
        files = [("chain.pem", chain, 0o644), ("key.pem", key, 0o600)]
        chosen.shuffle(files)
        for name, octets, mode in files:
            if way == "renamed":
                owner = (certificates.KEY_USER, None) if own.mode == "privileged" else None
                certificates.write(place / name, octets, mode,
                                   owner if mode == 0o600 and owner else own.place.user)
            else:
                replace_in_place(place / name, octets)
            time.sleep(chosen.random() * 0.1)
        session = Session(own)
        assert session.client.getpeercert(True) == leaves[(turn + 1) % 2]
        session.close()
        time.sleep(chosen.random() * 0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert count[0] > 8
    assert "certificate-broken" not in own.log_text()


# --- processes that end ---


def test_the_key_process_is_killed(own):
    own.expects_kills = True
    session = Session(own)
    waiting, waiting_link = own.dial()
    assert waiting_link.answer() == ["R"]
    key, = own.family("tls-key")
    os.kill(key.pid, signal.SIGKILL)

    def refusal():
        client, link = own.dial()
        client.close()
        try:
            link.answer()
        except Failed as failure:
            return str(failure)
        finally:
            link.close()
        return None

    assert wait_for(refusal) == "the key process is gone"
    waiting_link.answers.send(b"G")
    with pytest.raises(ssl.SSLError):
        anyone().wrap_socket(waiting, server_hostname=NAME)
    with pytest.raises(Failed):
        waiting_link.answer()
    waiting_link.close()
    session.client.sendall(b"still there")
    assert session.link.plain.recv(100) == b"still there"
    wait_for(lambda: refusal() is None, what="a new key process")
    Session(own).close()
    session.close()
    assert "the key process ended" in own.log_text()
    wait_for(lambda: len(own.family("tls-template")) == 1, what="the end of the old template")


def test_the_template_is_killed(own):
    """Its engines go on, and requests wait for the next one."""
    own.expects_kills = True
    session = Session(own)
    template, = own.family("tls-template")
    os.kill(template.pid, signal.SIGKILL)
    Session(own).close()
    session.client.sendall(b"still there")
    assert session.link.plain.recv(100) == b"still there"
    session.close()


def test_an_engine_is_killed(own):
    own.expects_kills = True
    session = Session(own)
    session.client.sendall(b"half a message")
    assert session.link.plain.recv(100) == b"half a message"
    engine, = own.family("tls-server")
    os.kill(engine.pid, signal.SIGKILL)
    assert session.link.plain.recv(100) == b""
    with pytest.raises(OSError):
        if session.client.recv(100) == b"":
            raise ssl.SSLEOFError
    session.close()
    Session(own).close()


def test_the_master_is_killed(own):
    session = Session(own)
    own.process.kill()
    own.process.wait()
    session.client.sendall(b"still there")
    assert session.link.plain.recv(100) == b"still there"
    family = [Process(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    left = [one.pid for one in family if str(own.place.control) in one.read("cmdline")]
    assert len(left) == 3  # the key process, the retired template, the engine
    session.close()
    wait_for(lambda: not any(Process(pid).comm for pid in left), what="the end of all")
    own.process = SimpleNamespace(wait=lambda patience: 0)


def test_sigterm_lets_sessions_end(own):
    session = Session(own)
    own.process.terminate()
    wait_for(lambda: len(own.family("tls-template")) == 1)
    session.client.sendall(b"still there")
    assert session.link.plain.recv(100) == b"still there"
    session.close()
    assert own.process.wait(60) == 0


# --- what an engine could do ---


def test_an_engine_holds_nothing(own, sanitized):
    session = Session(own)
    waiting, link = own.dial()
    assert link.answer() == ["R"]
    engines = own.family("tls-server")
    key, = own.family("tls-key")
    template, = own.family("tls-template")
    assert len(engines) == 2
    for one in (*engines, key, template):
        assert one.status("NoNewPrivs") == "1" and int(one.status("CapEff"), 16) == 0
        assert sanitized or one.status("Seccomp") == "2"
    if own.mode == "privileged":
        assert {one.uid for one in (*engines, template)} != {key.uid}
        for one in (*engines, key, template):
            assert one.uid != 0
            # Not dumpable: what is in /proc is root's, and not its user's.
            assert sanitized or os.stat(f"/proc/{one.pid}/mem").st_uid == 0
    if os.geteuid() == 0:
        for one in engines:
            targets = [os.readlink(f"/proc/{one.pid}/fd/{number}")
                       for number in os.listdir(f"/proc/{one.pid}/fd")]
            others = [target for target in targets if not target.startswith("socket:")]
            assert len(others) == 1, targets  # the log
            assert 5 <= len(targets) <= 6, targets  # in, out, plain, answers, the key's channel
    link.close()
    waiting.close()
    session.close()


@pytest.mark.root
def test_the_engines_user_cannot_read_the_key(own):
    if own.mode != "privileged":
        pytest.skip("needs separate users")
    Session(own).close()
    engine_user = Path(certificates.__file__).parent.parent.joinpath("conf-users").read_text().split()[5]
    path = own.default.parent / "key.pem"
    as_engine = ["setpriv", f"--reuid={engine_user}", f"--regid={engine_user}", "--clear-groups"]
    done = subprocess.run([*as_engine, "cat", path], capture_output=True, text=True)
    assert done.returncode != 0 and "Permission denied" in done.stderr
    key, = own.family("tls-key")
    for name in ("mem", "maps", "environ"):
        done = subprocess.run([*as_engine, "head", "-c1", f"/proc/{key.pid}/{name}"],
                              capture_output=True, text=True)
        assert done.returncode != 0 and "Permission denied" in done.stderr
    done = subprocess.run([*as_engine, "kill", "-9", str(key.pid)], capture_output=True, text=True)
    assert done.returncode != 0 and key.comm == "tls-key"
