"""The clients that users have each submit by STARTTLS and by TLS from the start, byte for byte.

Each verifies the server's certificate by name, and logs in with a password.
"""

import base64
import os
import re
import smtplib
import ssl
import socket
import subprocess

import certificates
import pytest
from contents import assert_same, message
from instance import DOMAIN, PATIENCE, Instance
from smtp_client import Client, split_trace

HOST = "localhost"
LOGIN = "alice"
# What a shell, a URL, a regular expression or base64 might trip over.
PASSWORD = "käse %41 \\ $x' \"&+=:@/"
SENDER = f"{LOGIN}@{DOMAIN}"
RECIPIENT = f"bob@{DOMAIN}"
LINES = [
    b"a plain line", b"", b".", b"..", b".a dot at the beginning", b"...",
    b"From the left margin", b"blanks behind   ", b"\ta tab before, a tab behind\t",
    "駅伝, naïve".encode(), b"Q", b"R is what openssl s_client takes for a command", b"x" * 900,
    b"", b"the last line", b"",
]  # fmt: skip
BODY = b"\n".join(LINES)
MESSAGE = (
    message("submitted", BODY)
    .replace(b"ann@elsewhere.example", SENDER.encode())
    .replace(b"bob@elsewhere.example", RECIPIENT.encode())
)
WAYS = pytest.mark.parametrize("way", ["submission", "submissions"])


@pytest.fixture(scope="module", autouse=True)
def user(module_instance):
    module_instance.trusted = certificates.put(module_instance, name=HOST)
    module_instance.wait_for_new_template()
    module_instance.add_login(LOGIN, PASSWORD)


@pytest.fixture
def message_file(tmp_path):
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    return path


def port_of(server: Instance, way):
    return server.submission_port if way == "submission" else server.submissions_port


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=PATIENCE, **more)  # fmt: skip
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout!r}"
    return done.stdout


def the_arrived(server):
    (arrived,) = server.wait_for_mail("bob")
    trace = b"".join(split_trace(arrived)[0])
    assert re.search(rb" with ESMTPSA\s+\(TLSv1.2 ECDHE-ECDSA-", trace), trace
    return arrived


def assert_arrived(server):
    assert_same(the_arrived(server), MESSAGE)


class Pipes:
    """openssl s_client's standard input and output, as smtp_client.Client uses a socket."""

    family = socket.AF_UNIX  # no TCP options

    def __init__(self, process):
        self.process = process

    def sendall(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def recv(self, size):
        return self.process.stdout.read1(size)

    def close(self):
        self.process.stdin.close()


@WAYS
def test_openssl(server, way):
    line = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{port_of(server, way)}",
            "-servername", HOST, "-CAfile", server.trusted, "-verify_return_error",
            "-verify_hostname", HOST]  # fmt: skip
    line += ["-starttls", "smtp"] if way == "submission" else []
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:  # fmt: skip
        client = Client(0, connected=Pipes(process))
        if way == "submissions":
            assert client.reply().code == 220
        assert client.command("EHLO client.example").code == 250
        word = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()
        assert client.command(f"AUTH PLAIN {word}").code == 235
        assert client.deliver(SENDER, [RECIPIENT], MESSAGE, " BODY=8BITMIME").code == 250
        client.quit()
    assert process.returncode == 0
    assert_arrived(server)


@WAYS
@pytest.mark.needs("curl")
def test_curl(server, way, message_file, tmp_path):
    scheme = "smtp" if way == "submission" else "smtps"
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    (tmp_path / "curlrc").write_text(f'user = "{LOGIN}:{quoted}"\n')
    run("curl", "-sS", "-K", tmp_path / "curlrc", "--ssl-reqd", "--cacert", server.trusted,
        f"{scheme}://{HOST}:{port_of(server, way)}/client.example", "--mail-from", SENDER,
        "--mail-rcpt", RECIPIENT, "--crlf", "-T", message_file)  # fmt: skip
    assert_arrived(server)


@WAYS
@pytest.mark.needs("swaks")
def test_swaks(server, way, tmp_path):
    # It adds a line's end of its own in any case.
    open_file = tmp_path / "open"
    open_file.write_bytes(MESSAGE.removesuffix(b"\n"))
    run("swaks", "--server", HOST, "--port", port_of(server, way),
        "--tls" if way == "submission" else "--tls-on-connect", "--tls-verify",
        "--tls-ca-path", server.trusted, "--auth", "LOGIN", "--auth-user", LOGIN,
        "--auth-password", PASSWORD, "--from", SENDER, "--to", RECIPIENT,
        "--data", f"@{open_file}")  # fmt: skip
    assert_arrived(server)


@WAYS
@pytest.mark.needs("msmtp")
def test_msmtp(server, way, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD + "\n")
    run("msmtp", "-C", "/dev/null", f"--host={HOST}", f"--port={port_of(server, way)}", "--tls=on",
        f"--tls-starttls={'on' if way == 'submission' else 'off'}",
        f"--tls-trust-file={server.trusted}", "--auth=on", f"--user={LOGIN}",
        f"--passwordeval=cat {secret}", f"--from={SENDER}", "--", RECIPIENT,
        input=MESSAGE)  # fmt: skip
    assert_arrived(server)


@WAYS
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_smtplib(server, way, mechanism):
    context = ssl.create_default_context(cafile=server.trusted)
    if way == "submission":
        client = smtplib.SMTP(HOST, server.submission_port, timeout=PATIENCE)
        client.starttls(context=context)
    else:
        client = smtplib.SMTP_SSL(HOST, server.submissions_port, timeout=PATIENCE, context=context)
    with client:
        client.ehlo()
        client.user, client.password = LOGIN, PASSWORD.encode()  # login() takes ASCII alone
        assert set(client.esmtp_features["auth"].split()) == {"PLAIN", "LOGIN"}
        if mechanism == "plain":
            word = base64.b64encode(f"\0{LOGIN}\0{PASSWORD}".encode()).decode()
            assert client.docmd("AUTH", f"PLAIN {word}")[0] == 235
        else:
            for text, code in (("AUTH LOGIN", 334), (LOGIN, 334), (PASSWORD, 235)):
                word = text if " LOGIN" in text else base64.b64encode(text.encode()).decode()
                assert client.docmd(word)[0] == code
        wire = MESSAGE.replace(b"\n", b"\r\n")
        client.sendmail(SENDER, [RECIPIENT], wire, ["BODY=8BITMIME"])
    assert_arrived(server)


@WAYS
@pytest.mark.needs("s-nail")
def test_s_nail(server, way, tmp_path):
    """A mail program: the header is its own."""
    scheme = "smtp" if way == "submission" else "smtps"
    settings = {
        "mta": f"{scheme}://{HOST}:{port_of(server, way)}", "smtp-auth": "plain",
        "user": LOGIN, "password": PASSWORD, "from": SENDER, "hostname": "client.example",
        "smtp-hostname": DOMAIN, "tls-ca-file": server.trusted, "tls-verify": "strict",
        "tls-ca-no-defaults": "", "ttycharset": "utf-8", "sendcharsets": "utf-8",
        "mime-encoding": "8bit",
    }  # fmt: skip
    if way == "submission":
        settings["smtp-use-starttls"] = ""
    words = [word for key, value in settings.items() for word in ("-S", f"{key}={value}")]
    run("s-nail", "-:/", "-Ssendwait", "-Sv15-compat", *words, "-s", "from a mail program",
        RECIPIENT, input=BODY, env={**os.environ, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})  # fmt: skip
    arrived = the_arrived(server)
    assert b"\nSubject: from a mail program\n" in arrived
    assert arrived.partition(b"\n\n")[2] == BODY


@WAYS
@pytest.mark.needs("git")
def test_git_send_email(server, way, message_file, tmp_path):
    """It keeps the message's own header and adds to it."""
    run("git", "send-email", "--smtp-server", HOST, "--smtp-server-port", port_of(server, way),
        "--smtp-encryption", "tls" if way == "submission" else "ssl", "--smtp-user", LOGIN,
        "--smtp-pass", PASSWORD, "--smtp-ssl-cert-path", server.trusted, "--smtp-auth", "PLAIN",
        "--smtp-domain", "client.example", "--from", f"Ann <{SENDER}>", "--to", RECIPIENT,
        "--suppress-cc=all", "--confirm=never", "--no-validate", "--8bit-encoding=UTF-8",
        message_file, cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"})  # fmt: skip
    assert the_arrived(server).partition(b"\n\n")[2] == BODY
