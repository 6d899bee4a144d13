"""ekiden-dotqmail by qmail-local's interface: each kind of line of a .qmail file, each way in which
a program can behave, and what is never followed."""

import os
import re
import shutil
import subprocess
import time

import pytest
from agent import NOBODY
from instance import PATIENCE, Process, wait_for

IS_ROOT = os.geteuid() == 0
SENDER = "ann@far.test"
MESSAGE = b"Subject: hello\nReturn-Path: <forged@far.test>\n\nFrom the start\n>From there\nlast"
HARD = (64, 65, 70, 76, 77, 78, 100, 112)


class Home:
    """A user's home folder, delivery to it, and what became of it."""

    def __init__(self, folder, programs):
        self.base, self.programs = folder, programs
        self.folder = folder / "home"
        self.folder.mkdir(mode=0o700)
        if IS_ROOT:
            shutil.chown(self.folder, "nobody", "nogroup")
        self.inject = folder / "inject"
        self.server = None

    def write(self, name, content, mode=0o600):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        if IS_ROOT:
            shutil.chown(path, "nobody", "nogroup")
        return path

    def deliver(self, extension="", message=MESSAGE, sender=SENDER, options=(), default="./Maildir/",
                dash=None, local=None, timeout=PATIENCE):
        dash = ("-" if extension else "") if dash is None else dash
        local = local or "bob" + dash + extension
        (self.base / "message").write_bytes(message)
        command = [self.programs / "ekiden-dotqmail", "-i", self.inject, *options, "--", "bob",
                   self.folder, local, dash, extension, "local.test", sender, default]
        with open(self.base / "message", "rb") as zero:
            return subprocess.run(command, stdin=zero, capture_output=True, timeout=timeout,
                                  check=False, env={"PATH": os.environ["PATH"], "SECRET": "x"},
                                  **NOBODY)

    def read(self, name):
        return (self.folder / name).read_bytes()

    def maildir(self, name="Maildir"):
        return [path.read_bytes() for path in sorted((self.folder / name / "new").iterdir())]

    def names(self, name):
        return sorted(path.name for path in (self.folder / name / "new").iterdir())

    def start_injector(self):
        """The server for forwards; their queue files lie in queue/new."""
        queue = self.base / "queue"
        for folder in (queue, queue / "new", queue / "notes", self.base / "control"):
            folder.mkdir(mode=0o777)
            folder.chmod(0o777)
        (self.base / "control/me").write_text("local.test\n")
        self.base.chmod(0o777)
        self.server = subprocess.Popen(
            [self.programs / "ekiden-queue", "-l", self.inject, "-Q", queue, "-C",
             self.base / "control"], **NOBODY)
        wait_for(self.inject.exists, what="the injector's socket")

    def forwarded(self):
        """What was queued: {(sender, recipients): message}."""
        found = {}
        for path in (self.base / "queue/new").iterdir():
            content = path.read_bytes()
            head, length = int(content[-76:-56]), int(content[-55:-35])
            sender, *recipients = re.findall(rb"(?<=\0)[FT]([^\0]*)(?=\0)", content[:head])
            found[sender.decode(), tuple(one.decode() for one in recipients)] = (
                content[head:head + length])
        return found

    def stop(self):
        if self.server:
            self.server.terminate()
            self.server.wait(PATIENCE)


@pytest.fixture
def home(scratch, programs):
    folder = scratch / f"home-{time.monotonic_ns()}"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    one = Home(folder, programs)
    yield one
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)


def expect(result, code, text=""):
    output = (result.stdout + result.stderr).decode(errors="replace")
    assert result.returncode == code, output
    assert text in output
    assert "Sanitizer" not in output
    return output


COPY = (b"Return-Path: <ann@far.test>\nDelivered-To: bob@local.test\nSubject: hello\n\n"
        b"From the start\n>From there\nlast")


def test_default_delivery(home):
    """No .qmail and an empty one: the default, whose Maildir is made."""
    expect(home.deliver(), 0, "did 1+0+0")
    home.write(".qmail", "")
    expect(home.deliver(), 0, "did 1+0+0")
    assert home.maildir() == [COPY, COPY]
    for path in [home.folder / "Maildir", *(home.folder / "Maildir").iterdir()]:
        assert path.stat().st_mode & 0o7777 == 0o700
    for path in (home.folder / "Maildir/new").iterdir():
        assert path.stat().st_mode & 0o7777 == 0o600
    home.write(".qmail-x", "")
    expect(home.deliver("x", default="./first\n|cat > second\n"), 0, "did 1+0+1")
    assert home.read("second") == MESSAGE


def test_each_kind_of_line(home):
    home.start_injector()
    (home.folder / "Mail").mkdir()
    for name in ("Mail/tmp", "Mail/new", "Mail/cur"):
        (home.folder / name).mkdir()
    if IS_ROOT:
        subprocess.run(["chown", "-R", "nobody:nogroup", home.folder], check=True)
    home.write(".qmail-a", f"# comment\n./mbox\n{home.folder}/other \t\n./Mail/\n|cat > copy\n"
                           "&joe@far.test\n\n+other\njim@far.test\n")
    expect(home.deliver("a"), 0, "did 3+2+1")
    trace = b"Return-Path: <ann@far.test>\nDelivered-To: bob-a@local.test\n"
    text = trace + b"Subject: hello\n\n>From the start\n>>From there\nlast\n\n"
    for name in ("mbox", "other"):
        line, rest = home.read(name).split(b"\n", 1)
        assert re.fullmatch(rb"From ann@far\.test \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}", line)
        assert rest == text
        assert (home.folder / name).stat().st_mode & 0o7777 == 0o600
    assert home.maildir("Mail") == [trace + COPY.split(b"\n", 2)[2]]
    assert home.read("copy") == MESSAGE
    ((envelope, message),) = home.forwarded().items()
    assert envelope == (SENDER, ("joe@far.test", "jim@far.test"))
    assert message.endswith(b"Delivered-To: bob-a@local.test\nSubject: hello\n\n"
                            b"From the start\n>From there\nlast"), message


def test_only_comments_deliver_nowhere(home):
    home.write(".qmail", "# away\n#\n")
    expect(home.deliver(), 0, "did 0+0+0")
    assert [path.name for path in home.folder.iterdir()] == [".qmail"]


def test_saying_only(home):
    home.write(".qmail", "./mbox\n./Maildir/\n|cat > x\n&joe@far.test\njim@far.test\n# no\n")
    home.folder.chmod(0o1700)
    output = expect(home.deliver(options=["-n"]), 0)
    assert output == ("mbox ./mbox\nmaildir ./Maildir/\nprogram cat > x\n"
                      "forward joe@far.test\nforward jim@far.test\n")
    assert [path.name for path in home.folder.iterdir()] == [".qmail"]


def test_unknown_extension(home):
    home.write(".qmail", "./mbox\n")
    expect(home.deliver("nobody"), 100, "5.1.1")
    for extension in ("../../x", "a/b", "/etc/passwd"):
        expect(home.deliver(extension), 100, "5.1.1")
    home.write(".qmail-:::", "./dots\n")
    expect(home.deliver("..."), 0)
    home.write(".qmail-default", "|printf %s \"$DEFAULT\" > default\n")
    expect(home.deliver("Any-Thing"), 0)
    assert home.read("default") == b"Any-Thing"
    home.write(".qmail-list-default", "|printf %s \"$DEFAULT\" > default\n")
    expect(home.deliver("list-return-5"), 0)
    assert home.read("default") == b"return-5"


@pytest.mark.parametrize("code", [0, 1, 2, 63, 64, 65, 70, 75, 76, 77, 78, 99, 100, 111, 112, 255])
def test_exit_codes(home, code):
    home.write(".qmail", f"|echo said; exit {code}\n|touch next\n")
    result = home.deliver()
    expect(result, 0 if code in (0, 99) else 100 if code in HARD else 111, "said")
    assert (home.folder / "next").exists() == (code == 0)


def test_forwards_before_99_happen(home):
    home.start_injector()
    home.write(".qmail", "&joe@far.test\n|exit 99\n&jim@far.test\n./mbox\n")
    expect(home.deliver(), 0, "did 0+1+1")
    assert list(home.forwarded()) == [(SENDER, ("joe@far.test",))]
    assert not (home.folder / "mbox").exists()
    home.write(".qmail", "&joe@far.test\n|exit 100\n")
    expect(home.deliver(), 100)
    home.write(".qmail", "&joe@far.test\n|exit 111\n")
    expect(home.deliver(), 111)
    assert len(home.forwarded()) == 1


def test_idioms(home):
    """bouncesaying, condredirect, except and preline, as one would write them with /bin/sh."""
    home.write(".qmail-gone", "|echo 'Sorry, Bob has left (#5.1.6)'; exit 100\n./mbox\n")
    result = home.deliver("gone")
    assert (result.returncode, result.stdout, result.stderr) == (
        100, b"Sorry, Bob has left (#5.1.6)\n", b"")
    home.write(".qmail-rule", "|if grep -q '^Subject: hello'; then cat > /dev/null; exit 99; fi\n"
                              "./rest\n")
    expect(home.deliver("rule"), 0, "did 0+0+1")
    expect(home.deliver("rule", message=b"Subject: other\n\n"), 0, "did 1+0+1")
    home.write(".qmail-pre", '|(printf %s "$UFLINE$RPLINE$DTLINE"; cat) > pre\n')
    expect(home.deliver("pre"), 0)
    line, rest = home.read("pre").split(b"\n", 1)
    assert line.startswith(b"From ann@far.test ")
    assert rest == (b"Return-Path: <ann@far.test>\nDelivered-To: bob-pre@local.test\n" + MESSAGE)


def test_program_killed_by_a_signal(home):
    home.write(".qmail", "|kill -9 $$\n")
    expect(home.deliver(), 111, "signal 9")


def is_running(pid):
    return Process(int(pid)).stat()[:1] not in ([], ["Z"])


def test_a_program_that_sleeps(home):
    """It is killed with all of its process group."""
    home.write(".qmail", "|echo $$ > pid; sleep 1000 & echo $! > child; wait\n")
    expect(home.deliver(options=["-t", "3"]), 111, "stopped after 3 seconds")
    for name in ("pid", "child"):
        wait_for(lambda pid=home.read(name): not is_running(pid), what=f"the end of {name}")


def test_a_program_that_forks(home):
    """A hundred children are as easily killed as one."""
    home.write(".qmail", "|for i in $(seq 100); do sleep 1000 & echo $! >> children; done; wait\n")
    expect(home.deliver(options=["-t", "3"]), 111, "stopped after 3 seconds")
    children = home.read("children").split()
    assert children
    wait_for(lambda: not any(map(is_running, children)), what="the end of all children")


def test_a_child_left_behind(home):
    """It holds the program's output open, and holds nothing up."""
    home.write(".qmail", "|sleep 1000 & echo $! > child\n")
    try:
        expect(home.deliver(timeout=PATIENCE), 0, "did 0+0+1")
    finally:
        os.kill(int(home.read("child")), 9)


def test_a_program_that_closes_its_output(home):
    """It is waited for without looking at that output again and again, though a child of the one
    before still has its own."""
    spent = "cut -d' ' -f14,15 /proc/$PPID/stat"
    home.write(".qmail", "|sleep 1000 & echo $! > child\n"
                         f"|{spent} > before; exec >&- 2>&-; sleep 2; {spent} > after\n")
    try:
        expect(home.deliver(timeout=PATIENCE), 0, "did 0+0+2")
    finally:
        os.kill(int(home.read("child")), 9)
    before, after = (sum(map(int, home.read(name).split())) for name in ("before", "after"))
    assert after - before <= os.sysconf("SC_CLK_TCK") // 10


def test_a_flood(home):
    home.write(".qmail", "|head -c 100000000 /dev/zero | tr '\\0' x; exit 0\n")
    result = home.deliver()
    expect(result, 0)
    assert len(result.stdout) < 8192
    home.write(".qmail", "|yes; exit 0\n")
    result = home.deliver(options=["-t", "1"])
    expect(result, 111)
    assert len(result.stdout) < 8192


def test_a_program_that_reads_nothing(home):
    home.write(".qmail", "|exit 0\n|exec 0<&-; true\n")
    expect(home.deliver(message=MESSAGE + b"x" * 3_000_000), 0, "did 0+0+2")


@pytest.mark.parametrize("size", [0, 1, 65536, 1 << 20, (1 << 20) + 1, 5_000_000])
def test_programs_get_the_message(home, size):
    """Whole, from its start, each its own place in it; small ones cannot be changed."""
    message = (b"Subject: x\n\n" + os.urandom(size))[:size]
    home.write(".qmail", "|dd bs=7 count=1 of=/dev/null 2>/dev/null\n|cat > copy\n"
                         "|wc -c < /dev/stdin > length\n./Maildir/\n")
    for name in ("Maildir", "Maildir/tmp", "Maildir/new"):
        (home.folder / name).mkdir()
        if IS_ROOT:
            shutil.chown(home.folder / name, "nobody", "nogroup")
    expect(home.deliver(message=message), 0, "did 1+0+3")
    assert home.read("copy") == message
    assert int(home.read("length")) == size
    (stored,) = home.maildir()
    assert stored.split(b"\n", 2)[2] == message
    assert sorted(path.name for path in home.folder.iterdir()) == [
        ".qmail", "Maildir", "copy", "length"]


def test_what_a_program_finds(home):
    """K09: its environment, descriptors, limits, signals and umask."""
    home.write(".qmail-x-y", "|env -0 > env; ls -l /proc/self/fd > fds; umask > umask; "
                             "ulimit -c > core; cat /proc/self/status > status; pwd > cwd\n")
    expect(home.deliver("x-y"), 0)
    names = {entry.split(b"=")[0].decode() for entry in home.read("env").split(b"\0") if entry}
    assert names - {"PWD", "OLDPWD", "_", "SHLVL"} == {
        "PATH", "USER", "HOME", "LOCAL", "RECIPIENT", "SENDER", "NEWSENDER", "EXT", "EXT2", "EXT3",
        "EXT4", "HOST", "HOST2", "HOST3", "HOST4", "DTLINE", "RPLINE", "UFLINE"}
    targets = dict(re.findall(r" (\d+) -> (.*)", home.read("fds").decode()))
    assert set(targets) == {"0", "1", "2", "3"}  # 3 is that of ls
    assert targets["0"].startswith("/memfd:message")
    assert targets["3"].startswith("/proc/")
    assert home.read("umask").strip() == b"0077"
    assert home.read("core").strip() == b"0"
    assert home.read("cwd").decode().strip() == str(home.folder)
    status = dict(line.split(":\t", 1) for line in home.read("status").decode().splitlines())
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "0"
    for key in ("SigBlk", "SigIgn", "CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(status[key], 16) == 0, key


@pytest.mark.parametrize("sender", [";touch p;", "`touch p`", "$(touch p)", "|touch p", "a b\tc",
                                    "() { :;}; touch p", "%s%n", "-x", "'\"\\"])
def test_values_are_only_values(home, sender):
    """E06, E11: what a stranger chose reaches programs as it is, and runs nowhere."""
    home.write(".qmail-default", "|bash -c 'printf %s \"$SENDER\" > sender; true'\n"
                                 "|printf %s \"$LOCAL\" > local\n./mbox\n")
    expect(home.deliver("x", sender=sender + "@far.test", local=f"bob-{sender}"), 0)
    assert home.read("sender").decode() == sender + "@far.test"
    assert home.read("local").decode() == f"bob-{sender}"
    assert sorted(path.name for path in home.folder.iterdir()) == [
        ".qmail-default", "local", "mbox", "sender"]
    assert home.read("mbox").count(b"\n") == 9


def test_loops(home):
    """H05: a message that was here before fails, and nothing is run or written."""
    home.write(".qmail", "|touch ran\n./mbox\n")
    expect(home.deliver(message=b"Delivered-To: bob@local.test\n" + MESSAGE), 100, "5.4.6")
    home.write(".qmail", "./mbox\n")
    expect(home.deliver(message=b"DELIVERED-TO:  bob@local.test\n" + MESSAGE), 100, "5.4.6")
    assert not (home.folder / "ran").exists()
    assert not (home.folder / "mbox").exists() or home.read("mbox") == b""
    expect(home.deliver(message=b"Delivered-To: eve@local.test\n" + MESSAGE), 0)
    home.start_injector()
    home.write(".qmail", "&joe@far.test\n")
    expect(home.deliver(message=b"Delivered-To: bob@local.test\n" + MESSAGE), 100, "5.4.6")
    assert not home.forwarded()


def test_forward_to_oneself_ends(home):
    """A message that is forwarded in a circle has our Delivered-To when it comes back."""
    home.start_injector()
    home.write(".qmail", "&bob@local.test\n")
    expect(home.deliver(), 0)
    (message,) = home.forwarded().values()
    expect(home.deliver(message=message), 100, "5.4.6")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_writable_files_are_not_followed(home, mode):
    home.write(".qmail", "|touch ran\n", mode)
    expect(home.deliver(), 111, "4.7.0")
    assert not (home.folder / "ran").exists()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1700])
def test_unsafe_homes(home, mode):
    home.write(".qmail", "|touch ran\n")
    home.folder.chmod(mode)
    expect(home.deliver(), 111, "4.2.1" if mode & 0o1000 else "4.7.0")
    assert not (home.folder / "ran").exists()


def test_what_is_no_file(home):
    """K05: it is deferred at once, whatever it is."""
    path = home.folder / ".qmail"
    os.mkfifo(path)
    expect(home.deliver(), 111, "4.3.5")
    path.unlink()
    path.mkdir()
    expect(home.deliver(), 111, "4.3.5")
    path.rmdir()
    path.symlink_to("/dev/zero")
    expect(home.deliver(), 111, "4.3.5")
    path.unlink()
    home.write(".qmail", b"./mbox\n# \0\n")
    expect(home.deliver(), 111, "4.3.5")
    home.write(".qmail", "\n./mbox\n")
    expect(home.deliver(), 111, "line 1")
    home.write(".qmail", "./mbox\r\n")
    expect(home.deliver(), 111, "line 1")
    home.write(".qmail", "./mbox\n&Bob <bob@far.test>\n")
    expect(home.deliver(), 111, "line 2")
    with open(home.write(".qmail", "x"), "r+b") as large:
        large.truncate(1 << 30)
    expect(home.deliver(), 111, "4.3.5")
    assert [path.name for path in home.folder.iterdir()] == [".qmail"]


def test_lists_have_no_programs(home):
    home.start_injector()
    home.write(".qmail", "+list\n&joe@far.test\n|touch ran\n")
    expect(home.deliver(), 111, "line 3")
    home.write(".qmail", "&joe@far.test\n./mbox\n", 0o700)
    expect(home.deliver(), 111, "line 2")
    home.write(".qmail", "&joe@far.test\n", 0o700)
    expect(home.deliver(), 0, "did 0+1+0")
    assert len(home.forwarded()) == 1


def test_owners(home):
    """Bounces of a list go to its owner, or to an address of their own for each recipient."""
    home.start_injector()
    home.write(".qmail-list", "|printf %s \"$NEWSENDER\" > new\njoe@far.test\njim@near.test\n")
    home.write(".qmail-list-owner", "./owner\n")
    expect(home.deliver("list"), 0)
    assert home.read("new") == b"bob-list-owner@local.test"
    recipients = ("joe@far.test", "jim@near.test")
    assert list(home.forwarded()) == [("bob-list-owner@local.test", recipients)]
    home.write(".qmail-list-owner-default", "./owner\n")
    expect(home.deliver("list"), 0)
    assert home.read("new") == b"bob-list-owner-@local.test-@[]"
    # One message, all or nothing; the scheduler makes a sender of it for each.
    assert set(home.forwarded()) == {
        ("bob-list-owner@local.test", recipients),
        ("bob-list-owner-@local.test-@[]", recipients)}
    for bounce in ("", "#@[]"):  # stays one
        expect(home.deliver("list", sender=bounce), 0)
        assert (bounce, recipients) in home.forwarded()


def test_many_forwards(home):
    """K17: a file is bounded, and so is what it asks for."""
    home.start_injector()
    home.write(".qmail", "".join(f"u{i}@x.test\n" for i in range(5000)))
    expect(home.deliver(), 0, "did 0+5000+0")
    ((_, recipients),) = home.forwarded()
    assert len(recipients) == 5000
    home.write(".qmail", "".join(f"u{i}@far.test\n" for i in range(10000)))
    expect(home.deliver(), 111, "64 KiB")


def test_without_the_injector(home):
    home.write(".qmail", "&joe@far.test\n")
    expect(home.deliver(), 111, "4.")


def test_maildirs_that_are_not_whole(home):
    """K15: nothing is repaired, and nothing is lost."""
    home.write(".qmail", "./Mail/\n")
    expect(home.deliver(), 111, "4.3.0")
    (home.folder / "Mail").mkdir()
    (home.folder / "Mail/new").mkdir()
    expect(home.deliver(), 111, "4.3.0")
    (home.folder / "Mail/tmp").write_text("")
    expect(home.deliver(), 111, "4.3.0")


@pytest.mark.root
def test_another_user_s_maildir(home):
    """K01: links are followed with the user's own rights."""
    other = home.base / "other"
    for name in (other, other / "tmp", other / "new", other / "cur"):
        name.mkdir(mode=0o755)
    home.write(".qmail", "./Maildir/\n")
    (home.folder / "Maildir").symlink_to(other)
    expect(home.deliver(), 111, "Permission denied")
    assert not list((other / "new").iterdir())


@pytest.mark.root
def test_never_as_root(home):
    command = [home.programs / "ekiden-dotqmail", "--", "root", home.folder, "root", "", "",
               "local.test", SENDER, "|touch ran"]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert result.returncode == 111
    assert not (home.folder / "ran").exists()


def test_usage(home):
    for arguments in ([], ["bob"], ["-t", "0"], ["-q"], ["a", "relative", "a", "", "", "h", "", ""]):
        result = subprocess.run([home.programs / "ekiden-dotqmail", *arguments],
                                stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                **NOBODY)
        assert result.returncode == 100, arguments


def test_a_maildir_with_a_quota(home):
    """Maildir++: the user, or his mail reader, has put a maildirsize there."""
    assert home.deliver(message=b"Subject: x\n\n" + b"x" * 500).returncode == 0
    assert ",S=" not in home.names("Maildir")[0]
    home.write("Maildir/maildirsize", "1000S\n")
    full = home.deliver(message=b"Subject: x\n\n" + b"x" * 500)
    assert full.returncode == 100 and b"5.2.2" in full.stdout + full.stderr
    assert home.read("Maildir/maildirsize").startswith(b"1000S\n")
    home.write("Maildir/maildirsize", "2000S,2C\n")
    assert home.deliver(message=b"Subject: x\n\n" + b"x" * 500).returncode == 0
    (size,) = [int(name.rpartition(",S=")[2]) for name in home.names("Maildir") if ",S=" in name]
    assert home.read("Maildir/maildirsize").splitlines()[-1].split() == [str(size).encode(), b"1"]
    assert home.deliver(message=b"Subject: x\n\nx").returncode == 100  # of messages
    home.write("Maildir/maildirsize", "0S\n")
    assert home.deliver(message=b"Subject: x\n\nx").returncode == 0
