"""ekiden-tls -u and -n: TLS for other people's programs under tcpserver, s6-tcpserver and inetd."""

import contextlib
import os
import pwd
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest

import authority
import certificates
from authority import Authority, key
from instance import Process, wait_for

NAME = "mx.good.test"
PROGRAM = Path(__file__).with_name("ucspi_program.py")
PATIENCE = 60
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("SSL", "TCP"))}


@pytest.fixture(scope="module")
def root():
    return Authority()


@pytest.fixture(scope="module")
def users(request):
    return request.getfixturevalue("service_users") if os.geteuid() == 0 else ()


@pytest.fixture
def folder(scratch, root, users):
    """A control folder with a certificate for NAME."""
    place = Path(tempfile.mkdtemp(prefix="ucspi-", dir=scratch))
    pair = place / "tls" / "default"
    pair.mkdir(parents=True)
    for path in (place, pair.parent, pair):
        path.chmod(0o755)
    (pair / "key.pem").write_bytes(key().pem)
    (pair / "key.pem").chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(pair / "key.pem", certificates.KEY_USER)
    (pair / "chain.pem").write_bytes(authority.pem(root.issue(NAME)))
    return place


class Session:
    """One connection for which ekiden-tls was started, seen by its client."""

    def __init__(self, programs, folder, mode, *command, environment=None):
        self.raw, theirs = socket.socketpair()
        self.raw.settimeout(PATIENCE)
        self.client = self.raw
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [Path(programs) / "ekiden-tls", "-C", folder, mode, *command], stdin=theirs,
            stdout=theirs, stderr=self.log,
            env={**ENVIRONMENT, "TCPREMOTEIP": "192.0.2.1", **(environment or {})})
        theirs.close()

    def line(self):
        text = b""
        while not text.endswith(b"\n"):
            octet = self.client.recv(1)
            if not octet:
                raise EOFError(text)
            text += octet
        return text.decode().strip()

    def ask(self, text):
        self.client.sendall(text.encode() + b"\n")
        return self.line()

    def start_tls(self, root, name=NAME):
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(cadata=authority.pem(root.root).decode())
        self.client = trusted.wrap_socket(self.raw, server_hostname=name)

    def log_text(self):
        self.log.seek(0)
        return self.log.read().decode()

    def end(self):
        """The client closes. Returns the exit code, and checks that nothing is left behind."""
        with contextlib.suppress(OSError):
            self.client.close()
        code = self.process.wait(PATIENCE)
        text = self.log_text()
        assert "process-killed" not in text and "Sanitizer" not in text, text
        return code


def python(letter):
    return ("/usr/bin/python3", PROGRAM, letter)


def test_offered_with_strings(programs, folder, root):
    session = Session(programs, folder, "-u", *python("Y"), environment={"SSL_CIPHER": "none at all"})
    assert session.line() == "hello"
    environment = dict(word.split("=") for word in session.ask("environment").split())
    assert set(environment) == {"SSLCTLFD", "SSLREADFD", "SSLWRITEFD", "TCPREMOTEIP"}
    assert len(set(environment.values())) == 4
    assert session.ask("children") == "none"
    assert session.ask("STARTTLS") == "220 go"
    session.start_tls(root)
    suite = session.client.cipher()[0]
    assert session.ask("strings") == (f"SSL_PROTOCOL=TLSv1.2|SSL_CIPHER={suite}|SSL_TLS_SNI={NAME}|"
                                      f"SSL_TLS_SNI_SERVERNAME={NAME}||")
    assert session.ask("x" * 100_000) == "x" * 100_000
    assert session.ask("children") == "none"
    assert session.ask("quit") == "bye"
    assert session.client.recv(1) == b""  # close_notify: else Python raises an error
    assert session.end() == 5
    assert "event=tls ip=192.0.2.1 version=TLSv1.2" in session.log_text()


def test_offered_without_strings(programs, folder, root):
    session = Session(programs, folder, "-u", *python("y"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    session.start_tls(root)
    assert session.ask("something") == "something"
    session.client.close()
    assert session.end() == 7  # it sees the end


def test_not_taken(programs, folder):
    """The program serves as if there were no TLS, and when it ends the connection does."""
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.ask("something") == "something"
    assert session.ask("quit") == "bye"
    assert session.raw.recv(1) == b""
    assert session.end() == 5


def test_client_leaves_in_the_clear(programs, folder):
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.end() == 7


def test_handshake_fails(programs, folder):
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    session.raw.sendall(b"EHLO in.the.clear\r\n" * 10)
    assert session.process.wait(PATIENCE) == 9
    assert "event=tls-failed ip=192.0.2.1" in session.log_text()
    session.end()


def test_silent_client(programs, folder):
    (folder / "timeouttls").write_text("1\n")
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    assert session.process.wait(PATIENCE) == 9
    assert "more than 1 seconds" in session.log_text()
    session.end()


def test_no_certificate(programs, folder):
    shutil.rmtree(folder / "tls")
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    assert session.process.wait(PATIENCE) == 9
    assert session.raw.recv(1) == b""
    assert "event=tls-failed" in session.log_text()
    session.end()


def test_another_letter(programs, folder):
    session = Session(programs, folder, "-u", *python("x"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    assert session.process.wait(PATIENCE) == 7
    assert "neither y nor Y" in session.log_text()
    session.end()


def test_program_killed(programs, folder, root):
    """The client sees the end of TLS, as after any other."""
    session = Session(programs, folder, "-u", *python("Y"))
    assert session.line() == "hello"
    assert session.ask("STARTTLS") == "220 go"
    session.start_tls(root)
    assert session.ask("something") == "something"
    session.process.send_signal(signal.SIGKILL)
    assert session.client.recv(1) == b""
    assert session.end() == -signal.SIGKILL


def test_at_once(programs, folder, root):
    session = Session(programs, folder, "-n", *python("Y"), environment={"SSLCTLFD": "9"})
    session.start_tls(root)
    assert session.line() == "hello"
    suite = session.client.cipher()[0]
    assert session.ask("environment").split() == [
        f"SSL_CIPHER={suite}", "SSL_PROTOCOL=TLSv1.2", f"SSL_TLS_SNI={NAME}",
        f"SSL_TLS_SNI_SERVERNAME={NAME}", "TCPREMOTEIP=192.0.2.1"]
    assert session.ask("descriptors").split() == ["0", "1", "2", "3"]  # 3: of listdir itself
    assert session.ask("children") == "none"
    assert session.ask("x" * 100_000) == "x" * 100_000
    assert session.ask("quit") == "bye"
    assert session.client.recv(1) == b""
    assert session.end() == 5


def test_at_once_handshake_fails(programs, folder):
    """The program is not executed."""
    session = Session(programs, folder, "-n", *python("Y"))
    session.raw.sendall(b"EHLO in.the.clear\r\n" * 10)
    assert session.process.wait(PATIENCE) == 111
    with contextlib.suppress(ConnectionResetError):  # of what it did not read
        while got := session.raw.recv(4096):
            assert b"hello" not in got  # an alert at most
    assert "event=tls-failed ip=192.0.2.1" in session.log_text()
    session.end()


@pytest.mark.parametrize("mode", ["-u", "-n"])
def test_no_such_program(programs, folder, root, mode):
    session = Session(programs, folder, mode, "/nonexistent/program")
    if mode == "-n":
        with contextlib.suppress(OSError):
            session.start_tls(root)
    assert session.process.wait(PATIENCE) == 111
    assert "/nonexistent/program" in session.log_text()
    session.end()


@pytest.mark.parametrize("arguments", [(), ("-u",), ("-n",), ("-u", "-n", "true"), ("-s", "true"),
                                       ("-x",)])
def test_usage(programs, arguments):
    done = subprocess.run([Path(programs) / "ekiden-tls", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=PATIENCE)
    assert done.returncode == 100 and b"usage" in done.stderr


def test_log_of_inetd(programs, folder):
    """inetd's fd 2 is the client's socket: nothing of the log goes there."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [Path(programs) / "ekiden-tls", "-C", folder, "-u", "/nonexistent/program"], stdin=theirs,
        stdout=theirs, stderr=theirs)
    theirs.close()
    assert process.wait(PATIENCE) == 111
    ours.settimeout(PATIENCE)
    assert ours.recv(100) == b""
    ours.close()


@pytest.mark.needs("tcpserver")
def test_under_tcpserver(programs, folder, root):
    server = subprocess.Popen(
        ["tcpserver", "-1", "-R", "-H", "-l", NAME, "127.0.0.1", "0", Path(programs) / "ekiden-tls",
         "-C", folder, "-u", *python("Y")], stdout=subprocess.PIPE, env=ENVIRONMENT)
    with contextlib.ExitStack() as stack:
        stack.callback(server.wait)
        stack.callback(server.kill)
        raw = socket.create_connection(("127.0.0.1", int(server.stdout.readline())), PATIENCE)
        session = Session.__new__(Session)  # only its client's side
        session.raw = session.client = raw
        assert session.line() == "hello"
        assert session.ask("STARTTLS") == "220 go"
        session.start_tls(root)
        assert "TCPREMOTEIP=127.0.0.1" in session.ask("environment")
        assert session.ask("quit") == "bye"
        assert session.client.recv(1) == b""
        session.client.close()


def processes_of(session, name):
    """Processes called NAME whose log is SESSION's."""
    log = os.fstat(session.log.fileno())
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            about = os.stat(f"/proc/{pid}/fd/2")
            if (about.st_dev, about.st_ino) == (log.st_dev, log.st_ino) and \
                    Process(int(pid)).comm == name:
                found.append(Process(int(pid)))
    return found


@pytest.mark.root
def test_privileges(programs, folder, root, sanitized, users):
    """The program stays who it was; the engine has no privilege, and no descriptor but its own; the
    key process has no connection; what waited for the word is gone."""
    program = shutil.copy(PROGRAM, folder)  # the checkout may be closed to that user
    session = Session(programs, folder, "-u", "/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                      "--clear-groups", "/usr/bin/python3", program, "Y")
    assert session.line() == "hello"
    assert session.ask("user") == "65534"
    assert session.ask("STARTTLS") == "220 go"
    session.start_tls(root)
    assert session.ask("something") == "something"
    engine, = processes_of(session, "tls-server")
    assert engine.uid == pwd.getpwnam(users[5]).pw_uid
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(engine.status(kind), 16) == 0
    assert engine.status("NoNewPrivs") == "1"
    assert sanitized or engine.status("Seccomp") == "2"
    descriptors = sorted(os.listdir(f"/proc/{engine.pid}/fd"), key=int)
    assert len(descriptors) == 5, descriptors  # connection twice, log, plain, answers
    wait_for(lambda: not processes_of(session, "tls-key"), what="the end of the key process")
    wait_for(lambda: not processes_of(session, "tls-ucspi"), what="the end of the helper")
    assert session.ask("quit") == "bye"
    session.end()


# --- ekiden-smtpd, by both ways ---


@pytest.fixture
def mail(make_instance, root):
    """A complete server, whose queue and settings the sessions of this test use."""
    instance = make_instance()
    certificates.put(instance, chain=authority.pem(root.issue(NAME)), key=key().pem)
    return instance


@contextlib.contextmanager
def listener(*command, user=None):
    """inetd in a few lines: COMMAND for each of the connections to the port that this gives."""
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(PATIENCE)
    log = tempfile.TemporaryFile()
    child = os.fork()
    if child == 0:
        while True:
            connection, (host, port) = server.accept()
            environment = {**os.environ, "PROTO": "TCP", "TCPREMOTEIP": host,
                           "TCPREMOTEPORT": str(port), "TCPLOCALIP": "127.0.0.1",
                           "TCPLOCALPORT": str(server.getsockname()[1])}
            options = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
            subprocess.Popen(command, stdin=connection, stdout=connection, stderr=log,
                             env=environment, **options)
            connection.close()
    try:
        yield server.getsockname()[1]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        server.close()


@pytest.mark.parametrize("way", ["-u", "-n"])
def test_ekiden_smtpd(mail, root, programs, way):
    """A message by STARTTLS, and one by TLS from the first octet."""
    smtpd = [Path(programs) / "ekiden-smtpd", "-C", mail.control, "-Q", mail.queue]
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted.load_verify_locations(cadata=authority.pem(root.root).decode())
    with listener(Path(programs) / "ekiden-tls", "-C", mail.control, way, *smtpd,
                  user=mail.user) as port:
        if way == "-n":
            trusted.check_hostname = False
            client = smtplib.SMTP_SSL("127.0.0.1", port, context=trusted, timeout=PATIENCE)
        else:
            client = smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE)
            client._host = NAME
            client.starttls(context=trusted)
        client.sendmail("sender@elsewhere.example", ["alice@demo.example"], b"Subject: x\r\n\r\ny\r\n")
        client.quit()
        message, = mail.wait_for_mail("alice")
    assert b"with ESMTPS" in message and b"TLSv1.2" in message
