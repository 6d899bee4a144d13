"""The commands of the README."""

import contextlib
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest
from certificates import KEY_USER
from conftest import IS_ROOT, ROOT
from instance import PATIENCE, ROLES, processes_of_session, wait_for
from smtp_client import Client


def environment(build):
    return {**os.environ, "EKIDEN_BUILD": str(build), "ASAN_OPTIONS": "detect_leaks=0"}


def start(build, folder, *arguments, quickstart=ROOT / "quickstart"):
    return subprocess.Popen(
        ["sh", quickstart, *arguments],
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


@contextlib.contextmanager
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


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


@pytest.mark.parametrize("option", ROLES)
def test_once_on_a_port_that_is_taken(build, open_folder, option):
    with taken_port() as port:
        ports = {"smtp": 0, option: port}
        words = [word for name, number in ports.items() for word in (f"--{name}", str(number))]
        process = start(build, open_folder, "--once", *words)
        output, log = finish(process)
    assert process.returncode not in (0, None)
    assert f"127.0.0.1:{port}" in log and f"sh quickstart --{option} {port + 1}\n" in log
    assert_nothing_left(process)


def check_what_it_says_about_users(seen, folder):
    """The commands that it shows work as they stand, but for the password that they ask for."""
    lines = re.sub(r"\s*\\\n\s*|(\|)\n\s*", r" \1 ", seen).splitlines()
    secret = "a password of one's own"
    asked = {
        "curl --ssl-reqd ": ("--user alice", f'--user "alice:{secret}"'),
        "swaks --server localhost": ("--auth-user alice", f'--auth-user alice -ap "{secret}"'),
        "printf 'Subject": ("--user=alice", f'--user=alice --passwordeval="echo \\"{secret}\\""'),
    }
    (add,) = [line for line in lines if "ekiden-passwd " in line]
    subprocess.run(["sh", "-c", add], input=f"{secret}\n".encode(), check=True, timeout=PATIENCE)
    for number, (start, (word, answer)) in enumerate(asked.items(), 1):
        (command,) = [line for line in lines if line.strip().startswith(start)]
        assert word in command
        done = subprocess.run(["sh", "-c", command.replace(word, answer)], cwd=ROOT, timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, capture_output=True)  # fmt: skip
        assert done.returncode == 0, (command, done)
        mailbox = folder / "mail/bob/Maildir/new"
        wait_for(lambda: len(list(mailbox.iterdir())) == number, what=f"what {start} sent")


@pytest.mark.needs("curl", "swaks", "msmtp")
def test_it_serves_until_ctrl_c(build, open_folder):
    process = start(build, open_folder, "--smtp", "0")
    seen = read_until(process, "Ctrl-C ends it")
    for word in ("curl smtp://", "swaks --server", "mail program", "alice@demo.example"):
        assert word in seen
    for word in ("ekiden-passwd -C", "--ssl-reqd", "--tls-on-connect", "msmtp", "chain.pem"):
        assert word in seen
    served = r"Serving on 127\.0\.0\.1:(\d+), for users on (\d+) and (\d+)\."
    for port in map(int, re.search(served, seen).groups()):
        socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        assert str(port) in seen.partition("Serving on")[0]  # what one is told to type
    check_what_it_says_about_users(seen, open_folder / "demo")
    os.killpg(process.pid, signal.SIGINT)  # as the terminal does
    process.communicate(timeout=PATIENCE)
    assert_nothing_left(process)


@contextlib.contextmanager
def served(build, folder, *options):
    """`serve` with these options, until it is told to end. Gives the line that it said."""
    process = start(build, folder, "serve", "somewhere", *options)
    yield read_until(process, "\n")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert_nothing_left(process)


def test_serve(build, open_folder):
    with served(build, open_folder, "--smtp", "0") as line:
        port = int(re.fullmatch(r"ready smtp=(\d+)\n", line).group(1))
        for name in ("control", "queue", "mail/alice/Maildir/new"):
            assert (open_folder / "somewhere" / name).is_dir()
        with Client(port) as client:
            client.greet()


@pytest.mark.parametrize("order", ([0, 1, 2], [2, 1, 0], [1, 0, 2]), ids=str)
def test_serve_all_ports_in_any_order(build, open_folder, order):
    options = [word for number in order for word in (f"--{ROLES[number]}", "0")]
    with served(build, open_folder, *options) as line:
        ports = re.fullmatch(r"ready smtp=(\d+) submission=(\d+) submissions=(\d+)\n", line).groups()
        assert len(set(ports)) == 3
        for port in map(int, ports):
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()


def test_serve_says_which_ports_were_chosen_and_no_others(build, open_folder):
    with taken_port() as port:
        pass  # and is free again
    with served(build, open_folder, "--smtp", str(port), "--submissions", "0") as line:
        assert re.fullmatch(r"ready submissions=(\d+)\n", line)
        with Client(port) as client:
            client.greet()


@pytest.mark.parametrize("option", ROLES)
def test_serve_on_a_port_that_is_taken(build, open_folder, option):
    with taken_port() as port:
        options = {"smtp": 0, option: port}
        words = [word for name, number in options.items() for word in (f"--{name}", str(number))]
        process = start(build, open_folder, "serve", "somewhere", *words)
        output, log = finish(process)
    assert process.returncode == 111 and not output
    assert f"127.0.0.1:{port}" in log and f"--{option} PORT" in log, log


def certificate(folder):
    return folder / "somewhere/control/tls/default"


def test_serve_makes_a_certificate_and_keeps_it(build, open_folder):
    with served(build, open_folder, "--smtp", "0"):
        place = certificate(open_folder)
        assert sorted(path.name for path in place.iterdir()) == ["chain.pem", "key.pem"]
        chain, key = ((place / name).read_bytes() for name in ("chain.pem", "key.pem"))
        status = (place / "key.pem").stat()
        assert status.st_mode & 0o7777 == 0o400
        if IS_ROOT:
            owner = pwd.getpwuid(status.st_uid).pw_name
            names = {entry.pw_name for entry in pwd.getpwall()}
            assert owner == (KEY_USER if KEY_USER in names else "nobody")
        else:
            assert status.st_uid == os.getuid()
        assert (place / "chain.pem").stat().st_mode & 0o7777 == 0o644
        text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", place / "chain.pem"],
                              check=True, capture_output=True, text=True).stdout
        for word in ("prime256v1", "DNS:mail.demo.example", "DNS:localhost", "IP Address:127.0.0.1"):
            assert word in text
        # The settings of a new folder are there beside it.
        assert (open_folder / "somewhere/control/me").read_text() == "demo.example\n"
    with served(build, open_folder, "--smtp", "0"):
        assert ((place / "chain.pem").read_bytes(), (place / "key.pem").read_bytes()) == (chain, key)
        assert [path.name for path in place.parent.iterdir()] == ["default"]


def test_a_checkout_and_a_folder_with_blanks(build, open_folder):
    """make takes paths with blanks apart: none gets to it."""
    checkout, place = open_folder / "my programs", open_folder / "my mail"
    checkout.mkdir()
    for name in ("quickstart", "conf-users"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "Makefile").write_text("all: $(BUILD)/ekiden-serve\n")
    (checkout / "build").symlink_to(build)
    process = start("build", open_folder, "serve", place, "--smtp", "0",
                    quickstart=checkout / "quickstart")  # fmt: skip
    ready = os.read(process.stdout.fileno(), 4096)
    process.send_signal(signal.SIGTERM)
    _, log = finish(process)
    assert ready.startswith(b"ready smtp=") and process.returncode == 0, log
    assert (place / "control/tls/default/key.pem").exists()


def test_with_what_somebody_else_has_built(programs, open_folder):
    """The build folder may be one that cannot be written to, once it is up to date."""
    checkout, built = open_folder / "checkout", open_folder / "built"
    checkout.mkdir(mode=0o755)
    shutil.copy(ROOT / "quickstart", checkout)
    shutil.copy(ROOT / "conf-users", checkout)
    makefile = checkout / "Makefile"
    makefile.write_text("all: $(BUILD)/ekiden-serve\n$(BUILD)/ekiden-serve: Makefile\n\ttouch $@\n")
    os.utime(makefile, (0, 0))
    built.mkdir(mode=0o755)
    (built / "ekiden-serve").symlink_to(programs / "ekiden-serve")
    built.chmod(0o555)
    open_folder.chmod(0o777)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if IS_ROOT else []
    serve = [*other, "sh", checkout / "quickstart", "serve", "place", "--smtp", "0"]
    process = subprocess.Popen(serve, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment(built), cwd=open_folder)
    read_until(process, "ready smtp=")
    process.send_signal(signal.SIGTERM)
    _, log = finish(process)
    assert process.returncode == 0, log
    os.utime(makefile, (4000000000, 4000000000))
    ended = subprocess.run(serve, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                           env=environment(built), cwd=open_folder, timeout=PATIENCE)
    assert ended.returncode == 1 and "must be built first" in ended.stderr, ended


def test_two_that_make_the_certificate_at_once(build, open_folder):
    """One of them serves, the other says why not; both leave nothing of theirs."""
    both = [start(build, open_folder, "serve", "somewhere", "--smtp", "0") for _ in range(2)]
    wait_for(lambda: any(process.poll() is not None for process in both), what="that one gives up")
    for process in both:
        process.send_signal(signal.SIGTERM)
    logs = [finish(process)[1] for process in both]
    assert sum("another ekiden-serve uses this folder" in log for log in logs) == 1, logs
    place = certificate(open_folder)
    assert sorted(path.name for path in place.iterdir()) == ["chain.pem", "key.pem"]
    assert [path.name for path in place.parent.iterdir()] == ["default"]


@pytest.mark.parametrize(
    "arguments",
    [["--smtp"], ["--smtp", "x"], ["--smtp", "70000"], ["--nonsense"], ["--nonsense=1"], ["serve"],
     ["--submission"], ["--submissions", ""], ["serve", "x", "--submission", "-1"]],
)
def test_wrong_arguments(build, open_folder, arguments):
    process = start(build, open_folder, *arguments)
    output, log = finish(process)
    assert process.returncode not in (0, None) and not output and log
