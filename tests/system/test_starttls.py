"""The boundary between clear text and TLS: what may cross it (nothing), and what each end of it does
when the other side lies, stops half-way, or dies."""

import contextlib
import os
import re
import signal
import socket
import ssl
import struct
import subprocess

import certificates
import pytest
from instance import DOMAIN, PATIENCE, SENDER, wait_for
from smtp_client import split_trace

ALICE = f"alice@{DOMAIN}"
CONTROL = {"maxerrors": "100\n", "users": "alice\nbob\npostmaster:alice\n"}
MAIL_AT_ONCE = (f"EHLO x\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n"
                "Subject: injected\r\n\r\nx\r\n.\r\nQUIT\r\n").encode()


def context(**settings):
    """Verifies the certificate of certificates.put; SETTINGS are attributes of the context."""
    made = ssl.create_default_context(cadata=certificates.pair()[0].decode())
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def encrypt(client, with_context=None):
    """The handshake, on a connection that was told 220."""
    client.socket = (with_context or context()).wrap_socket(
        client.socket, server_hostname=certificates.NAME)


def starttls(client):
    answer = client.command("STARTTLS")
    assert answer.code == 220, answer


def secure_session(instance):
    """A session after EHLO inside TLS."""
    client = instance.session()
    starttls(client)
    encrypt(client)
    assert client.command("EHLO inside.example").code == 250
    return client


def everything(client):
    """What else comes, to the end."""
    received = client.pending
    try:
        while piece := client.socket.recv(65536):
            received += piece
    except (ConnectionResetError, ssl.SSLError):
        pass
    client.close()
    return received


def half_close(client):
    """Unless the server has closed already."""
    try:
        client.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def assert_no_words(received):
    """A TLS alert, or nothing: no reply of SMTP."""
    assert not re.search(rb"[2-5]\d\d[ -]", received), received


def hello():
    """The first octets of a client's handshake."""
    to_server = ssl.MemoryBIO()
    client = context().wrap_bio(ssl.MemoryBIO(), to_server, server_hostname=certificates.NAME)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return to_server.read()


def engines(instance):
    return {process.pid for process in instance.processes().get("tls-server", [])}


def tls_processes(instance, name):
    return [process.pid for process in instance.processes().get(name, [])]


@pytest.fixture
def make_secure(make_instance):
    def make(control=None):
        instance = make_instance(control, start=False)
        certificates.put(instance)
        return instance.start()

    return make


@pytest.fixture
def secure(make_secure):
    return make_secure()


@pytest.fixture(scope="module", autouse=True)
def certificate(module_instance):
    """Put into place while the server runs: it is noticed."""
    with module_instance.session() as client:
        assert client.command("STARTTLS").code == 502
    certificates.put(module_instance)
    module_instance.wait_for_new_template()


# --- what follows STARTTLS in the clear ---

FOLLOWING = [b"EHLO x\r\n", b"NOOP\r\n", b"RSET\r\n", b"QUIT\r\n", b"NO", b"\r\n", b"\n", b"\0",
             b"AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", b"STARTTLS\r\n", MAIL_AT_ONCE, hello()]  # fmt: skip


def test_nothing_may_follow_in_the_same_segment(server):
    for following in FOLLOWING:
        client = server.session()
        client.send(b"STARTTLS\r\n" + following)
        assert client.reply().code == 503
        assert everything(client) == b"", following
    assert server.mailbox("alice") == []


def test_nothing_may_follow_in_other_segments(server):
    """It came before the answer, or after it: then it was the client's handshake, and a bad one."""
    for following in FOLLOWING[:-1]:
        client = server.session()
        for piece in (b"START", b"TLS\r\n", following):
            client.send(piece)
        code = client.reply().code
        assert code in (220, 503)
        if code == 220:  # what is no whole record yet is waited for
            half_close(client)
        assert_no_words(everything(client))
    assert server.mailbox("alice") == []


def test_clear_text_after_the_answer(server):
    for following in (MAIL_AT_ONCE, b"NOOP\r\n" + hello(), b"\r\n" + hello(), b"\0" * 100_000):
        client = server.session()
        starttls(client)
        client.send(following)
        assert_no_words(everything(client))
    assert server.mailbox("alice") == []


def test_clear_text_behind_the_handshake(server):
    """Between two records: it breaks TLS, and is dropped with what comes after."""
    client = server.session()
    starttls(client)
    raw = socket.socket(fileno=os.dup(client.socket.fileno()))
    encrypt(client)
    raw.sendall(MAIL_AT_ONCE)
    with raw:
        assert_no_words(everything(client))
    assert server.mailbox("alice") == []


# --- what survives the handshake: nothing ---


def test_nothing_is_remembered(server):
    client = server.session(name="clear.example")
    client.envelope("clear@elsewhere.example", [f"bob@{DOMAIN}"], " SMTPUTF8 BODY=8BITMIME")
    starttls(client)
    encrypt(client)
    for line in (f"RCPT TO:<{ALICE}>", "DATA", f"MAIL FROM:<{SENDER}>"):
        assert client.command(line).code == 503, line
    answer = client.command("EHLO inside.example")
    assert "STARTTLS" not in answer.lines and "AUTH PLAIN LOGIN" not in answer.lines
    assert client.command("STARTTLS").enhanced == "5.5.1"
    assert client.deliver(SENDER, [ALICE], b"Subject: inside\n\nbody\n").code == 250
    client.quit()
    (message,) = server.wait_for_mail("alice")
    assert server.mailbox("bob") == []
    trace = b"".join(split_trace(message)[0])
    assert b"clear" not in trace
    assert re.search(rb"Received: from inside\.example \(\[127\.0\.0\.1\]\)\n by \S+ with ESMTPS\n"
                     rb" \(TLSv1\.2 ECDHE-ECDSA-[A-Z0-9-]+\) id \S+\n for <", trace), trace


def test_keywords_of_received(server):
    client = server.session()
    starttls(client)
    encrypt(client)
    assert client.command("EHLO x").code == 250
    assert client.deliver(SENDER, [ALICE], b"Subject: x\n\nx\n", " SMTPUTF8").code == 250
    assert client.command("HELO x").code == 250
    assert client.deliver(SENDER, [ALICE], b"Subject: x\n\nx\n").code == 250
    client.quit()
    traces = sorted(re.search(rb" with (\S+)\s+\(TLSv1\.2 ", message).group(1)
                    for message in server.wait_for_mail("alice", 2))
    assert traces == [b"SMTP", b"UTF8SMTPS"]


def test_a_refused_starttls_changes_nothing(server):
    with server.session() as client:
        client.envelope(SENDER, [ALICE])
        assert client.command("STARTTLS now").code == 501
        assert client.data(b"Subject: x\r\n\r\nx\r\n.\r\n").code == 250


# --- handshakes ---


def test_no_handshake_no_session(server):
    """B10, B18: closed, never back to the clear."""
    openssl = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp",
               "-brief"]  # fmt: skip
    for words in (["-tls1_3"], ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
                  ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
                  ["-cipher", "AES128-SHA:AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256"],
                  ["-cipher", "aNULL:eNULL:@SECLEVEL=0"], ["-alpn", "http/1.1"]):
        failures = server.log_text().count("event=tls-failed")
        done = subprocess.run([*openssl, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE)
        assert done.returncode != 0 and b"ESTABLISHED" not in done.stderr, (words, done.stderr)
        wait_for(lambda: server.log_text().count("event=tls-failed") == failures + 1)  # noqa: B023
    for garbage in (b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000, os.urandom(4096),
                    b"\x80\x2e\x01\x00\x02" + b"\0" * 44, hello()[:-1] + b"\xff" * 600):
        client = server.session()
        starttls(client)
        client.send(garbage + b"\r\nNOOP\r\n")
        half_close(client)
        assert_no_words(everything(client))


def test_names_are_no_paths(server):
    """B19: whatever SNI says, it is the default certificate or an alert."""
    names = ["../../etc/passwd", "default/../default", "..", ".", "/", "mail.demo.example/",
             "trailing\\", "MAIL.DEMO.EXAMPLE", "127.0.0.1", "::1", "x" * 253, "a." * 126 + "a",
             "_.demo.example", "%2e%2e", "käse.example", "a b", "a\nb"]  # fmt: skip
    for name in names:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp",
             "-servername", name, "-brief"],
            input=b"QUIT\r\n", capture_output=True, timeout=PATIENCE)  # fmt: skip
        assert (b"CN = mail.demo.example" in done.stderr) or (b"alert" in done.stderr), (
            name, done.stderr)


def test_one_byte_at_a_time(server):
    """Slow, but within the deadline: a handshake like others, and mail."""
    client = server.session()
    starttls(client)
    from_server, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(from_server, to_server, server_hostname=certificates.NAME)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            for octet in to_server.read():
                client.send(bytes([octet]))
            from_server.write(client.socket.recv(1))
    for octet in to_server.read():
        client.send(bytes([octet]))
    tls.write(b"NOOP\r\n")
    for octet in to_server.read():
        client.send(bytes([octet]))
    answer = b""
    while not answer.endswith(b"\r\n"):
        try:
            answer += tls.read(1)
        except ssl.SSLWantReadError:
            from_server.write(client.socket.recv(1))
    assert answer == b"250 2.0.0 ok\r\n"
    client.close()


def test_the_deadline_of_a_handshake(make_secure):
    """B11: for the whole of it, however much comes; others are served meanwhile."""
    instance = make_secure({"timeouttls": "2\n"})
    silent, half, dripping, implicit = (instance.session() for _ in range(4))
    for client in (silent, half, dripping):
        starttls(client)
    implicit.close()
    implicit = instance.connect(port=instance.submissions_port)
    half.send(hello()[:20])
    dripping.socket.settimeout(0.1)
    closed = False
    for octet in hello() * 3:  # nearly a minute of it
        try:
            dripping.send(bytes([octet]))
            closed = not dripping.socket.recv(4096)
        except TimeoutError:
            pass
        except OSError:
            closed = True
        if closed:
            break
    assert closed
    instance.send(b"Subject: meanwhile\n\nx\n")
    for client in (silent, half, implicit):
        assert_no_words(everything(client))
    wait_for(lambda: instance.log_text().count("event=tls-failed") == 4, what="four lines")
    wait_for(lambda: not engines(instance), what="the end of the engines")


# --- the wrong protocol for the port ---

BANNERS = {
    "smtp": b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n",
    "rdp": b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "http": b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + MAIL_AT_ONCE,
    "nothing": b"",
}


def test_clear_text_on_the_port_of_tls(server):
    """B12: no answer in the clear, whatever is said."""
    for banner in BANNERS.values():
        client = server.connect(port=server.submissions_port)
        client.send(banner)
        half_close(client)
        assert_no_words(everything(client))
    assert server.mailbox("alice") == []


def test_tls_and_others_on_port_25(server):
    for banner in (hello(), BANNERS["rdp"], BANNERS["ssh"], BANNERS["http"]):
        client = server.connect()
        assert client.reply().code == 220
        client.send(banner)
        answer = client.reply()
        assert answer.code == 554, answer
        assert everything(client) == b""
    assert server.mailbox("alice") == []


def test_http_inside_tls(server):
    """B20: the first verb ends it."""
    for port in (server.submissions_port, server.port):
        client = server.connect(port=port)
        if port == server.port:
            assert client.reply().code == 220
            starttls(client)
        encrypt(client)
        if port != server.port:
            assert client.reply().code == 220
        client.send(BANNERS["http"])
        assert client.reply().code == 554
        assert everything(client) == b""
    assert server.mailbox("alice") == []


# --- the end of TLS is the end of the connection ---


def open_data(instance):
    client = secure_session(instance)
    client.envelope(SENDER, [ALICE])
    assert client.command("DATA").code == 354
    client.send(b"Subject: unfinished\r\n\r\nbody\r\n")
    return client


def cut_by_close_notify(client):
    """B13: and then clear text, up to the end of the data and another message."""
    raw = socket.socket(fileno=os.dup(client.socket.fileno()))
    raw.settimeout(PATIENCE)
    try:
        client.socket.unwrap()
    except (OSError, ssl.SSLError):
        pass
    with raw:
        try:
            raw.sendall(b"x\r\n.\r\n" + MAIL_AT_ONCE)
        except OSError:
            pass
        client.close()
        try:
            while piece := raw.recv(65536):
                assert_no_words(piece)
        except ConnectionResetError:
            pass


def cut_by_fin(client):
    """B15: no close_notify."""
    raw = client.socket.detach()
    socket.socket(fileno=raw).close()


def cut_by_rst(client):
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cut_by_fin(client)


@pytest.mark.parametrize("cut", [cut_by_close_notify, cut_by_fin, cut_by_rst])
def test_truncation(server, cut):
    """In the midst of data nothing is queued; behind their end there is one message."""
    ends = server.log_text().count("event=disconnect")
    cut(open_data(server))
    wait_for(lambda: server.log_text().count("event=disconnect") > ends, what="the session's end")
    server.wait_for_empty_queue()
    assert server.mailbox("alice") == []
    client = open_data(server)
    client.send(b".\r\n")
    assert client.reply().code == 250
    cut(client)
    server.wait_for_mail("alice", 1)


def test_quit_says_close_notify(server):
    client = secure_session(server)
    client.socket.suppress_ragged_eofs = False
    assert client.command("QUIT").code == 221
    assert client.socket.recv(1) == b""  # SSLEOFError when the server had just gone
    client.close()


def test_the_session_ends_at_a_stop(secure):
    """SIGTERM: 421 inside TLS; and nobody waits for who is in the midst of a handshake."""
    client, half = secure_session(secure), secure.session()
    starttls(half)
    half.send(hello()[:20])
    secure.signal(signal.SIGTERM)
    assert client.reply().code == 421
    assert_no_words(everything(client) + everything(half))
    assert secure.await_end() == 0


# --- processes that die ---


def test_an_engine_is_killed(secure):
    """B24: at each stage of a session, which ends then; nothing is half queued."""
    secure.expected_signals = True

    def waiting():
        client = secure.session()
        starttls(client)
        return client

    def half():
        client = waiting()
        client.send(hello()[:50])
        return client

    for stage in (waiting, half, lambda: secure_session(secure), lambda: open_data(secure)):
        before = engines(secure)
        client = stage()
        (engine,) = wait_for(lambda: engines(secure) - before, what="an engine")  # noqa: B023
        os.kill(engine, signal.SIGKILL)
        assert_no_words(everything(client))
    secure.wait_for_empty_queue()
    assert secure.mailbox("alice") == []
    with secure_session(secure) as client:
        client.quit()


@pytest.mark.parametrize("victims", [("tls-key",), ("tls-template",), ("ekiden-tls",),
                                     ("ekiden-tls", "tls-key", "tls-template")])  # fmt: skip
def test_a_process_of_tls_is_killed(secure, victims):
    """What runs goes on, who comes at once gets TLS or 454 without a wait, and soon TLS again. Who
    has been said 220 gets his handshake or the end."""
    secure.expected_signals = True
    running = secure_session(secure)
    for name in victims:
        for pid in tls_processes(secure, name):
            with contextlib.suppress(ProcessLookupError):  # it ends with ekiden-tls
                os.kill(pid, signal.SIGKILL)

    def tries():
        with secure.session() as client:
            answer = client.command("STARTTLS")
            assert answer.code in (220, 454), answer
            if answer.code == 454:
                assert answer.enhanced == "4.7.0"
                return client.quit()  # the session goes on in the clear
            try:
                encrypt(client)
            except (OSError, ssl.SSLError):
                return None
            return client.command("EHLO x").code == 250

    tries()
    wait_for(tries, what="TLS again")
    if "ekiden-tls" not in victims:
        assert running.deliver(SENDER, [ALICE], b"Subject: on\n\nx\n").code == 250
        secure.wait_for_mail("alice")
    running.close()


def test_the_port_of_tls_without_a_key_process(secure):
    secure.expected_signals = True
    secure_session(secure).quit()
    for pid in tls_processes(secure, "tls-key"):
        os.kill(pid, signal.SIGSTOP)
    try:
        secure.set("timeouttls", "2\n")
        secure.wait_for_new_template()
        client = secure.connect(port=secure.submissions_port)
        assert_no_words(everything(client))
        with secure.session() as client:
            assert client.command("STARTTLS").enhanced == "4.7.0"
            client.quit()
    finally:
        for pid in tls_processes(secure, "tls-key"):
            os.kill(pid, signal.SIGCONT)


def test_the_service_restarts_after_its_program_was_missing(make_instance, scratch):
    """454 at once, no other harm; TLS when it is back."""
    instance = make_instance(start=False)
    certificates.put(instance)
    folder = instance.folder / "programs"
    subprocess.run(["cp", "-r", instance.programs, folder], check=True)
    instance.programs = folder
    program, away = folder / "ekiden-tls", folder / "away"
    program.rename(away)
    instance.start()
    with instance.session() as client:
        for _ in range(3):
            assert client.command("STARTTLS").enhanced == "4.7.0"
        away.rename(program)

        def begins():
            return client.command("STARTTLS").code == 220

        wait_for(begins, what="TLS")
        encrypt(client)
        assert client.command("EHLO x").code == 250
        client.quit()


# --- certificates ---


def test_without_a_certificate(instance):
    with instance.session() as client:
        assert client.command("STARTTLS").code == 502
    client = instance.connect(port=instance.submissions_port)
    assert everything(client) == b""
    with instance.session(port=instance.submission_port) as client:
        assert client.command(f"MAIL FROM:<{SENDER}>").enhanced == "5.7.0"
    assert "put one into tls/default/" in instance.log_text()


def test_a_broken_certificate(secure):
    """B26: 454, plain mail still works on port 25, and nothing but TLS on the others."""
    secure_session(secure).quit()
    _, other_key = certificates.pair(kind="P-384")
    certificates.put(secure, key=other_key)
    with secure.session() as client:
        assert client.command("STARTTLS").enhanced == "4.7.0"
        assert client.deliver(SENDER, [ALICE], b"Subject: clear\n\nx\n").code == 250
    assert_no_words(everything(secure.connect(port=secure.submissions_port)))
    with secure.session(port=secure.submission_port) as client:
        assert client.command("STARTTLS").enhanced == "4.7.0"
        assert client.command(f"MAIL FROM:<{SENDER}>").enhanced == "5.7.0"
    certificates.put(secure)
    secure_session(secure).quit()


# --- one session, as tcpserver and inetd start it ---


def test_a_single_session(secure):
    process, client = secure.single_session()
    client.greet()
    starttls(client)
    encrypt(client)
    assert client.command("EHLO x").code == 250
    assert client.deliver(SENDER, [ALICE], b"Subject: single\n\nx\n").code == 250
    client.quit()
    assert process.wait(PATIENCE) == 0
    (message,) = secure.wait_for_mail("alice")
    assert b" with ESMTPS\n" in message


def test_a_single_session_of_pipes(secure):
    """What is no socket is looked at, too."""
    line = secure.command("ekiden-smtpd", "-C", secure.control, "-Q", secure.queue)
    with open(secure.log_path, "ab") as log:
        done = subprocess.run(line, input=b"EHLO x\r\nSTARTTLS\r\nNOOP\r\n", cwd="/", stderr=log,
                              stdout=subprocess.PIPE, timeout=PATIENCE)
    assert done.returncode == 0
    replies = [line[:3] for line in done.stdout.splitlines() if line[3:4] == b" "]
    assert replies == [b"220", b"250", b"503"]


def test_log(secure):
    with secure_session(secure) as client:
        client.quit()
    (event,) = [event for event in secure.log() if event.get("event") == "tls"]
    assert event["version"] == "TLSv1.2" and event["suite"].startswith("ECDHE-ECDSA-")
    assert event["sni"] == certificates.NAME and event["client"] == "127.0.0.1"
