"""Local submission: ekiden-inject, sendmail and its other names, under users without privilege."""

import os
import re
import stat
import subprocess
import tempfile
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from conftest import IS_ROOT, ROOT
from instance import DOMAIN, PATIENCE, Process
from smtp_client import body_of
from test_clients import MESSAGE

ALICE, BOB = f"alice@{DOMAIN}", f"bob@{DOMAIN}"
STRANGER = 47115 if IS_ROOT else os.getuid()  # no account of this machine, where that can be
CLEAN = ("USER", "LOGNAME", "NAME", "MAILUSER", "MAILNAME", "MAILHOST", "MAILRC", "MAIL", "EMAIL")


def environment(server, **more):
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in CLEAN and not name.startswith(("QMAIL", "GIT_"))
    }
    return {
        **kept,
        "EKIDEN_CONTROL": str(server.control),
        "EKIDEN_INJECT": str(server.folder / "inject"),
        "EKIDEN_QUEUE": str(server.queue),
        "ASAN_OPTIONS": "detect_leaks=0",
        **more,
    }


def as_stranger(*command):
    drop = ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups"]
    return [*(drop if IS_ROOT else []), *map(str, command)]


def run(server, program, *arguments, message=b"", code=0, **more):
    """Runs a program as a stranger. Returns its standard output."""
    path = program if isinstance(program, Path) else server.programs / program
    done = subprocess.run(
        as_stranger(path, *arguments),
        input=message,
        capture_output=True,
        timeout=PATIENCE,
        env=environment(server, **more),
        cwd="/",
    )
    assert done.returncode == code, f"{done.returncode}: {done.stderr!r}\n{server.log_text()[-2000:]}"
    return done.stdout


@pytest.fixture
def folder(scratch):
    """A folder that every user may enter."""
    made = Path(tempfile.mkdtemp(dir=scratch))
    made.chmod(0o755)
    return made


def header_of(message):
    return message_from_bytes(message, policy=policy.default)


def test_a_whole_message_arrives_byte_for_byte(server):
    """With a header that lacks nothing, the message is what it was; trace fields name the uid."""
    run(server, "sendmail", "-i", "-f", "anna@elsewhere.example", ALICE, message=MESSAGE)
    (message,) = server.wait_for_mail("alice")
    assert body_of(message) == MESSAGE
    trace = re.search(rb"Received: \(ekiden-queue \S{20} invoked by uid (\d+)\);\n ", message)
    assert int(trace.group(1)) == STRANGER
    assert b"Return-Path: <anna@elsewhere.example>\n" in message


def test_who_a_caller_claims_to_be_does_not_count(server):
    claims = {"USER": "root", "LOGNAME": "root", "QMAILUSER": "root", "SUDO_UID": "0"}
    forged = b"Received: (ekiden-queue 0 invoked by uid 0); x\nSubject: claims\n\nx\n"
    run(server, "ekiden-inject", ALICE, message=forged, **claims)
    (message,) = server.wait_for_mail("alice")
    first = re.search(rb"^Received:.*?uid (\d+)", message, re.M)
    assert int(first.group(1)) == STRANGER


def test_php(server):
    """mail() runs `sendmail -t -i` in a shell and writes a header with CR LF line ends."""
    text = (
        f"To: Alice <{ALICE}>\r\nSubject: =?UTF-8?B?w7xiZXI=?=\r\nX-PHP-Originating-Script: 33:a.php\r\n"
        f"From: web@{DOMAIN}\r\nBcc: {BOB}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        "line one\nüber zwei\n.\nlast line"
    ).encode()
    command = f"{server.programs}/sendmail -t -i"
    done = subprocess.run(
        as_stranger("sh", "-c", command), input=text, env=environment(server), cwd="/", timeout=PATIENCE
    )
    assert done.returncode == 0
    for message in server.wait_for_mail("alice") + server.wait_for_mail("bob"):
        assert b"\r" not in message
        assert not re.search(rb"^bcc:", message, re.I | re.M)
        assert message.endswith("\n\nline one\nüber zwei\n.\nlast line\n".encode())
        assert header_of(message)["Subject"] == "über"
    assert b"bob" not in server.mailbox("alice")[0]


def test_cron(server):
    text = (
        f"From: root (Cron Daemon)\nTo: alice\nSubject: Cron <alice@host> run-parts /etc\n"
        "X-Cron-Env: <SHELL=/bin/sh>\n\nresult\n.\nmore\n"
    ).encode()
    arguments = ["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "alice"]
    run(server, "sendmail", *arguments, message=text, LOGNAME="alice", USER="alice")
    (message,) = server.wait_for_mail("alice")
    assert message.endswith(b"\n\nresult\n.\nmore\n")
    assert f"From: root@{DOMAIN} (Cron Daemon)\nTo: {ALICE}\n".encode() in message
    assert message.startswith(b"Return-Path: <" + ALICE.encode() + b">\n")


@pytest.mark.needs("bsd-mailx")
def test_mail(server, folder):
    settings = folder / "mailrc"
    settings.write_text(f"set sendmail={server.programs}/sendmail\nset append dot save asksub\n")
    more = {"MAILRC": str(settings), "HOME": "/", "USER": "alice"}
    mail = Path("/usr/bin/bsd-mailx")
    run(server, mail, "-s", "a subject", "-b", BOB, ALICE, message=b"hello\n.. you\n", **more)
    for user in ("alice", "bob"):
        (message,) = server.wait_for_mail(user)
        assert message.endswith(b"\nhello\n.. you\n")
        assert header_of(message)["Subject"] == "a subject"
        assert not re.search(rb"^bcc:", message, re.I | re.M)
    assert b"bob" not in server.mailbox("alice")[0]


@pytest.mark.needs("git")
def test_git_send_email(server, tmp_path):
    core = subprocess.run(["git", "--exec-path"], capture_output=True, text=True).stdout.strip()
    module = subprocess.run(["perl", "-MMail::Address", "-e", "1"], capture_output=True)
    if not Path(core, "git-send-email").exists() or module.returncode:
        pytest.skip("git send-email, or a module of it, is not installed")
    clean = {**environment(server), "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    for role in ("AUTHOR", "COMMITTER"):
        clean |= {f"GIT_{role}_NAME": "Anna", f"GIT_{role}_EMAIL": f"anna@{DOMAIN}"}
    patch = tmp_path / "0001-change.patch"
    patch.write_text(
        f"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
        f"From: Anna <anna@{DOMAIN}>\nDate: Mon, 14 Jul 2025 09:00:00 +0000\n"
        "Subject: [PATCH] a change\n\nWhy.\n---\n a | 1 +\n\ndiff --git a/a b/a\n+.\n+\u00fc\n-- \n2.39\n",
    )
    command = ["git", "send-email", "--quiet", "--confirm=never", "--8bit-encoding=UTF-8"]
    command += [f"--sendmail-cmd={server.programs}/sendmail", f"--from=Anna <anna@{DOMAIN}>"]
    command += [f"--to={ALICE}", f"--bcc={BOB}", "--no-validate", "--suppress-cc=all", str(patch)]
    done = subprocess.run(command, env=clean, cwd=tmp_path, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    for user in ("alice", "bob"):
        (message,) = server.wait_for_mail(user)
        assert "\n+.\n+\u00fc\n-- \n2.39\n".encode() in message
        assert header_of(message)["Subject"] == "[PATCH] a change"
        assert not re.search(rb"^bcc:", message, re.I | re.M)


def test_what_is_missing_is_added_once(server):
    run(server, "ekiden-inject", ALICE, message=b"just text\n", QMAILUSER="joe", NAME="J. Doe")
    (message,) = server.wait_for_mail("alice")
    header = header_of(message)
    assert header["From"] == f'"J. Doe" <joe@{DOMAIN}>'
    assert re.fullmatch(r"<\S+@demo\.example>", header["Message-ID"])
    assert header["Date"].datetime
    assert header["To"] == "undisclosed-recipients:;"
    for name in ("From", "Date", "Message-ID", "To"):
        assert len(header.get_all(name)) == 1
    assert message.endswith(b"\n\njust text\n")


@pytest.mark.parametrize(
    "option, arguments, reached",
    [
        ("-A", [], "ab"),
        ("-A", ["postmaster"], "p"),
        ("-a", ["postmaster"], "p"),
        ("-h", ["postmaster"], "ab"),
        ("-H", ["postmaster"], "abp"),
    ],
)
def test_whom_each_option_means(make_instance, option, arguments, reached):
    server = make_instance({"users": "alice\nbob\npostmaster\n"})
    text = b"To: alice\nBcc: Bob <bob>\nSubject: who\n\nx\n"
    run(server, "ekiden-inject", option, *arguments, message=text)
    for letter, user in (("a", "alice"), ("b", "bob"), ("p", "postmaster")):
        if letter in reached:
            (message,) = server.wait_for_mail(user)
            assert b"Bcc" not in message and b"bob" not in body_of(message)
    server.wait_for_empty_queue()
    for letter, user in (("a", "alice"), ("b", "bob"), ("p", "postmaster")):
        assert len(server.mail_files(user)) == (letter in reached)


def test_a_message_sent_again(server):
    """With Resent- fields these are the recipients, and what is missing of them is added."""
    text = f"To: {BOB}\nFrom: x@y.example\nDate: d\nResent-To: {ALICE}\nSubject: again\n\nx\n".encode()
    run(server, "sendmail", "-t", message=text)
    (message,) = server.wait_for_mail("alice")
    header = header_of(message)
    assert all(header[f"Resent-{name}"] for name in ("Date", "Message-ID", "From"))
    assert header["Message-ID"] is None
    server.wait_for_empty_queue()
    assert not server.mail_files("bob")


PRINTED = [
    ({}, b"To: a, B <b@host>, c@x.+, d@[192.0.2.1], e@localhost (f)\n\n", "To",
     "a@h.dom, B <b@host.dom>, c@x..plus, d@[192.0.2.1], e@h.dom (f)"),
    ({}, b"From: joe\n\n", "From", "joe@h.dom"),
    ({}, b"Reply-To: this is (not an address\n\n", "Reply-To", "this is (not an address"),
    ({"QMAILUSER": "u", "QMAILHOST": "q.dom"}, b"\n", "From", "u@q.dom"),
    ({"MAILUSER": "u", "MAILHOST": "short"}, b"\n", "From", "u@short.dom"),
    ({"LOGNAME": "u", "MAILNAME": "N O"}, b"\n", "From", "N O <u@h.dom>"),
    ({"USER": "u", "NAME": "N O", "QMAILINJECT": "c"}, b"\n", "From", "u@h.dom (N O)"),
    ({"USER": "u", "NAME": 'a "b" \\', "QMAILINJECT": "c"}, b"\n", "From", 'u@h.dom (a "b" \\\\)'),
    ({"USER": "u", "NAME": 'a "b", c'}, b"\n", "From", '"a \\"b\\", c" <u@h.dom>'),
    ({"USER": "u", "NAME": "J\u00f6rg"}, b"\n", "From", "=?UTF-8?Q?J=C3=B6rg?= <u@h.dom>"),
    ({"USER": "u", "NAME": "x\nBcc: y@z"}, b"\n", "From", '"x?Bcc: y@z" <u@h.dom>'),
    ({"USER": "u", "QMAILINJECT": "f"}, b"From: x@y.z\n\n", "From", "u@h.dom"),
    ({"QMAILINJECT": "i", "QMAILIDHOST": "i.dom"}, b"Message-ID: x\n\n", "Message-ID", r"~<\S{20}@i\.dom>"),
    ({}, b"Message-ID: x\n\n", "Message-ID", "x"),
    ({}, b"Content-Length: 5\nReturn-Path: <x@y>\n\n", "Content-Length", None),
    ({}, b"Content-Length: 5\nReturn-Path: <x@y>\n\n", "Return-Path", None),
]  # fmt: skip


@pytest.mark.parametrize("variables, text, name, expected", PRINTED)
def test_what_is_written(server, variables, text, name, expected):
    hosts = {"QMAILDEFAULTHOST": "h", "QMAILDEFAULTDOMAIN": "dom", "QMAILPLUSDOMAIN": "plus"}
    out = run(server, "ekiden-inject", "-n", message=text, **{**hosts, **variables})
    found = re.findall(rf"^{name}: (.*)$", out.split(b"\n\n")[0].decode(), re.M)
    if expected and expected[0] == "~":
        assert len(found) == 1 and re.fullmatch(expected[1:], found[0])
    else:
        assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    "variables, arguments, text, sender",
    [
        ({"QMAILUSER": "u"}, [], b"", f"u@{DOMAIN}"),
        ({"QMAILUSER": "u", "QMAILSUSER": "s", "QMAILSHOST": "b.example"}, [], b"", "s@b.example"),
        ({}, [], b"Return-Path: <r@p.example>\n", "r@p.example"),
        ({}, [], b"Return-Path: <>\n", ""),
        ({"QMAILUSER": "u", "QMAILINJECT": "s"}, [], b"Return-Path: <r@p>\n", f"u@{DOMAIN}"),
        ({}, ["-f", "f@x.example"], b"Return-Path: <r@p>\n", "f@x.example"),
        ({}, ["-f", ""], b"", ""),
        ({"QMAILUSER": "u", "QMAILINJECT": "m"}, [], b"", rf"u-\d+\.\d+@{DOMAIN}"),
        ({"QMAILUSER": "u", "QMAILINJECT": "r"}, [], b"", f"u-alice={DOMAIN}@{DOMAIN}"),
    ],
)  # fmt: skip
def test_the_envelope_sender(server, variables, arguments, text, sender):
    text += b"Subject: x\n\nx\n"
    run(server, "ekiden-inject", *arguments, "alice", message=text, **variables)
    (message,) = server.wait_for_mail("alice")
    assert re.match(rf"Return-Path: <{sender}>\n", message.decode())


@pytest.mark.parametrize("program", ["ekiden-inject", "sendmail"])
def test_a_sender_for_each_recipient(server, program):
    """-@[] as in qmail: list managers give it to -f."""
    run(server, program, "-f", "l-@b.example-@[]", ALICE, BOB, message=b"Subject: x\n\nx\n")
    for name in ("alice", "bob"):
        (message,) = server.wait_for_mail(name)
        assert message.startswith(f"Return-Path: <l-{name}={DOMAIN}@b.example>\n".encode())
        assert header_of(message)["From"].addresses[0].domain == DOMAIN


def test_a_dot_ends_the_message_unless_it_is_told_otherwise(server):
    text = b"Subject: x\n\none\n..\n.two\n.\r\nthree\n"
    run(server, "sendmail", ALICE, message=text)
    run(server, "sendmail", "-oi", BOB, message=text)
    run(server, "sendmail", ALICE, message=b"Subject: x\n\n.")  # at the very end, too
    messages = server.wait_for_mail("alice", 2)
    ends = sorted(message.split(b"\n\n", 1)[1] for message in messages)
    assert ends == [b"", b"one\n..\n.two\n"]
    assert server.wait_for_mail("bob")[0].endswith(b"one\n..\n.two\n.\nthree\n")


def test_smtp_on_standard_input(server):
    dialogue = f"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\nRCPT TO:<nobody@{DOMAIN}>\r\n"
    dialogue += "DATA\r\nSubject: bs\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    out = run(server, "sendmail", "-bs", message=dialogue.encode()).decode()
    codes = re.findall(r"^(\d{3}) ", out, re.M)
    assert codes == ["220", "250", "250", "250", "550", "354", "250", "221"]
    (message,) = server.wait_for_mail("alice")
    assert message.endswith(b"\nSubject: bs\n\n.dot\n")
    assert f"invoked by uid {STRANGER})".encode() in message or not IS_ROOT


def make_no_queue(folder, kind):
    """A queue folder of another user, in one of the states in which a stranger may meet it."""
    queue = folder / "queue"
    if kind != "missing":
        queue.mkdir()
        queue.chmod(0o770 if kind == "closed" else 0o755)
    if kind == "closed below":
        for name in ("new", "notes"):
            (queue / name).mkdir()
            (queue / name).chmod(0o700)
    return queue


@pytest.mark.parametrize("kind", [
    "missing",
    *(pytest.param(kind, marks=pytest.mark.root) for kind in ("closed", "closed below", "bare")),
])
def test_smtp_on_standard_input_without_a_queue(server, folder, kind):
    """The socket is enough, whatever lies where the queue folder should."""
    dialogue = f"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{ALICE}>\r\n"
    dialogue += f"DATA\r\nSubject: {kind}\r\n\r\nx\r\n.\r\nQUIT\r\n"
    queue = make_no_queue(folder, kind)
    out = run(server, "sendmail", "-bs", message=dialogue.encode(), EKIDEN_QUEUE=str(queue)).decode()
    codes = re.findall(r"^(\d{3}) ", out, re.M)
    assert codes == ["220", "250", "250", "250", "354", "250", "221"], out
    (message,) = server.wait_for_mail("alice")
    assert message.endswith(f"\nSubject: {kind}\n\nx\n".encode())


def test_any_program_of_qmail_queues_interface(server, tmp_path):
    """ekiden-queue hands over through the socket what its user may not write into the queue."""
    envelope = tmp_path / "envelope"
    envelope.write_bytes(f"Fx@y.example\0T{ALICE}\0\0".encode())
    command = as_stranger(server.programs / "ekiden-queue")
    with open(envelope, "rb") as descriptor:
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" 1<&3 3<&-', "sh", *command],
            input=b"Subject: q\n\n\xfcber\n" + b"x" * 300_000 + b"\n",
            env=environment(server),
            preexec_fn=lambda: os.dup2(descriptor.fileno(), 3),
            close_fds=False,
            timeout=PATIENCE,
        )
    assert done.returncode == 0
    (message,) = server.wait_for_mail("alice")
    assert message.endswith(b"x" * 300_000 + b"\n")


@pytest.mark.parametrize(
    "program, arguments, message, code",
    [
        ("ekiden-inject", [], b"Subject: x\n\n", 100),
        ("ekiden-inject", [], b"To: not good address\n\n", 100),
        ("ekiden-inject", ["--bad"], b"", 100),
        ("ekiden-inject", ["alice\nbob"], b"", 100),
        pytest.param("ekiden-inject", ["alice"], b"X: " + b"x" * 1_100_000, 100, id="header"),
        ("sendmail", [], b"Subject: x\n\n", 64),
        ("sendmail", ["-t"], b"To: not good address\n\n", 65),
        ("sendmail", ["-t"], b"To: undisclosed-recipients:;\n\n", 64),
        ("sendmail", ["not good address"], b"", 67),
        pytest.param("sendmail", ["a" * 1100], b"", 67, id="address"),
        ("sendmail", ["-bd"], b"", 64),
        ("sendmail", ["-q30m"], b"", 64),
        ("sendmail", ["-Z", "alice"], b"", 64),
        ("sendmail", ["-f"], b"", 64),
        ("sendmail", ["-f", "l-@b.example-@[],x", ALICE], b"", 64),
        ("sendmail", ["-f", "<>-@[]", ALICE], b"", 64),
    ],
)
def test_what_cannot_be_sent(server, program, arguments, message, code):
    before = len(server.log_text())
    run(server, program, *arguments, message=message, code=code)
    assert "event=injected" not in server.log_text()[before:]


def test_a_server_that_is_away(server, tmp_path):
    for program, code in (("ekiden-inject", 111), ("sendmail", 75)):
        run(server, program, ALICE, code=code, EKIDEN_INJECT=str(tmp_path / "nobody"))
        run(server, program, ALICE, code=code, EKIDEN_INJECT=str(server.control / "me"))


def test_a_large_message_needs_little_memory(server, sanitized):
    text = b"Subject: large\n\n" + b"0123456789abcdef\n" * 1_500_000  # 25 MB
    sender = subprocess.Popen(
        as_stranger(server.programs / "ekiden-inject", ALICE),
        stdin=subprocess.PIPE,
        env=environment(server),
    )
    sender.stdin.write(text)
    sender.stdin.flush()
    peak = Process(sender.pid).peak_memory  # all but what is left in the pipe was read
    sender.stdin.close()
    assert sender.wait(PATIENCE) == 0
    assert sanitized or 0 < peak < 8 * 1024  # KiB
    (message,) = server.wait_for_mail("alice")
    assert message.endswith(text[14:])


def test_a_message_that_cannot_be_kept_is_not_sent(server):
    """More than memory holds, and no file may be written: nothing of it goes out."""
    limited = ["prlimit", "--fsize=1000", str(server.programs / "ekiden-inject"), ALICE]
    text = b"Subject: x\n\n" + b"x\n" * 500_000
    done = subprocess.run(limited, input=text, env=environment(server), capture_output=True)
    assert done.returncode == 111, done.stderr
    server.wait_for_empty_queue()
    assert not server.mail_files("alice")


@pytest.mark.parametrize("closed", ["0", "1", "2", "012"])
def test_descriptors_that_are_not_open(server, closed):
    shut = " ".join(f"{one}>&-" for one in closed)
    done = subprocess.run(
        as_stranger("sh", "-c", f'exec "$0" "$@" {shut}', server.programs / "sendmail", ALICE),
        input=b"Subject: x\n\nx\n",
        env=environment(server),
        timeout=PATIENCE,
    )
    assert done.returncode == 0
    server.wait_for_mail("alice")


def test_names_of_the_command(server, folder):
    """`newaliases` says what is wrong with the file; `mailq` is not for everybody."""
    for name in ("mailq", "newaliases"):
        (folder / name).symlink_to(server.programs / "sendmail")
    run(server, folder / "newaliases")
    server.set("aliases", "good: alice\nbad line\n")
    try:
        done = run(server, folder / "newaliases", code=78)
        assert done == b""
    finally:
        server.remove("aliases")
    if IS_ROOT:
        run(server, folder / "mailq", code=77)
        run(server, "sendmail", "-bp", code=77)


def test_no_set_uid(build, tmp_path):
    """No program asks for another user's rights: neither as built nor as installed."""
    make = ["make", "-s", "-C", str(ROOT), f"BUILD={build}", "install-programs", f"DESTDIR={tmp_path}"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    installed = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"sendmail", "mailq", "newaliases", "ekiden-inject"} <= {path.name for path in installed}
    for path in [*installed, *build.glob("ekiden-*"), build / "sendmail"]:
        assert not path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID), path
