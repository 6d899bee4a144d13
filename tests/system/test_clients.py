"""The clients that people use each deliver byte for byte."""

import smtplib
import subprocess

import pytest
from instance import DOMAIN, PATIENCE, SENDER
from smtp_client import body_of

MESSAGE = (
    f"From: <{SENDER}>\nTo: <alice@{DOMAIN}>\nDate: Mon, 14 Jul 2025 09:00:00 +0000\n"
    f"Message-ID: <1@elsewhere.example>\nSubject: byte for byte\nMIME-Version: 1.0\n"
    f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
).encode() + b"\n".join(
    [
        b"a plain line",
        b"",
        b".",
        b"..",
        b".a dot at the beginning",
        b"...",
        b"From the left margin",
        b"blanks behind   ",
        b"\ta tab before, a tab behind\t",
        "駅伝, naïve, \u00a0".encode(),
        b"every byte above 127: " + bytes(range(128, 256)),
        b"x" * 990,
        b"",
        b"",
        b"the last line",
        b"",
    ]
)


@pytest.fixture
def message_file(tmp_path):
    path = tmp_path / "message"
    path.write_bytes(MESSAGE)
    return path


@pytest.fixture
def open_message_file(tmp_path):
    """Without the last line's end, for clients that add one of their own in any case."""
    path = tmp_path / "open-message"
    path.write_bytes(MESSAGE.removesuffix(b"\n"))
    return path


def run(*command, **more):
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
        **more,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}: {done.stdout!r}"


def assert_arrived(server, added=b""):
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == MESSAGE + added


@pytest.mark.needs("swaks")
def test_swaks(server, open_message_file):
    run("swaks", "--server", f"127.0.0.1:{server.port}", "--from", SENDER,
        "--to", f"alice@{DOMAIN}", "--data", f"@{open_message_file}")  # fmt: skip
    assert_arrived(server)


@pytest.mark.needs("curl")
def test_curl(server, message_file):
    run("curl", "-sS", f"smtp://127.0.0.1:{server.port}/client.example", "--mail-from", SENDER,
        "--mail-rcpt", f"alice@{DOMAIN}", "--crlf", "-T", message_file)  # fmt: skip
    assert_arrived(server)


def test_smtplib(server):
    with smtplib.SMTP("127.0.0.1", server.port, timeout=PATIENCE) as client:
        client.sendmail(SENDER, [f"alice@{DOMAIN}"], MESSAGE.replace(b"\n", b"\r\n"), ["BODY=8BITMIME"])
    assert_arrived(server)


@pytest.mark.needs("msmtp")
def test_msmtp(server):
    run("msmtp", "-C", "/dev/null", "--host=127.0.0.1", f"--port={server.port}",
        f"--from={SENDER}", "--auth=off", "--tls=off", "--", f"alice@{DOMAIN}",
        input=MESSAGE)  # fmt: skip
    assert_arrived(server)


@pytest.mark.needs("smtp-source")
def test_smtp_source(server, message_file):
    run("smtp-source", "-f", SENDER, "-t", f"alice@{DOMAIN}", "-F", message_file,
        f"127.0.0.1:{server.port}")  # fmt: skip
    assert_arrived(server, added=b"\n")  # by smtp-source itself, always
