"""ekiden-remote over TLS, and where it logs in: what it does for each of tlspolicy's levels, whatever
a server does (attack cases I06 to I09), and that neither a message nor a password goes where it must
not.

Each run is ekiden-remote with the arguments of qmail-remote, with ekiden-tls beside it.
"""

import base64
import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import authority
import pytest
from authority import IS_AUTHORITY, Authority, alternative_names, certificate, key
from conftest import USERS
from hostile_server import CLOSE, RESET, SILENCE, HostileServer, drip
from instance import FIELD, SANITIZER
from name_server import NameServer
from tls_service import context

MESSAGE = b"Subject: x\n\n.dot\nlast"
WIRE = b"Subject: x\r\n\r\n..dot\r\nlast\r\n"
REPORT = re.compile(rb"([rhsKZD])([\x20-\x7e]*)\n\0")
MX = "mx.y.example"  # the server's name; y.example's mail goes there
USER, PASSWORD = "ann@provider.example", "correct horse: battery staple"
PATIENCE = 120
RECORDS = {
    ("y.example", "MX"): [(10, MX)],
    ("elsewhere.example", "MX"): [(10, MX)],
    ("signed.example", "MX"): [(10, MX)],
    (MX, "A"): ["127.0.0.1"],
    ("xn--bcher-kva.example", "MX"): [(10, MX)],
    ("both.example", "A"): ["127.0.0.1", "127.0.0.2"],
    ("nowhere.example", "A"): ["127.0.0.9"],
}


class Result:
    """What a run reported: .letter and .text of the first recipient; its log."""

    def __init__(self, done, log):
        fields = REPORT.findall(done.stdout)
        assert b"".join(b"%s%s\n\0" % field for field in fields) == done.stdout, done.stdout
        assert not SANITIZER.search(log), log
        self.letters = b"".join(letter for letter, _ in fields).decode()
        self.letter, self.text = self.letters[0], fields[0][1].decode()
        self.log = log
        self.attempts = []
        for line in log.splitlines():
            event = {name: value.strip('"') for name, value in FIELD.findall(line)}
            if event.get("event") == "remote-attempt":
                self.attempts.append(event)

    def __repr__(self):
        return f"{self.letters} {self.text}\n{self.log}"


class Runner:
    """Runs ekiden-remote to y.example; timeouts are short."""

    def __init__(self, folder, programs, names):
        self.folder, self.programs, self.names = folder, programs, names
        self.roots = folder / "roots.pem"

    def control(self, files):
        control = Path(tempfile.mkdtemp(prefix="control-", dir=self.folder))
        control.chmod(0o755)
        for name, text in files.items():
            (control / name).write_text(f"{text}\n")
        if "authroutes" in files:
            (control / "authroutes").chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(control / "authroutes", USERS[4])
        return control

    def __call__(self, server, options="", *, route=None, host="y.example", timeout=30,
                 message=MESSAGE, recipients=None, programs=None, **control):
        """OPTIONS are those of the smtproute to SERVER, by the name MX unless there is a ROUTE."""
        control = self.control({
            "me": "us.example", "timeoutremote": str(timeout), "notipme": "127.0.0.0/8",
            "nameservers": f"127.0.0.1:{self.names.port}", "tlsanchors": str(self.roots),
            "smtproutes": route or f":{MX}:{server.port} {options}".strip(), **control})
        command = [(programs or self.programs) / "ekiden-remote", "-C", control, host,
                   "s@x.example", *(recipients or [f"a@{host}"])]
        with tempfile.TemporaryFile() as file:
            file.write(message)
            file.seek(0)
            done = subprocess.run(command, stdin=file, capture_output=True, timeout=240)
        log = done.stderr.decode()
        assert done.returncode == 0, log
        return Result(done, log)

    def login(self, server, options="auth=provider", password=PASSWORD, **rest):
        return self(server, options, authroutes=f"provider:{USER}:{password}", **rest)


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def remote(scratch, programs, request, root):
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    folder = Path(tempfile.mkdtemp(prefix="remote-tls-", dir=scratch))
    folder.chmod(0o755)
    with NameServer(RECORDS, {("signed.example", "MX"): "ad"}) as names:
        runner = Runner(folder, programs, names)
        runner.roots.write_bytes(authority.pem(root.root))
        yield runner


@pytest.fixture(scope="module")
def good(root):
    """A context with a certificate for MX."""
    return context([root.issue(MX)], key())


@pytest.fixture(scope="module")
def bad():
    """A context with a certificate that nobody vouches for."""
    return context([Authority("Nobody").issue(MX)], key())


def said_nothing(server):
    """Not a word of the mail went to SERVER without protection."""
    lines = [line for session in server.sessions for line in session.clear_commands]
    return all(line.split(b" ")[0] in (b"EHLO", b"HELO", b"STARTTLS", b"QUIT") for line in lines)


def secrets(password=PASSWORD):
    """What a password looks like on the wire."""
    for octets in (password.encode(), f"\0{USER}\0{password}".encode()):
        yield base64.b64encode(octets).decode()
    yield password


def keeps_secrets(result, password=PASSWORD):
    return not any(secret in result.log or secret in result.text for secret in secrets(password))


# --- opportunistic ---


def test_mail_goes_over_tls(remote, good):
    asked = []
    good.sni_callback = lambda _socket, name, _context: asked.append(name)
    with HostileServer(tls=good, extensions=["PIPELINING"]) as server:
        result = remote(server)
    good.sni_callback = None
    (session,) = server.sessions
    assert result.letters == "rK" and session.accepted == [WIRE], result
    assert session.clear_commands == [b"EHLO us.example", b"STARTTLS"]
    assert session.commands[2:] == [b"EHLO us.example", b"MAIL FROM:<s@x.example>",
                                    b"RCPT TO:<a@y.example>", b"DATA", b"QUIT"]
    assert asked == [MX]
    (attempt,) = result.attempts
    assert attempt["tls"] == "TLSv1.2" and attempt["suite"].startswith("ECDHE-ECDSA-"), attempt
    assert attempt["certificate"] == "unverified" and attempt["result"] == "settled"
    assert "tls-reason" not in attempt and "auth" not in attempt


def test_a_large_message_over_tls(remote, good):
    message = b"Subject: large\n\n" + (b"x" * 70 + b"\n") * ((3 << 20) // 71)
    with HostileServer(tls=good, extensions=["PIPELINING"]) as server:
        assert remote(server, message=message).letters == "rK"
    assert server.messages == [message.replace(b"\n", b"\r\n")]


def test_an_address_has_no_server_name(remote, good):
    asked = []
    good.sni_callback = lambda _socket, name, _context: asked.append(name)
    with HostileServer(tls=good) as server:
        result = remote(server, route=f":127.0.0.1:{server.port}")
    good.sni_callback = None
    assert result.letters == "rK" and asked == [None]
    assert server.sessions[0].secure


@pytest.mark.parametrize("clear, secure, message, letter", [
    (["8BITMIME", "SIZE 1000"], [], b"Subject: x\n\n\xff\n", "h"),
    ([], ["8BITMIME"], b"Subject: x\n\n\xff\n", "r"),
    (["SIZE 5"], [], MESSAGE, "r"),
    ([], ["SIZE 5"], MESSAGE, "h"),
])
def test_what_was_said_in_the_clear_is_forgotten(remote, good, clear, secure, message, letter):
    """I07: the extensions are those of the second EHLO."""
    with HostileServer(tls=good, extensions=clear, secure=secure) as server:
        result = remote(server, message=message)
    assert result.letter == letter, result
    assert server.sessions[0].secure


def test_a_server_without_tls_gets_it_in_the_clear(remote):
    with HostileServer() as server:
        result = remote(server)
    assert result.letters == "rK" and result.attempts[0]["tls"] == "none"
    assert "tls-reason" not in result.attempts[0]


def test_no_tls_where_the_policy_says_none(remote, good):
    with HostileServer(tls=good) as server:
        result = remote(server, tlspolicy=f"{MX}:none")
    assert result.letters == "rK" and result.attempts[0]["tls"] == "none"
    assert b"STARTTLS" not in server.commands


REFUSALS = {"454": "454 4.7.0 TLS not available", "502": "502 5.5.1 what?", "403": "403-no\r\n403 no"}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_starttls_costs_nothing(remote, good, name):
    """The session goes on, and the log says how."""
    with HostileServer({"STARTTLS": REFUSALS[name]}, tls=good) as server:
        result = remote(server)
    (session,) = server.sessions
    assert result.letters == "rK" and not session.secure
    assert session.commands[2].startswith(b"MAIL")
    (attempt,) = result.attempts
    assert attempt["tls"] == "failed-clear"
    assert f"it refuses STARTTLS: {name} " in attempt["tls-reason"]


def without(what):
    """A server's context that has nothing in common with us."""
    made = context([Authority("x").issue(MX)], key())
    if what == "version":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1_1
    elif what == "suite":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("AES128-SHA:@SECLEVEL=0")
    return made


def hello(session):
    """Waits for the ClientHello: what comes before it comes behind 220."""
    assert session.receive()[:1] == b"\x16"


# What leaves a connection useless: answers, and the context when it is not a good one.
USELESS = {
    "STARTTLS: closes": ({"STARTTLS": CLOSE}, None),
    "STARTTLS: resets": ({"STARTTLS": RESET}, None),
    "STARTTLS: silent": ({"STARTTLS": SILENCE}, None),
    "STARTTLS: 421": ({"STARTTLS": ("421 4.3.2 closing", CLOSE)}, None),
    "STARTTLS: garbage": ({"STARTTLS": b"\0\xff garbage\r\n"}, None),
    "STARTTLS: 250": ({"STARTTLS": "250 ok"}, None),
    "STARTTLS: 354": ({"STARTTLS": "354 ok"}, None),
    "STARTTLS: drip": ({"STARTTLS": drip(b"220-" + b"x" * 3000, 0.05)}, None),
    "handshake: closes": ({"handshake": CLOSE}, None),
    "handshake: resets": ({"handshake": RESET}, None),
    "handshake: silent": ({"handshake": SILENCE}, None),
    "handshake: drip": (
        {"handshake": (hello, drip(b"\x16\x03\x03\x40\x00\x02" + bytes(3000), 0.05))}, None),
    "handshake: half": ({"handshake": (hello, b"\x16\x03\x03\x00", CLOSE)}, None),
    "handshake: alert": ({"handshake": (hello, b"\x15\x03\x03\x00\x02\x02\x28", CLOSE)}, None),
    "handshake: SMTP": ({"handshake": (hello, "250 ok", SILENCE)}, None),
    "handshake: old TLS": ({}, "version"),
    "handshake: no common suite": ({}, "suite"),
}


def timeout_of(name):
    return 2 if re.search("silent|drip|SMTP", name) else 30


@pytest.mark.parametrize("name", USELESS)
def test_a_new_connection_in_the_clear(remote, good, name):
    """Opportunistic: the same server gets the mail without TLS, once."""
    answers, lacking = USELESS[name]
    tls = without(lacking) if lacking else good
    with HostileServer(answers, tls=tls) as server:
        result = remote(server, timeout=timeout_of(name))
    assert result.letters == "rK", result
    first, second = server.sessions
    assert not first.messages and not any(b"MAIL" in line for line in first.commands)
    assert second.accepted == [WIRE] and b"STARTTLS" not in second.commands
    failed, attempt = result.attempts
    assert failed["result"] == "next" and attempt["result"] == "settled"
    assert attempt["tls"] == "failed-clear" and attempt["tls-reason"]


def test_the_new_connection_is_refused(remote, good):
    """What may be tried in vain ends: deferred."""
    with HostileServer([{"handshake": CLOSE}, {"greeting": ("421 too many", CLOSE)}],
                       tls=good) as server:
        result = remote(server)
    assert result.letters == "sZ" and "421 too many" in result.text
    assert len(server.sessions) == 2


def test_a_server_that_demands_tls_where_it_fails(remote, good):
    """530 would be a bounce; with TLS out of order on either side it is none."""
    answers = {"handshake": CLOSE, "MAIL": "530 5.7.0 Must issue a STARTTLS command first"}
    with HostileServer(answers, tls=good) as server:
        result = remote(server, route=f"::{server.port}")
    assert result.letters == "sZ" and "Must issue a STARTTLS" in result.text


def test_530_says_where_to_look(remote):
    with HostileServer({"MAIL": "530 5.7.0 Authentication required"}) as server:
        result = remote(server)
    assert result.letter == "h" and result.text.endswith(
        "said: 530 5.7.0 Authentication required (MAIL; it asks for AUTH or TLS: see smtproutes, "
        "tlspolicy)"), result


# --- injection: I06 ---

INJECTED = {
    "a reply": b"220 go\r\n250 ok\r\n",
    "an EHLO list": b"220 go\r\n250-x\r\n250-AUTH PLAIN\r\n250 SIZE 1\r\n",
    "half a reply": b"220 go\r\n25",
    "an octet": b"220 go\r\n\0",
    "behind two lines": b"220-go\r\n220 go\r\n250 ok\r\n",
    "a session": b"220 go\r\n" + b"250 ok\r\n" * 1000,
}


@pytest.mark.parametrize("name", INJECTED)
@pytest.mark.parametrize("level", ["may", "encrypt"])
def test_octets_behind_220_end_all(remote, good, name, level):
    with HostileServer({"STARTTLS": INJECTED[name]}, tls=good) as server:
        result = remote(server, f"tls={level}")
    assert result.letters == "sZ" and result.text.startswith("4.7.0 "), result
    assert "in the clear behind its 220" in result.text
    (session,) = server.sessions
    assert session.commands == [b"EHLO us.example", b"STARTTLS"] and not session.secure


def test_octets_long_behind_220_fail_the_handshake(remote, good):
    """They meet the engine, for which they are no TLS; nobody takes them for an answer."""
    with HostileServer({"handshake": (hello, "250 ok")}, tls=good) as server:
        result = remote(server, "tls=encrypt")
    assert result.letters == "sZ" and result.text.startswith("4.7.5 "), result
    assert said_nothing(server) and len(server.sessions) == 1


# --- required: I08 ---

LACKING = {"stripped": ({}, "nothing"), **{name: ({"STARTTLS": text}, None)
                                           for name, text in REFUSALS.items()}, **USELESS}


@pytest.mark.parametrize("name, level", [
    *((name, "encrypt") for name in LACKING), ("stripped", "verify"), ("454", "verify"),
    ("STARTTLS: closes", "verify"), ("handshake: closes", "verify")])
def test_required_tls_that_fails_defers(remote, good, name, level):
    answers, lacking = LACKING[name]
    tls = None if lacking == "nothing" else without(lacking) if lacking else good
    with HostileServer(answers, tls=tls) as server:
        result = remote(server, f"tls={level}", timeout=timeout_of(name))
    assert result.letters == "sZ" and result.text.startswith("4."), result
    assert f"{MX}[127.0.0.1]:{server.port} " in result.text
    if not name.startswith("STARTTLS: "):
        needed = f"verify {MX}" if level == "verify" else "encrypt"
        assert re.match(rf"4\.7\.5 \S+ TLS is required \({needed}\), but ", result.text), result
    (session,) = server.sessions
    assert said_nothing(server) and not session.messages


@pytest.mark.parametrize("level, letters", [("may", "rK"), ("encrypt", "sZ")])
def test_without_an_engine(remote, good, tmp_path, level, letters):
    """No STARTTLS is said, for after it there would be no way back."""
    programs = Path(tempfile.mkdtemp(prefix="programs-", dir=remote.folder))
    programs.chmod(0o755)
    shutil.copy2(remote.programs / "ekiden-remote", programs)
    with HostileServer(tls=good) as server:
        result = remote(server, f"tls={level}", programs=programs)
    assert result.letters == letters, result
    assert len(server.sessions) == 1 and b"STARTTLS" not in server.commands
    assert server.commands[-1] == b"QUIT"
    if level == "encrypt":
        assert result.text.startswith("4.7.5 ") and "no TLS engine of ours is ready" in result.text
    else:
        assert result.attempts[0]["tls"] == "failed-clear"


# --- certificates: I09 ---


def cases(root):
    """Name -> (certificates, what the failure says; None: it is good)."""
    nobody = Authority("Nobody")
    own = key()
    return {
        "good": ([root.issue(MX)], None),
        "one label": ([root.issue("*.y.example")], None),
        "several names": ([root.issue(MX, extensions=(alternative_names("a.example", MX),))], None),
        "expired": ([root.issue(MX, days=(-30, -1))], "expired"),
        "not yet": ([root.issue(MX, days=(1, 30))], "not valid"),
        "another name": ([root.issue("mx.z.example")], "name"),
        "the name below": ([root.issue("y.example")], "name"),
        "two wildcards": ([root.issue("*.*.example")], ""),
        "a wildcard too high": ([root.issue("*.example")], ""),
        "NUL": ([root.issue(MX, extensions=(alternative_names(MX.encode() + b"\0.z.example"),))],
                ""),
        "common name only": ([root.issue(MX, extensions=())], ""),
        "unknown authority": ([nobody.issue(MX)], "authority"),
        "unknown authority and its root": ([nobody.issue(MX), nobody.root], "authority"),
        "self-signed": ([certificate(MX, own.public, MX, own, (alternative_names(MX), IS_AUTHORITY))],
                        "self-signed"),
        "wrong signature": ([root.issue(MX, wrong_signature=True)], ""),
    }


CASES = ("good", "one label", "several names", "expired", "not yet", "another name",
         "the name below", "two wildcards", "a wildcard too high", "NUL", "common name only",
         "unknown authority", "unknown authority and its root", "self-signed", "wrong signature")


@pytest.mark.parametrize("name", CASES)
def test_certificate(remote, root, name):
    """A bad one defers where it is looked at, and passes for what it is where it is not."""
    certificates, problem = cases(root)[name]
    with HostileServer(tls=context(certificates, key())) as server:
        verified = remote(server, "tls=verify")
        unverified = remote(server, "tls=may")
    assert unverified.letters == "rK", unverified
    assert unverified.attempts[-1]["certificate"] == "unverified"
    assert said_nothing(server)
    if problem is None:
        assert verified.letters == "rK", verified
        assert verified.attempts[0]["certificate"] == "verified"
        return
    assert verified.letters == "sZ", verified
    assert re.match(rf"4\.7\.5 \S+ TLS is required \(verify {MX}\), but ", verified.text)
    assert problem in verified.text, verified
    assert len(server.sessions) == 2 and len(server.messages) == 1


def test_verify_another_name(remote, root):
    """verify=NAME, in either file."""
    with HostileServer(tls=context([root.issue("mail.provider.example")], key())) as server:
        assert remote(server, "tls=verify=mail.provider.example").letters == "rK"
        assert remote(server, tlspolicy=f"{MX}:verify=mail.provider.example").letters == "rK"
        assert remote(server, tlspolicy=".y.example:verify").letters == "sZ"
        # an address has no name but this
        by_address = f":127.0.0.1:{server.port} tls=verify=mail.provider.example"
        assert remote(server, route=by_address).letters == "rK"
        assert len(server.messages) == 3


@pytest.mark.parametrize("policy, hint", [
    ("xn--bcher-kva.example:encrypt", None), (".xn--bcher-kva.example:none\n.example:encrypt", None),
    ("bücher.example:encrypt", "`xn--...`"), (".bücher.example:encrypt", "`xn--...`"),
])
@pytest.mark.parametrize("host", ["xn--bcher-kva.example", "XN--BCHER-KVA.Example", "bücher.example",
                                  "BÜCHER.example", "bu\u0308cher.example"])
def test_a_policy_counts_for_all_spellings(remote, host, policy, hint):
    with HostileServer(extensions=["SMTPUTF8", "8BITMIME"]) as server:
        result = remote(server, route=f"::{server.port}", host=host, tlspolicy=policy)
    assert result.letter in "sZ" and not server.messages, result
    assert hint in result.log if hint else result.text.startswith("4.7.5 "), result


@pytest.mark.parametrize("relay", ["127.0.0.1", "[127.0.0.1]"])
@pytest.mark.parametrize("key", ["127.0.0.1", "[127.0.0.1]"])
def test_a_policy_for_an_address(remote, relay, key):
    """With brackets or without, in smtproutes, in tlspolicy, in a recipient."""
    with HostileServer() as server:
        result = remote(server, route=f":{relay}:{server.port}", tlspolicy=f"{key}:encrypt")
        literal = remote(server, route=f"::{server.port}", host="[127.0.0.1]",
                         tlspolicy=f"{key}:encrypt")
    for each in (result, literal):
        assert each.letter == "s" and each.text.startswith("4.7.5 ") and not server.messages, each


@pytest.mark.parametrize("host, letters, policy", [
    ("y.example", "rK", "verify"),
    ("elsewhere.example", "sZ", "verify"),
    ("elsewhere.example", "rK", f"verify={MX}"),
    ("elsewhere.example", "sZ", "verify=mx.elsewhere.example"),
    ("elsewhere.example", "rK", "encrypt"),
    ("signed.example", "rK", "verify"),
    ("[127.0.0.1]", "sZ", "verify"),
])
def test_verify_by_mx(remote, good, host, letters, policy):
    """Whoever forges an MX record has a certificate for the name he puts there."""
    with HostileServer(tls=good) as server:
        result = remote(server, route=f"::{server.port}", host=host,
                        tlspolicy=f"{'' if policy == 'verify' else host}:{policy}")
    assert result.letters == letters, result
    if letters == "sZ" and policy == "verify":
        assert result.text.startswith(f"4.7.5 {host} ") and "verify=NAME" in result.text
        assert not server.sessions
        assert result.attempts[0]["result"] == "unverifiable"


# --- TLS from the first octet ---


def test_implicit_tls(remote, good):
    with HostileServer(tls=good, implicit=True, secure=["PIPELINING"]) as server:
        result = remote(server, "implicit tls=verify")
    assert result.letters == "rK" and server.messages == [WIRE], result
    assert result.attempts[0]["certificate"] == "verified"
    assert b"STARTTLS" not in server.commands and not server.sessions[0].clear_commands


@pytest.mark.parametrize("level", ["none", "may", "verify"])
@pytest.mark.parametrize("answers", [{"handshake": CLOSE}, {"handshake": ("220 hi", CLOSE)}])
def test_implicit_tls_has_no_clear_form(remote, good, level, answers):
    with HostileServer(answers, tls=good, implicit=True) as server:
        result = remote(server, "implicit", tlspolicy=f"{MX}:{level}", timeout=2)
    assert result.letters == "sZ" and result.text.startswith("4.7.5 "), result
    (session,) = server.sessions
    assert not session.commands


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "message"])
@pytest.mark.parametrize("action", [CLOSE, RESET])
def test_the_server_ends_inside_tls(remote, good, stage, action):
    with HostileServer({stage: action}, tls=good, implicit=True) as server:
        result = remote(server, "implicit tls=encrypt")
    assert result.letters == "sZ" and result.text.startswith("4.4.2 "), result
    assert len(server.sessions) == 1
    assert ("may have the message" in result.text) == (stage == "message")


def test_the_session_has_an_end_inside_tls(remote, good):
    with HostileServer({"RCPT": SILENCE}, tls=good) as server:
        begin = time.monotonic()
        result = remote(server, timeout=2)
    assert result.letters == "sZ" and "does not answer in time" in result.text
    assert time.monotonic() - begin < 60


# --- AUTH ---


def logged_in(server, mechanism):
    return [(session.login, session.mechanism, session.secure) for session in server.sessions] == [
        (USER, mechanism, True)]


@pytest.mark.parametrize("keyword, mechanism", [
    ("AUTH PLAIN", "PLAIN"), ("AUTH LOGIN", "LOGIN"), ("AUTH CRAM-MD5 LOGIN PLAIN", "PLAIN"),
    ("AUTH=LOGIN PLAIN", "PLAIN"), ("auth=login", "LOGIN"), ("AUTH XOAUTH2 login", "LOGIN"),
])
def test_login(remote, good, keyword, mechanism):
    with HostileServer(tls=good, secure=[keyword], logins={USER: PASSWORD}) as server:
        result = remote.login(server)
    assert result.letters == "rK" and logged_in(server, mechanism), result
    assert server.sessions[0].accepted == [WIRE]
    assert not any(b"AUTH=" in line for line in server.commands)
    assert result.attempts[0]["auth"] == "provider"
    assert result.attempts[0]["certificate"] == "verified"
    assert keeps_secrets(result)


@pytest.mark.parametrize("length", [1, 300, 400, 800])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_passwords_of_any_length(remote, good, mechanism, length):
    """What is longer than a command goes in a line of its own."""
    password = "p" + "w" * (length - 1)
    with HostileServer(tls=good, secure=[f"AUTH {mechanism}"], logins={USER: password}) as server:
        result = remote.login(server, password=password)
    assert result.letters == "rK" and logged_in(server, mechanism), result
    assert all(len(line) <= 510 for line in server.commands)


def test_an_octet_beyond_ascii(remote, good):
    with HostileServer(tls=good, secure=["AUTH PLAIN"], logins={USER: "pässwört"}) as server:
        assert remote.login(server, password="pässwört").letters == "rK"


REFUSED = "refused the user name or password of authroutes provider: "
FAILURES = {  # answer to AUTH -> (begin of the text, connections to a host with two addresses)
    "535": ("535 5.7.8 bad credentials", f"4.7.8 {{}} {REFUSED}535 5.7.8 bad credentials (AUTH)", 1),
    "535 in lines": ("535-5.7.8 no\r\n535 5.7.8 see there", f"4.7.8 {{}} {REFUSED}535 ", 1),
    "534": ("534 5.7.9 use another", f"4.7.8 {{}} {REFUSED}534 ", 1),
    "504": ("504 5.5.4 what?", "4.7.8 {} refused the AUTH of authroutes provider: 504 ", 1),
    "454": ("454 4.7.0 later", "4.7.0 {} refused the AUTH of authroutes provider: 454 ", 2),
    "421": ("421 4.3.2 bye", "4.3.2 {} said: 421 ", 2),
    "250": ("250 ok", "4.5.0 {} gives an answer that makes no sense here: ", 2),
    "334 for ever": ("334 ", "4.5.0 {} gives an answer that makes no sense here: 334", 2),
    "garbage": (b"\xff\0\r\n", "4.5.0 {} sends what is no answer: ", 2),
    "closes": (CLOSE, "4.4.2 {} ", 2),
    "silent": (SILENCE, "4.4.2 {} does not answer in time (AUTH)", 2),
}


@pytest.mark.parametrize("name, mechanism", [
    *((name, "PLAIN") for name in FAILURES),
    *((name, "LOGIN") for name in ("535", "454", "334 for ever", "closes"))])
def test_a_failing_login_defers(remote, root, name, mechanism):
    """Never a bounce: whose mistake it is mends it. No other address of the host hears a password
    that was wrong, for each wrong one counts there."""
    action, text, count = FAILURES[name]
    tls = context([root.issue("both.example")], key())
    answers = {"AUTH": action}
    if name == "334 for ever":
        answers[base64.b64encode(USER.encode()).decode().upper()] = action
        answers[base64.b64encode(PASSWORD.encode()).decode().upper()] = action
    with HostileServer(answers, tls=tls, secure=[f"AUTH {mechanism}"]) as one:
        with HostileServer(answers, tls=tls, secure=[f"AUTH {mechanism}"], address="127.0.0.2",
                           port=one.port) as two:
            result = remote.login(None, route=f":both.example:{one.port} auth=provider",
                                  timeout=2 if name == "silent" else 30)
    peer = rf"both.example\[127.0.0.[12]\]:{one.port}"
    assert result.letters == "sZ"
    assert re.match(re.escape(text).replace(r"\{\}", peer), result.text), result
    assert len(one.sessions) + len(two.sessions) == count
    assert keeps_secrets(result) and "auth" not in result.attempts[0]
    assert not any(b"MAIL" in line for line in one.commands + two.commands)


@pytest.mark.parametrize("echo", [
    lambda line: b"500 unknown command: " + line + b"\r\n",
    lambda line: b"535 no such password: " + line.split(b" ")[-1][:30] + b"\r\n",
    lambda line: b"535 " + PASSWORD.upper().encode() + b" is wrong\r\n",
    lambda line: b"500 " + line.upper() + b"\r\n",
    lambda line: b"421 " + line + b"\r\n",
    lambda line: line + b"\r\n",
    lambda line: b"250-" + line + b"\r\n250 " + line + b"\r\n",
])
def test_a_server_that_repeats_the_password(remote, good, echo):
    with HostileServer({"AUTH": lambda session: echo(session.line)}, tls=good,
                       secure=["AUTH PLAIN"]) as server:
        result = remote.login(server)
    assert result.letters == "sZ" and "authroutes provider" in result.text, result
    for secret in secrets():
        for text in (result.log.lower(), result.text.lower()):
            assert not any(secret.lower()[i : i + 8] in text for i in range(len(secret) - 8)), text


def test_auth_that_is_not_offered(remote, good):
    with HostileServer(tls=good, secure=[]) as server:
        result = remote.login(server)
    assert result.letters == "sZ" and "offers no AUTH" in result.text, result
    with HostileServer(tls=good, secure=["AUTH CRAM-MD5 PLAINER XLOGIN"]) as server:
        result = remote.login(server)
    assert result.letters == "sZ" and "neither PLAIN nor LOGIN" in result.text, result
    assert server.commands[-1] == b"QUIT"


def test_auth_that_is_offered_only_in_the_clear(remote, good):
    """I07: what was said there counts no more."""
    with HostileServer(tls=good, extensions=["AUTH PLAIN"], secure=[],
                       logins={USER: PASSWORD}) as server:
        result = remote.login(server)
    assert result.letters == "sZ" and "offers no AUTH" in result.text, result


@pytest.mark.parametrize("level, offered", [("may", False), ("none", False), ("none", True),
                                            ("encrypt", False), ("verify", False)])
def test_no_password_in_the_clear(remote, good, level, offered):
    with HostileServer(tls=good if offered else None, extensions=["AUTH PLAIN LOGIN"],
                       logins={USER: PASSWORD}) as server:
        result = remote.login(server, tlspolicy=f"{MX}:{level}")
    assert result.letters == "sZ" and re.match(r"4\.7\.(5|11) ", result.text), result
    assert said_nothing(server)
    if level == "may":
        assert "TLS is required (for the password of authroutes provider)" in result.text


def test_a_failed_handshake_does_not_give_the_password_away(remote, good):
    """There is no way back to the clear for it, not even opportunistically."""
    with HostileServer({"handshake": CLOSE}, tls=good, extensions=["AUTH PLAIN"],
                       logins={USER: PASSWORD}) as server:
        result = remote.login(server, "auth=provider tls=may")
    assert result.letters == "sZ" and result.text.startswith("4.7.5 ") and said_nothing(server)
    assert len(server.sessions) == 1


def test_a_password_for_nobody_else(remote, bad):
    """With auth= the level is verify."""
    with HostileServer(tls=bad, secure=["AUTH PLAIN"], logins={USER: PASSWORD}) as server:
        result = remote.login(server)
    assert result.letters == "sZ" and result.text.startswith("4.7.5 ") and said_nothing(server)


def test_clear_auth(remote, good):
    """Where the operator allows it; and with TLS where there is TLS."""
    with HostileServer(extensions=["AUTH PLAIN"], logins={USER: PASSWORD}) as server:
        result = remote.login(server, "auth=provider clear-auth")
    assert result.letters == "rK" and server.sessions[0].login == USER, result
    assert result.attempts[0]["tls"] == "none" and result.attempts[0]["auth"] == "provider"
    with HostileServer(tls=good, extensions=["AUTH PLAIN"], logins={USER: PASSWORD}) as server:
        assert remote.login(server, "auth=provider clear-auth").letters == "rK"
    assert logged_in(server, "PLAIN")


# --- a second host ---


def by_two(remote, first, second, route="{}:{},{}:{} auth=provider", **rest):
    names = (MX, first.port, MX, second.port)
    return remote.login(None, route=":" + route.format(*names), **rest)


@pytest.mark.parametrize("name, answers", [
    ("down", None), ("greeting", {"greeting": "554 no"}), ("AUTH", {"AUTH": "535 5.7.8 no"}),
    ("handshake", {"handshake": CLOSE}), ("MAIL", {"MAIL": "451 4.3.0 later"}),
    ("RCPT", {"RCPT": "450 4.2.0 later"}), ("DATA", {"DATA": "451 later"}),
])
def test_the_second_host_gets_it(remote, good, name, answers):
    offer = {"tls": good, "secure": ["AUTH PLAIN"], "logins": {USER: PASSWORD}}
    with HostileServer(answers, **offer) as first, HostileServer(**offer) as second:
        if answers is None:
            first.stop()
        result = by_two(remote, first, second)
    assert result.letters == "rK" and second.messages == [WIRE], result
    assert not first.messages and len(result.attempts) == 2


@pytest.mark.parametrize("stage, action, letters", [
    ("MAIL", "550 5.7.1 no", "hD"), ("RCPT", "550 5.1.1 no", "hD"),
    ("message", "451 4.3.0 later", "sZ"), ("message", CLOSE, "sZ"),
])
def test_the_second_host_does_not_get_it(remote, good, stage, action, letters):
    """What was refused for good is; what may have been taken is not sent twice."""
    offer = {"tls": good, "secure": ["AUTH PLAIN"], "logins": {USER: PASSWORD}}
    with HostileServer({stage: action}, **offer) as first, HostileServer(**offer) as second:
        result = by_two(remote, first, second)
    assert result.letters == letters and not second.sessions, result


def test_recipients_are_shared_by_two_hosts(remote):
    """The first refuses one for good and defers the other, which the second takes."""
    with HostileServer({"RCPT": ["550 5.1.1 no", "450 4.2.0 later"]}) as first:
        with HostileServer() as second:
            result = by_two(remote, first, second, "{}:{},{}:{}",
                            recipients=["a@y.example", "b@y.example"])
    assert result.letters == "hrK", result
    assert second.served == ["b@y.example"]
