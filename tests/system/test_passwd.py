"""ekiden-passwd: the file that it edits, and how it asks for a password."""

import fcntl
import os
import pty
import select
import signal
import stat
import subprocess
import tempfile
import termios
import time

import pytest
from conftest import IS_ROOT
from instance import PATIENCE, Process, wait_for
from logins import Logins

TIOCGPTPEER = 0x5441
DONE, NOT, USAGE, TEMPORARY = 0, 1, 100, 111
EDITED = """# Who may send. Ask Carol before you change this.

  alice:$5$abcdefgh$ZLdkj8mkc2XVSrPVjskDAgZPGjtj1VGVaa1aUkrMTU/\t
# the office
Bob@Example.org:!
not a login
alice:second lines do not count
carol:abJnggxhB/yWI"""  # no line end


@pytest.fixture
def logins(scratch, programs, mode):
    return Logins(tempfile.mkdtemp(dir=scratch), programs, mode)


def write(logins, text):
    if not logins.passwords.exists():
        logins.add("zed", "z")
    logins.passwords.write_text(text)


def test_life_of_a_login(logins):
    assert logins.passwd("add", "Alice@Example.ORG", password="one").code == DONE
    assert logins.passwd("check", "alice@example.org", password="one").output == "right\n"
    wrong = logins.passwd("check", "alice@example.org", password="two")
    assert (wrong.code, wrong.output) == (NOT, "wrong\n")
    assert logins.passwd("add", "alice@example.org", password="two").code == NOT
    assert logins.passwd("change", "ALICE@example.org", password="two").code == DONE
    assert logins.passwd("check", "alice@example.org", password="two").code == DONE
    assert logins.passwd("add", "bob", password="b").code == DONE
    assert logins.passwd("list").output == "alice@example.org yescrypt\nbob yescrypt\n"
    assert logins.passwd("remove", "alice@example.org").code == DONE
    assert logins.passwd("list").output == "bob yescrypt\n"
    for command in ("check", "change", "remove"):
        ended = logins.passwd(command, "alice@example.org", password="x")
        assert ended.code == NOT and "no such login" in ended.log
    assert sorted(path.name for path in logins.passwords.parent.iterdir()) == ["passwords"]


def test_line_end_of_windows(logins):
    assert logins.passwd("add", "alice", password="one\r").code == DONE
    assert logins.passwd("check", "alice", password="one").code == DONE
    assert logins.passwd("check", "alice", password="one\r").code == DONE
    assert logins.passwd("add", "bob", password="\r").code == USAGE


def test_nothing_there_yet(logins):
    assert logins.passwd("list").code == DONE
    assert logins.passwd("check", "alice", password="x").code == NOT
    assert logins.passwd("remove", "alice").code == NOT
    assert not logins.passwords.parent.exists()


def test_modes_and_owner(logins):
    logins.add("alice", "x")
    for path, bits in ((logins.passwords.parent, 0o700), (logins.passwords, 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) == bits
        expected = "nobody" if logins.user else "ekidena" if IS_ROOT else path.owner()
        assert path.owner() == expected


@pytest.mark.parametrize("what, bits", [("auth", 0o710), ("auth/passwords", 0o604)])
def test_open_to_others(logins, what, bits):
    logins.add("alice", "x")
    (logins.control / what).chmod(bits)
    for command in (["list"], ["add", "bob"], ["remove", "alice"], ["check", "alice"]):
        ended = logins.passwd(*command, password="x")
        assert ended.code != DONE and "chmod" in ended.log, (command, ended)
    (logins.control / what).chmod(0o700 if what == "auth" else 0o600)
    assert logins.passwd("list").output == "alice yescrypt\n"


@pytest.mark.root
def test_a_folder_of_root(logins):
    logins.add("alice", "x")
    os.chown(logins.passwords.parent, 0, 0)
    ended = logins.passwd("list")
    assert ended.code == USAGE
    assert "chown" in ended.log or logins.user  # nobody cannot even open it


def test_what_others_wrote_stays(logins):
    write(logins, EDITED)
    assert logins.passwd("change", "alice", password="new").code == DONE
    lines = logins.passwords.read_text().splitlines()
    expected = EDITED.splitlines()
    assert lines[2].startswith("alice:$y$")
    del lines[2], expected[6], expected[2]
    assert lines == expected
    assert logins.passwd("add", "dora", password="d").code == DONE
    assert logins.passwd("remove", "bob@example.org").code == DONE
    assert logins.passwd("change", "carol", password="c").code == DONE
    lines = logins.passwords.read_text().splitlines()
    assert lines[:2] == expected[:2] and lines[3] == "# the office" and lines[4] == "not a login"
    assert [line.partition(":")[0] for line in lines[5:]] == ["carol", "dora"]
    assert logins.passwd("check", "carol", password="c").code == DONE
    assert logins.passwd("check", "dora", password="d").code == DONE


def test_list_says_what_is_wrong(logins):
    write(logins, EDITED)
    ended = logins.passwd("list")
    assert ended.code == NOT
    assert ended.output.splitlines() == ["alice sha256-crypt", "bob@example.org disabled",
                                         "alice DES", "carol DES"]
    assert f"{logins.passwords}:6: expected LOGIN:HASH" in ended.log
    assert f"{logins.passwords}:8: the hash is of a kind" in ended.log
    ended = logins.passwd("check", "carol", password="x")
    assert ended.code == NOT and f"{logins.passwords}:8: " in ended.log


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "#a", "a\nb", "x" * 256, b"\xff"])
def test_bad_names(logins, name):
    for command in ("add", "change", "remove", "check"):
        ended = logins.passwd(command, os.fsdecode(name), password="x")
        assert ended.code == USAGE and "login name" in ended.log


@pytest.mark.parametrize("password, why", [
    (b"\n", "empty"), (b"x" * 401 + b"\n", "at most 400"), (b"a\0b\n", "NUL"), (b"", "no password"),
])
def test_bad_passwords(logins, password, why):
    ended = logins.passwd("add", "alice", password=password)
    assert ended.code == (TEMPORARY if why == "no password" else USAGE) and why in ended.log
    assert not logins.passwords.exists()


@pytest.mark.parametrize("password", [b"x" * 400, b" blanks ", "pässwörd".encode(), b"a:b\\"])
def test_good_passwords(logins, password):
    assert logins.passwd("add", "alice", password=password).code == DONE
    assert logins.passwd("check", "alice", password=password + b"\n").code == DONE
    if len(password) < 400:
        assert logins.passwd("check", "alice", password=password + b"x").code == NOT
    assert logins.check("alice", password).code == DONE


def test_usage(logins):
    for arguments in ([], ["add"], ["add", "a", "password"], ["list", "x"], ["kill", "a"], ["-x"]):
        assert logins.passwd(*arguments).code == USAGE
    done = subprocess.run(logins.command("ekiden-passwd", "-C", "/nonexistent", "list"),
                          capture_output=True)
    assert done.returncode == USAGE and b"/nonexistent" in done.stderr


def test_at_once(logins):
    logins.add("first", "x")
    line = logins.command("ekiden-passwd", "-C", logins.control, "add")
    running = []
    for number in range(12):
        process = subprocess.Popen([*line, f"user{number}"], stdin=subprocess.PIPE,
                                   env=logins.environment())
        process.stdin.write(b"password\n")
        process.stdin.close()
        running.append(process)
    assert [process.wait(PATIENCE) for process in running] == [DONE] * 12
    names = [entry.split()[0] for entry in logins.passwd("list").output.splitlines()]
    assert sorted(names) == sorted(["first", *(f"user{number}" for number in range(12))])


def test_left_by_one_that_was_killed(logins):
    logins.add("alice", "x")
    (logins.passwords.parent / ".passwords.new").write_text("half a fi")
    assert logins.passwd("add", "bob", password="x").code == DONE
    assert not (logins.passwords.parent / ".passwords.new").exists()
    assert logins.passwd("list").output == "alice yescrypt\nbob yescrypt\n"


def test_no_room(logins):
    """A file size limit is what a full disk looks like: the old file stays."""
    logins.add("alice", "x")
    before = logins.passwords.read_bytes()
    line = logins.command("ekiden-passwd", "-C", logins.control, "add", "bob")
    shell = f'trap "" XFSZ; exec prlimit --fsize=90 "$@"'
    done = subprocess.run(["sh", "-c", shell, "sh", *line], input=b"x\n", capture_output=True,
                          env=logins.environment())
    assert done.returncode == TEMPORARY, done
    assert logins.passwords.read_bytes() == before
    assert sorted(path.name for path in logins.passwords.parent.iterdir()) == ["passwords"]


# --- at a terminal ---


class Terminal:
    """ekiden-passwd at a terminal of its own."""

    def __init__(self, logins, *arguments):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                for number in (signal.SIGINT, signal.SIGQUIT):
                    signal.signal(number, signal.SIG_DFL)  # what runs in the background ignores them
                line = logins.command("ekiden-passwd", "-C", logins.control, *arguments)
                os.execvpe(line[0], line, logins.environment(None))
            finally:
                os._exit(99)
        self.shown = b""

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.master, 4096)
                except OSError:  # its other end is closed
                    assert text in self.shown, self.shown

    def echoes(self):
        return bool(termios.tcgetattr(self.master)[3] & termios.ECHO)

    def type(self, text):
        os.write(self.master, text)

    def end(self):
        """Reads to the end. Returns the exit code, or minus the signal."""
        while True:
            try:
                piece = os.read(self.master, 4096)
            except OSError:
                piece = b""
            if not piece:
                break
            self.shown += piece
        os.close(self.master)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_asks_twice_without_echo(logins):
    terminal = Terminal(logins, "add", "alice")
    terminal.wait_for(b"Password: ")
    assert not terminal.echoes()
    assert "s3cret" not in Process(terminal.pid).read("cmdline")
    terminal.type(b"s3cret\n")
    terminal.wait_for(b"Once more: ")
    terminal.type(b"s3cret\n")
    assert terminal.end() == DONE
    assert b"s3cret" not in terminal.shown
    assert logins.passwd("check", "alice", password="s3cret").code == DONE
    terminal = Terminal(logins, "check", "alice")
    terminal.wait_for(b"Password: ")
    terminal.type(b"s3cret\n")
    assert terminal.end() == DONE
    assert b"right" in terminal.shown and b"more" not in terminal.shown


def test_two_that_differ(logins):
    terminal = Terminal(logins, "add", "alice")
    terminal.wait_for(b"Password: ")
    terminal.type(b"one\n")
    terminal.wait_for(b"Once more: ")
    terminal.type(b"two\n")
    assert terminal.end() == USAGE
    assert b"not the same" in terminal.shown
    assert not logins.passwords.exists()


@pytest.mark.parametrize("key, number", [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)])
def test_echo_comes_back(logins, key, number):
    terminal = Terminal(logins, "add", "alice")
    terminal.wait_for(b"Password: ")
    # The settings last while the other end is open somewhere.
    slave = fcntl.ioctl(terminal.master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
    assert not terminal.echoes()
    terminal.type(b"half" + key)
    wait_for(lambda: Process(terminal.pid).stat()[0] == "Z", what="its end")
    assert os.waitstatus_to_exitcode(os.waitpid(terminal.pid, 0)[1]) == -number
    assert terminal.echoes()
    os.close(slave)
    os.close(terminal.master)
    assert not logins.passwords.exists()
