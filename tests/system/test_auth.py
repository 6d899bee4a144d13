"""AUTH (RFC 4954): the exchange, what the helper is told, and what each of its ends means.

A stand-in (stand_in_auth.py) is in ekiden-auth's place where the end of the helper matters.
"""

import json
import os
import pwd
import shutil
import signal
from pathlib import Path

import certificates
import oracle
import pytest
from conftest import IS_ROOT, USERS, discard, new_instance
from instance import DOMAIN, PATIENCE, wait_for
from smtp_client import CRLF
from submitter import any_certificate, encrypted, log_in, logged_in, plain, start_tls, word

STAND_IN = Path(__file__).with_name("stand_in_auth.py")
ALICE = f"alice@{DOMAIN}"
CONTROL = {"timeoutauth": "2\n", "maxerrors": "1000\n"}


def put_stand_in(instance, programs):
    """Gives INSTANCE programs of its own, whose ekiden-auth is the stand-in, and a certificate."""
    instance.programs = instance.folder / "programs"
    instance.programs.mkdir()
    for path in programs.iterdir():
        os.link(path, instance.programs / path.name)
    (instance.programs / "ekiden-auth").unlink()
    shutil.copy(STAND_IN, instance.programs / "ekiden-auth")
    (instance.programs / "ekiden-auth").chmod(0o755)
    (instance.programs / "habit").write_text("good")
    certificates.put(instance)
    return instance


@pytest.fixture(scope="module")
def stand_in(scratch, programs, mode):
    """A server whose ekiden-auth is the stand-in."""
    instance = put_stand_in(new_instance(scratch, programs, mode, CONTROL), programs)
    yield instance.start()
    instance.expected_signals = True  # some tests' helpers are killed
    try:
        oracle.check_end(instance)
    finally:
        discard(instance)


@pytest.fixture
def helper(stand_in):
    """The same for one test: with the habit of a good helper, and nothing noted yet."""
    (stand_in.programs / "habit").write_text("good")
    for path in notes(stand_in):
        path.unlink()
    start = len(stand_in.log_text())
    stand_in.expected_signals = False
    yield stand_in
    oracle.check_mail(stand_in)
    oracle.check_log(stand_in, start)


def notes(instance):
    return sorted(instance.folder.glob("state/seen.*"))


def seen(instance):
    """What the helpers have noted, each once it has ended."""
    return [json.loads(path.read_text()) for path in notes(instance)]


def the_login(instance, count=1):
    """The last COUNT events of logins."""
    return [event for event in instance.log() if event["event"] == "login"][-count:]


def attempt(client, password, user="alice"):
    return client.command(f"AUTH PLAIN {plain(user, password)}")


# --- where it is offered ---


def test_it_is_offered_under_tls_only(helper):
    with helper.session(port=helper.submission_port) as client:
        assert "AUTH" not in client.command("EHLO x").text
        answer = attempt(client, "right")
        assert (answer.code, answer.enhanced) == (538, "5.7.11")
        assert client.command("AUTH LOGIN").code == 538
        assert client.command(f"MAIL FROM:<{ALICE}>").enhanced == "5.7.0"
        assert "AUTH PLAIN LOGIN" in start_tls(client).lines
        client.quit()
    assert not seen(helper)


def test_it_is_not_for_other_servers(helper):
    with helper.session() as client:
        assert attempt(client, "right").code == 502
        assert "AUTH" not in start_tls(client).text
        answer = attempt(client, "right")
        assert (answer.code, answer.enhanced) == (502, "5.5.1")
        client.quit()
    assert not seen(helper)


def test_implicit_tls(helper):
    client = helper.connect(port=helper.submissions_port)
    client.socket = any_certificate().wrap_socket(client.socket)
    with client:
        assert "AUTH PLAIN LOGIN" in client.greet().lines
        log_in(client, "alice", "right")
        assert client.deliver(ALICE, [ALICE], b"Subject: x\n\nx\n").code == 250
        client.quit()


def test_order(helper):
    with encrypted(helper) as client:
        answer = client.command(f"MAIL FROM:<{ALICE}>")
        assert (answer.code, answer.enhanced) == (530, "5.7.0")
        assert client.command("HELO x").code == 250
        assert attempt(client, "right").code == 503
        assert client.command("EHLO x").code == 250
        assert attempt(client, "right").code == 235
        answer = attempt(client, "right")
        assert (answer.code, answer.enhanced) == (503, "5.5.1")
        assert client.command(f"MAIL FROM:<{ALICE}>").code == 250
        assert attempt(client, "right").code == 503
        assert client.command("RSET").code == 250
        # Neither ends the login.
        assert "AUTH" not in client.command("EHLO y").text
        assert client.command(f"MAIL FROM:<{ALICE}>").code == 250
        client.quit()
    assert len(seen(helper)) == 1


def test_not_before_ehlo(helper):
    """What EHLO said in the clear is forgotten."""
    with helper.session(port=helper.submission_port) as client:
        assert client.command("STARTTLS").code == 220
        client.socket = any_certificate().wrap_socket(client.socket)
        assert attempt(client, "right").code == 503
        client.quit()
    assert not seen(helper)


# --- the exchange ---


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("initial", [True, False])
def test_mechanisms(helper, mechanism, initial):
    with encrypted(helper) as client:
        lines = {"PLAIN": [plain("Alice", "right")], "LOGIN": [word("Alice"), word("right")]}
        prompts = {"PLAIN": [""], "LOGIN": ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"]}[mechanism]
        words = lines[mechanism]
        command = f"AUTH {mechanism.lower()}"
        if initial:
            command += " " + words.pop(0)
            prompts.pop(0)
        answer = client.command(command)
        for line, prompt in zip(words, prompts):
            assert (answer.code, answer.text) == (334, prompt)
            answer = client.command(line)
        assert (answer.code, answer.enhanced) == (235, "2.7.0")
        client.quit()
    (note,) = seen(helper)
    assert note["told"] == "alice\0right\0\0"


def test_what_the_helper_is_given(helper):
    logged_in(helper).close()
    (note,) = seen(helper)
    control, state = (str(helper.folder / name) for name in ("control", "state"))
    assert note["arguments"] == ["-C", f"4:{control}", "-S", f"5:{state}"]
    environment = dict(note["environment"])
    environment.pop("ASAN_OPTIONS", None)
    environment.pop("LC_CTYPE", None)  # Python's own
    assert environment == {"PATH": "/usr/local/bin:/usr/bin:/bin", "TCPREMOTEIP": "127.0.0.1"}
    descriptors = note["descriptors"]
    assert descriptors["0"] == descriptors["1"] == "/dev/null"
    assert descriptors["2"] == str(helper.log_path)
    assert descriptors["3"].startswith("socket:")
    assert note["control"] == os.stat(control).st_ino and descriptors["4"] == control
    assert note["state"] == os.stat(state).st_ino and descriptors["5"] == state
    assert not set(descriptors) - set("012345") - {
        name for name, path in descriptors.items() if path.startswith("/proc/")
    }
    if helper.mode == "privileged":
        assert note["uid"] == pwd.getpwnam(USERS[7]).pw_uid
        assert os.stat(state).st_uid == note["uid"]
    assert os.stat(state).st_mode & 0o777 == 0o700


MALFORMED = {
    "odd": plain("alice", "right")[:-1],
    "padding-inside": "QUI=QUI=",
    "padding-alone": "====",
    "two": "=" * 2,
    "blank-inside": plain("alice", "right")[:4] + " " + plain("alice", "right")[4:],
    "url-safe": "-_-_",
    "eight-bit": b"\xe4\xe4\xe4\xe4",
    "unused-bits": "QQB=",
    "no-NUL": word("alice right"),
    "one-NUL": word("alice\0right"),
    "three-NULs": word("\0alice\0right\0"),
    "four-NULs": word("\0alice\0right\0\0"),
    "empty": "=",
    "empty-in-full": "",
}


def test_malformed(helper):
    for what, value in MALFORMED.items():
        value = value if isinstance(value, bytes) else value.encode()
        with encrypted(helper) as client:
            if what != "empty-in-full":
                answer = client.command(b"AUTH PLAIN " + value)
                assert (answer.code, answer.enhanced) == (501, "5.5.2"), what
            assert client.command("AUTH PLAIN").code == 334
            answer = client.command(value)
            assert (answer.code, answer.enhanced) == (501, "5.5.2"), what
            assert client.command("NOOP").code == 250
            client.quit()
    assert not seen(helper)


def test_defects_of_a_continuation(helper):
    for line in (b"QU\rE=", b"QU\nE=", b"QU\0E=", b"\x80", b"\x16\x03\x01"):
        with encrypted(helper) as client:
            for command in ("AUTH PLAIN", "AUTH LOGIN", f"AUTH LOGIN {word('alice')}"):
                assert client.command(command).code == 334
                answer = client.command(line)
                assert (answer.code, answer.enhanced) == (501, "5.5.2"), line
                assert client.command("NOOP").code == 250
            client.quit()
    assert not seen(helper)


def test_NULs_within_LOGIN(helper):
    with encrypted(helper) as client:
        assert client.command(f"AUTH LOGIN {word(b'alice' + bytes(1) + b'right')}").code == 501
        assert client.command(f"AUTH LOGIN {word('alice')}").code == 334
        assert client.command(word(b"right\0\0")).code == 501
        client.quit()
    assert not seen(helper)


def test_hopeless(helper):
    """Such a user has no password; the helper need not be asked."""
    for value in (
        plain("", "right"), plain("alice", ""), plain("", ""), plain("alice", "right", "bob"),
        plain("alice", "right", "alic"), plain("alice", "right", "alicex"), plain("a:b", "right"),
        plain("a" * 256, "right"),
    ):  # fmt: skip
        with encrypted(helper) as client:
            answer = client.command(f"AUTH PLAIN {value}")
            assert (answer.code, answer.enhanced) == (535, "5.7.8"), value
            client.quit()
    assert not seen(helper)


def test_hopeless_LOGIN(helper):
    with encrypted(helper) as client:
        assert client.command("AUTH LOGIN =").code == 334
        assert client.command(word("right")).code == 535
        assert client.command("AUTH LOGIN").code == 334
        assert client.command(word("alice")).code == 334
        assert client.command("").code == 535
        client.quit()
    assert not seen(helper)


def test_the_identity_may_be_the_users_own(helper):
    with encrypted(helper) as client:
        assert client.command(f"AUTH PLAIN {plain('alice', 'right', 'Alice')}").code == 235
        client.quit()


def test_never_cut(helper):
    """checkpassword reads 512 octets, with three NULs: what is longer would match by its beginning."""
    user, right = "a" * 200, "right"
    for total in (500, 510, 511, 512, 513, 514, 515, 516, 600):
        for path in notes(helper):
            path.unlink()
        with encrypted(helper) as client:
            answer = attempt(client, right + "x" * (total - len(user) - len(right) - 3), user)
            assert (answer.code, answer.enhanced) == (535, "5.7.8"), total
            client.quit()
        told = [len(note["told"]) for note in seen(helper)]
        assert told == ([total] if total <= 512 else [])


def test_cancelled(helper):
    with encrypted(helper) as client:
        for lines in (["AUTH PLAIN"], ["AUTH LOGIN"], [f"AUTH LOGIN {word('alice')}"],
                      ["AUTH LOGIN", word("alice")]):  # fmt: skip
            for line in lines:
                assert client.command(line).code == 334
            answer = client.command("*")
            assert (answer.code, answer.enhanced) == (501, "5.7.0")
        assert client.command("AUTH PLAIN *").code == 501
        log_in(client, "alice", "right")
        client.quit()
    assert len(seen(helper)) == 1


MECHANISMS = ["EXTERNAL", "NTLM", "GSSAPI", "DIGEST-MD5", "CRAM-MD5", "XOAUTH2", "PLAINX", "PLAI",
              "x" * 1000, "SCRAM-SHA-256", "LOGIN-", "="]  # fmt: skip


def test_unknown_mechanisms(helper):
    for mechanism in MECHANISMS:
        with encrypted(helper) as client:
            for value in ("", " " + word("TlRMTVNTUAABAAAA"), " ="):
                answer = client.command(f"AUTH {mechanism}{value}")
                assert (answer.code, answer.enhanced) == (504, "5.5.4"), mechanism
            client.quit()
    assert not seen(helper)


def test_no_mechanism(helper):
    with encrypted(helper) as client:
        assert client.command("AUTH").enhanced == "5.5.4"
        assert client.command("AUTH ").enhanced == "5.5.4"
        client.quit()


def test_long_lines(helper):
    """12,288 octets with CRLF are a line; one more is not, and what follows is in step."""
    room = 12288 - 2
    with encrypted(helper) as client:
        assert client.command("AUTH PLAIN").code == 334
        answer = client.command("A" * (room - 2) + "==")  # of a good length, and all NULs
        assert (answer.code, answer.enhanced) == (501, "5.5.2")
        assert client.command("AUTH PLAIN").code == 334
        answer = client.command("A" * (room + 1))
        assert (answer.code, answer.enhanced) == (500, "5.5.6")
        start = "AUTH PLAIN "
        answer = client.command(start + "A" * (room - len(start)))
        assert (answer.code, answer.enhanced) == (501, "5.5.2")
        answer = client.command(start + "A" * (room - len(start) + 1))
        assert (answer.code, answer.enhanced) == (500, "5.5.6")
        log_in(client, "alice", "right")
        client.quit()
    assert len(seen(helper)) == 1


def test_a_line_without_end_in_flat_memory(helper):
    with encrypted(helper) as client:
        assert client.command("AUTH PLAIN").code == 334
        for _ in range(400):
            client.send(b"A" * (1 << 16))
        assert client.reply().enhanced == "5.5.6"
        client.send(CRLF)
        assert client.command("NOOP").code == 250
        if not helper.sanitized:
            peak = max(one.peak_memory for one in helper.processes()["smtpd-dialogue"])
            assert peak < 8192, f"{peak} KiB"
        client.quit()


@pytest.mark.parametrize("password, code", [("right", 235), ("wrong", 535)])
def test_in_one_write(helper, password, code):
    """What a client sends without waiting is answered line by line."""
    lines = ["AUTH LOGIN", word("alice"), word(password), "NOOP", "VRFY x"]
    with encrypted(helper) as client:
        client.send("\r\n".join(lines).encode() + CRLF)
        assert [client.reply().code for _ in lines] == [334, 334, code, 250, 252]
        lines = ["AUTH LOGIN", "*", "AUTH PLAIN", "!", "NOOP"]
        client.send("\r\n".join(lines).encode() + CRLF)
        codes = [334, 501, 334, 501, 250] if code == 535 else [503, 500, 503, 500, 250]
        assert [client.reply().code for _ in lines] == codes
        client.quit()


def test_byte_by_byte(helper):
    with encrypted(helper) as client:
        for line in ("AUTH LOGIN", word("alice"), word("right")):
            for byte in line.encode() + CRLF:
                client.send(bytes([byte]))
            last = client.reply()
        assert last.code == 235
        client.quit()


def test_the_client_leaves_in_the_middle(helper):
    for lines in (["AUTH PLAIN"], ["AUTH LOGIN", word("alice")]):
        client = encrypted(helper)
        for line in lines:
            assert client.command(line).code == 334
        client.send(word("half")[:3])
        client.close()
    assert not seen(helper)


# --- the helper's end ---


def test_exit_codes(helper):
    for end in (*range(0, 6), 99, 100, 111, 127, 128, 255):
        with encrypted(helper) as client:
            answer = attempt(client, f"exit {end}")
            expected = {0: (235, "2.7.0"), 1: (535, "5.7.8")}.get(end, (454, "4.7.0"))
            assert (answer.code, answer.enhanced) == expected, end
            assert client.command(f"MAIL FROM:<{ALICE}>").code == (250 if end == 0 else 530)
            client.quit()
        (event,) = the_login(helper)
        assert event["result"] == {0: "ok", 1: "wrong"}.get(end, "failed")
        assert event["user"] == "alice" and event["client"] == "127.0.0.1"
        assert event["mechanism"] == "PLAIN" and event["role"] == "submission"


def test_it_dies(helper):
    helper.expected_signals = True
    with encrypted(helper) as client:
        assert attempt(client, "die").code == 454
        client.quit()


@pytest.mark.parametrize("habit", ["close", "unread", "half"])
def test_it_says_yes_without_having_listened(helper, habit):
    (helper.programs / "habit").write_text(habit)
    with encrypted(helper) as client:
        assert attempt(client, "right").code == 454
        assert client.command(f"MAIL FROM:<{ALICE}>").code == 530
        client.quit()


def test_it_hangs(helper):
    """Answered by the deadline, and it is ended."""
    with encrypted(helper) as client:
        answer = attempt(client, "hang")
        assert (answer.code, answer.enhanced) == (454, "4.7.0")
        (note,) = seen(helper)
        wait_for(lambda: not os.path.exists(f"/proc/{note['pid']}"), what="the helper's end")
        log_in(client, "alice", "right")
        client.quit()
    assert [event["result"] for event in the_login(helper, 2)] == ["timeout", "ok"]


def test_it_is_not_there(helper):
    program = helper.programs / "ekiden-auth"
    program.rename(helper.programs / "away")
    try:
        with encrypted(helper) as client:
            assert attempt(client, "right").code == 454
            client.quit()
        with helper.session() as client:
            client.quit()
    finally:
        (helper.programs / "away").rename(program)
    with logged_in(helper) as client:
        client.quit()


def test_three_failures_end_the_session(helper):
    with encrypted(helper) as client:
        assert attempt(client, "wrong").code == 535
        assert attempt(client, "wrong", "nobody").code == 535
        answer = attempt(client, "wrong")
        assert (answer.code, answer.enhanced) == (421, "4.7.0")
        assert client.is_closed()
    assert len(seen(helper)) == 3


def test_failures_of_the_helper_count_too(helper):
    with encrypted(helper) as client:
        assert [attempt(client, "exit 111").code for _ in range(3)] == [454, 454, 421]
        assert client.is_closed()


def test_a_server_that_goes_down_does_not_wait(make_instance, programs):
    instance = put_stand_in(make_instance({"timeoutauth": "170\n"}, start=False), programs)
    instance.start()
    with encrypted(instance) as client:
        client.send(f"AUTH PLAIN {plain('alice', 'hang')}\r\n")
        wait_for(lambda: seen(instance), what="the helper's note")
        instance.signal(signal.SIGTERM)
        assert client.reply().code == 421
        assert client.is_closed()
    assert instance.await_end() == 0


# --- the state folder ---


def test_an_unusable_state_folder(make_instance):
    """Nobody can log in, the log says why, and mail of others goes on."""
    instance = make_instance(start=False)
    certificates.put(instance)
    instance.add_login("alice", "right")
    state = instance.folder / "state"
    state.write_text("in the way")
    instance.start()
    with encrypted(instance) as client:
        assert attempt(client, "right").code == 454
        client.quit()
    instance.send(b"Subject: x\n\nx\n")
    events = [event for event in instance.log() if event["event"] == "state-unusable"]
    assert events and events[0]["folder"] == str(state)
    state.unlink()
    with logged_in(instance) as client:
        client.quit()


def test_a_state_folder_that_was_removed(make_instance):
    """The keeper has it open: it is made anew, without a restart."""
    instance = make_instance(start=False)
    certificates.put(instance)
    instance.add_login("alice", "right")
    instance.start()
    for _ in range(2):
        with logged_in(instance) as client:
            client.quit()
        shutil.rmtree(instance.folder / "state")
    with logged_in(instance) as client:
        client.quit()


@pytest.mark.root
def test_a_state_folder_of_somebody_else(make_instance):
    instance = make_instance(start=False)
    certificates.put(instance)
    state = instance.folder / "state"
    state.mkdir(mode=0o700)
    shutil.chown(state, "daemon", "daemon")
    instance.start()
    with encrypted(instance) as client:
        assert attempt(client, "right").code == 454
        client.quit()
    assert any(event["event"] == "state-unusable" for event in instance.log())
    assert os.stat(state).st_uid == pwd.getpwnam("daemon").pw_uid


# --- with the real one ---


@pytest.fixture(scope="module", autouse=True)
def logins(module_instance):
    certificates.put(module_instance)
    module_instance.wait_for_new_template()
    module_instance.add_login("alice", "a password of alice's")
    module_instance.add_login("bob", "b" * 200)


def test_the_real_one(server):
    with encrypted(server) as client:
        log_in(client, "ALICE", "a password of alice's")
        assert client.deliver(ALICE, [ALICE], b"Subject: x\n\nx\n").code == 250
        client.quit()
    server.wait_for_mail("alice")
    (accepted,) = [event for event in server.log() if event["event"] == "accepted"][-1:]
    assert accepted["login"] == "alice"


def test_unknown_and_wrong_are_the_same(server):
    with encrypted(server, source="127.0.0.2") as client:
        one = attempt(client, "wrong", "alice")
        other = attempt(client, "wrong", "nobody")
        assert one == other and (one.code, one.enhanced) == (535, "5.7.8")
        client.quit()


STRANGE = ["$(id)", ";id", "%n%s%s", "../../root", "() { :;};", "alice\n", "a\x1b[2J\x07", "\x9b",
           'a" b\\', "-b", "a" * 255]  # fmt: skip


def test_strange_users(server):
    for number, user in enumerate(STRANGE):
        with encrypted(server, source=f"127.0.1.{number + 1}") as client:
            answer = attempt(client, "wrong", user.encode("latin-1"))
            assert (answer.code, answer.enhanced) == (535, "5.7.8"), user
            client.quit()
        (event,) = the_login(server)
        escaped = "".join(f"\\x{ord(one):02x}" if not " " <= one <= "~" or one in '"\\' else one
                          for one in user.lower())  # fmt: skip
        assert escaped in event["line"]


def test_no_password_is_left_anywhere(server):
    """C19: log, arguments, environment, and the memory of a session that goes on."""
    secret = "a password of alice's"
    forms = [secret.encode(), word(secret).rstrip("=").encode(), plain("alice", secret).encode(),
             word("alice\0" + secret).encode()]  # fmt: skip
    with logged_in(server, "alice", secret) as one, encrypted(server) as other:
        for line in ("AUTH LOGIN", word("alice"), word(secret)):
            answer = other.command(line)
        assert answer.code == 235
        assert attempt(other, secret).code == 503
        other.send(f"{plain('alice', secret)}\r\n")  # out of step: it is no command
        assert other.reply().code == 500
        for process in server.all_processes():
            text = process.read("cmdline") + process.read("environ")
            assert not any(form.decode() in text for form in forms)
        if IS_ROOT and not server.sanitized:
            running = server.processes()
            for process in running["smtpd-dialogue"] + running["tls-server"]:
                memory = memory_of(process.pid)
                assert memory, "its memory could not be read"
                assert not [form for form in forms if form in memory]
        for client in (one, other):
            client.quit()
    assert not any(form in server.log_path.read_bytes() for form in forms)


def memory_of(pid):
    """All that a process may write to."""
    pieces = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            area, rights = line.split()[:2]
            start, end = (int(number, 16) for number in area.split("-"))
            if rights.startswith("rw"):
                memory.seek(start)
                pieces.append(memory.read(end - start))
    return b"".join(pieces)


def test_a_process_for_one_connection(server):
    process, client = server.single_session(arguments=("-R", "submission"))
    with client:
        client.greet()
        start_tls(client)
        log_in(client, "alice", "a password of alice's")
        assert client.deliver(ALICE, [ALICE], b"Subject: x\n\nx\n").code == 250
        client.quit()
    assert process.wait(PATIENCE) == 0
    server.wait_for_mail("alice")


# --- AUTH= ---

VALUES = {
    "AUTH=<>": (250, "2.1.0"),
    f"AUTH={ALICE}": (250, "2.1.0"),
    "AUTH=e+3Dmc2@example.com": (250, "2.1.0"),
    "AUTH=x+0D+0Ay": (501, "5.5.4"),
    "AUTH=" + "x" * 600 + "@b": (501, "5.5.4"),
    "AUTH=" + "x" * 480 + "@b": (501, "5.5.4"),
    "AUTH=x+0d@b": (501, "5.5.4"),
    "AUTH=x+4": (501, "5.5.4"),
    "AUTH": (501, "5.5.4"),
    "AUTH=": (501, "5.5.4"),
    "AUTH=<> AUTH=<>": (501, "5.5.4"),
}


def test_the_parameter_of_MAIL(helper):
    message = b"Subject: x\n\nx\n"
    with logged_in(helper) as client:
        for value, expected in VALUES.items():
            answer = client.command(f"MAIL FROM:<{ALICE}> {value}")
            assert (answer.code, answer.enhanced) == expected, value
            assert client.command("RSET").code == 250
        answer = client.deliver(ALICE, [ALICE], message, f" AUTH={ALICE.replace('@', '+40')}")
        assert answer.code == 250
        client.quit()
    with helper.session() as client:
        assert client.command(f"MAIL FROM:<{ALICE}> AUTH=<>").code == 555
        client.quit()


# --- SIGKILL of those between ---


def test_a_keeper_that_is_gone_is_no_yes(make_instance, programs):
    instance = put_stand_in(make_instance(start=False), programs)
    instance.expected_signals = True
    instance.accepts_mail = False  # it is being started anew
    instance.start()
    with encrypted(instance) as client:
        client.send(f"AUTH PLAIN {plain('alice', 'hang')}\r\n")
        wait_for(lambda: seen(instance), what="the helper's note")
        (keeper,) = instance.processes()["ekiden-smtpd"]
        os.kill(keeper.pid, signal.SIGKILL)
        try:
            assert client.reply().code in (421, 454)
        except Exception as error:  # the session may end with its keeper
            assert type(error).__name__ in ("Closed", "SSLEOFError", "ConnectionResetError"), error
