"""The commands of the README."""

import os
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest
from conftest import ROOT
from instance import PATIENCE, processes_of_session, wait_for
from smtp_client import Client


def environment(build):
    return {**os.environ, "EKIDEN_BUILD": str(build), "ASAN_OPTIONS": "detect_leaks=0"}


def start(build, folder, *arguments):
    return subprocess.Popen(
        ["sh", ROOT / "quickstart", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(build),
        cwd=folder,
        start_new_session=True,
    )


@pytest.fixture
def open_folder(scratch, request):
    folder = scratch / request.node.name
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def finish(process):
    """Waits for the end. Returns what it said on both ways."""
    output, log = process.communicate(timeout=2 * PATIENCE)
    return output.decode(), log.decode()


def read_until(process, end):
    """Reads standard output up to END, which must come."""
    seen = b""
    while end.encode() not in seen:
        assert select.select([process.stdout], [], [], 2 * PATIENCE)[0], seen
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, seen + process.stderr.read()
        seen += piece
    return seen.decode()


def assert_nothing_left(process):
    wait_for(lambda: not processes_of_session(process.pid), what="that no process is left")


def test_once(build, open_folder):
    process = start(build, open_folder, "--once", "--smtp", "0")
    output, log = finish(process)
    assert process.returncode == 0, output + log
    (message,) = (open_folder / "demo/mail/alice/Maildir/new").iterdir()
    assert str(message) in output
    assert "Subject: Hello from the old post road" in output
    assert_nothing_left(process)


def test_once_on_a_port_that_is_taken(build, open_folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        process = start(build, open_folder, "--once", "--smtp", str(port))
        output, log = finish(process)
    assert process.returncode not in (0, None)
    assert f"127.0.0.1:{port}" in log and "sh quickstart --smtp" in log
    assert_nothing_left(process)


def test_it_serves_until_ctrl_c(build, open_folder):
    process = start(build, open_folder, "--smtp", "0")
    seen = read_until(process, "Ctrl-C ends it")
    for word in ("curl smtp://", "swaks --server", "mail program", "alice@demo.example"):
        assert word in seen
    port = int(re.search(r"Serving on 127\.0\.0\.1:(\d+)", seen).group(1))
    with Client(port) as client:
        client.greet()
        client.quit()
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    process.communicate(timeout=PATIENCE)
    assert_nothing_left(process)


def test_serve(build, open_folder):
    process = start(build, open_folder, "serve", "somewhere", "--smtp", "0")
    port = int(re.fullmatch(r"ready smtp=(\d+)\n", read_until(process, "\n")).group(1))
    for name in ("control", "queue", "mail/alice/Maildir/new"):
        assert (open_folder / "somewhere" / name).is_dir()
    with Client(port) as client:
        client.greet()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert_nothing_left(process)


@pytest.mark.parametrize(
    "arguments", [["--smtp"], ["--smtp", "x"], ["--smtp", "70000"], ["--nonsense"], ["serve"]]
)
def test_wrong_arguments(build, open_folder, arguments):
    process = start(build, open_folder, *arguments)
    output, log = finish(process)
    assert process.returncode not in (0, None) and not output and log
