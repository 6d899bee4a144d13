"""ekiden-remote and Postfix's smtp-sink: its delays, errors and disconnects at every stage."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from instance import wait_for

pytestmark = pytest.mark.needs("smtp-sink")
BODY = b"Subject: x\n\n.dot\nend of it\n"


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return True
    except ConnectionRefusedError:
        return False


@contextmanager
def sink(folder, *options):
    """smtp-sink with OPTIONS. Gives its port and the folder of what it was sent."""
    dump = Path(tempfile.mkdtemp(prefix="sink-", dir=folder))
    dump.chmod(0o777)
    program = shutil.which("smtp-sink", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [program, *user, "-d", f"{dump}/", *options, f"127.0.0.1:{port}", "64"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: process.poll() is not None or is_open(port), what="smtp-sink")
            assert process.poll() is None
            yield port, dump
        finally:
            process.kill()


@pytest.fixture(scope="module")
def send(scratch, build, request):
    """send(port, *recipients, message=BODY): the letters of the report, and its first text."""
    if os.geteuid() == 0:
        request.getfixturevalue("service_users")
    folder = Path(tempfile.mkdtemp(prefix="smtp-sink-", dir=scratch))
    folder.chmod(0o755)
    shutil.copy2(build / "ekiden-remote", folder)

    def run(port, *recipients, message=BODY):
        control = Path(tempfile.mkdtemp(prefix="control-", dir=folder))
        control.chmod(0o755)
        (control / "me").write_text("us.example\n")
        (control / "smtproutes").write_text(f":127.0.0.1:{port}\n")
        arguments = ["y.example", "s@x.example", *(recipients or ["a@y.example"])]
        done = subprocess.run([folder / "ekiden-remote", "-C", control, *arguments], input=message,
                              capture_output=True, timeout=240)
        assert done.returncode == 0, done.stderr
        reports = [report.decode() for report in done.stdout.split(b"\0")[:-1]]
        return "".join(report[0] for report in reports), reports[0][1:]

    run.folder = folder
    return run


def messages(dump):
    """The messages that the sink has taken."""
    found = [path.read_bytes() for path in dump.iterdir()]
    return [message for message in found if b"end of it" in message]


@pytest.mark.parametrize("options", [[], ["-p"], ["-e"], ["-8"], ["-P"], ["-w", "1"], ["-W", ".:1:0"]])
def test_mail_passes(send, options):
    """With and without extensions, and late."""
    with sink(send.folder, *options) as (port, dump):
        letters, text = send(port, "a@y.example", "b@y.example", message=b"X: y\n" * 10000 + BODY)
        assert letters == "rrK", text
        assert len(messages(dump)) == 1


COMMANDS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["-f", "-r", "-q", "-Q"])
def test_errors_and_disconnects(send, option, command):
    """-f says 5xx, -r 4xx, -Q 421 and goes, -q goes without a word."""
    with sink(send.folder, option, command) as (port, dump):
        letters, text = send(port)
        if option == "-f":
            expected = {"CONNECT": "sZ", "EHLO": "rK"}.get(command, "hD")
        else:
            expected = "sZ"
        assert letters == expected, text
        taken = messages(dump)
        assert len(taken) == (1 if expected == "rK" or command == "." else 0)


@pytest.mark.parametrize("delay", ["0", "1"])
def test_refused_in_the_midst_of_the_message(send, delay):
    """-A: 550 while we are sending, and nothing is read any more."""
    with sink(send.folder, "-A", delay) as (port, dump):
        letters, text = send(port, message=b"x" * 70 * 200000)
        assert letters == "hD" and "550" in text, text
        assert not messages(dump)


@pytest.mark.parametrize("delay", ["1"])
def test_late_reader(send, delay):
    """-H: the message waits for the first read, in a small window."""
    message = b"x" * 70 + b"\n"
    with sink(send.folder, "-H", delay, "-T", "4096") as (port, dump):
        letters, text = send(port, message=message * 20000 + BODY)
        assert letters == "rK", text
        assert len(messages(dump)) == 1
