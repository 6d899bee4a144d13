"""`ekiden explain`: answers what a session answers, and says which line of which file would."""

import json
import os
import re
import shlex
import subprocess
from collections import namedtuple
from pathlib import Path

import certificates
import pytest
from instance import DOMAIN, PATIENCE
from name_server import NameServer
from smtp_client import as_bytes
from submitter import log_in, start_tls

ROOT = Path(__file__).resolve().parents[2]
ACCEPTED, REFUSED, USAGE = 0, 1, 100
PASSWORD = "a password"
ALICE, BOB, FAR = f"alice@{DOMAIN}", f"bob@{DOMAIN}", "someone@far.example"
ONE, RELAY, BAD, EXCLUDED = "127.0.0.2", "127.0.0.9", "127.0.0.66", "127.0.0.71"
CONTROL = {
    "me": f"{DOMAIN}\n",
    "locals": f"{DOMAIN}\nother.example\n",
    "rcpthosts": f"# ours\n\n{DOMAIN}\n.sub.example\nother.example\n",
    "morercpthosts": "more.example\n",
    "users": "alice\nbob\npostmaster:alice\n",
    "aliases": "team: alice, bob\n",
    "badclients": "# they know why\n127.0.0.66\n127.0.0.64/28\n!127.0.0.71\n",
    "badmailfrom": "\nspam@bad.example\n@evil.example\n.worse.example\n@bücher.example\n",
    "relayclients": "127.0.0.9\n",
    "authsenders": "# more\nalice:@news.example\n",
    "smtproutes": "far.example:[127.0.0.1]:1\n",
    "nameservers": "127.0.0.1:1\n",
    "maxrcpt": "100\n",
}


# --- the tool ---


def command(instance, ip, helo, sender, recipient, *options):
    return instance.command(
        "ekiden", "explain", "-C", instance.control, "-Q", instance.queue,
        "-J", instance.folder / "judge", "--ip", ip, "--helo", helo, "--from", sender,
        "--rcpt", recipient, *options,
    )  # fmt: skip


def execute(line, **options):
    return subprocess.run(line, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL,
                          cwd="/", env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}, **options)  # fmt: skip


def run(line, code):
    done = execute(line)
    out, errors = done.stdout.decode("ascii"), done.stderr.decode()  # nothing else may come out
    assert "Sanitizer" not in errors and "runtime error" not in errors, errors
    assert done.returncode == code, (done.returncode, out, errors)
    return out, errors


def explain(instance, *what, code=None):
    """The object that it prints."""
    line = command(instance, *what, "--json")
    done = execute(line)
    assert code in (None, done.returncode), (done.returncode, done.stdout, done.stderr)
    answer = json.loads(done.stdout)
    assert done.returncode == (ACCEPTED if answer["verdict"] == "accepted" else REFUSED)
    return answer


# --- the same from a session ---

Case = namedtuple("Case", "ip helo sender recipient options code rule place", defaults=[(), 250, "", ""])


def first_line(reply):
    return f"{reply.code} {reply.lines[0]}"


def session(instance, case):
    """What a running instance answers to the same client, command by command, up to a refusal."""
    options = dict(zip(case.options[::2], case.options[1::2]))
    login, role = options.get("--auth"), options.get("--role", "submission" if "--auth" in options else "mx")
    client = instance.connect(case.ip, port=instance.port if role == "mx" else instance.submission_port)
    with client:
        replies = [client.reply()]
        if login and replies[0].code == 220:
            assert client.command("EHLO before").code == 250
            start_tls(client, "before")
        lines = [b"EHLO " + as_bytes(case.helo), login, b"MAIL FROM:<" + as_bytes(case.sender) + b">",
                 b"RCPT TO:<" + as_bytes(case.recipient) + b">"]  # fmt: skip
        for line in filter(None, lines):
            if replies[-1].code >= 400:
                break
            if line is login:
                log_in(client, login, PASSWORD)
            else:
                replies.append(client.command(line))
        if replies[-1].code == 250:
            replies.append(client.command("DATA"))  # and no message
        return [first_line(reply) for reply in replies]


CASES = [
    Case(ONE, "client.example", "a@b.example", ALICE, place="rcpthosts:3"),
    Case(ONE, "client.example", "", BOB.upper(), place="rcpthosts:3"),
    Case(ONE, "client.example", "a@b.example", "x@deep.sub.example", place="rcpthosts:4"),
    Case(ONE, "client.example", "a@b.example", "x@more.example", place="morercpthosts:1"),
    Case(ONE, "[127.0.0.2]", "a@b.example", "postmaster"),
    Case(ONE, "client.example", "a@b.example", f"nobody@{DOMAIN}", code=550, rule="no-such-mailbox"),
    Case(ONE, "client.example", "a@b.example", FAR, code=550, rule="no-relay"),
    Case(ONE, "client.example", "a@b.example", "x@[10.0.0.1]", code=550, rule="foreign-literal"),
    Case(ONE, "client.example", "a@b.example", "", code=553, rule="null-recipient"),
    Case(ONE, "client.example", "a@b.example", "alice", code=553, rule="recipient-without-domain"),
    Case(ONE, "client.example", "a@b.example", "a b@c", code=501, rule="syntax"),
    Case(ONE, "client.example", "a@b.example", "x" * 600, code=501, rule="syntax"),
    Case(ONE, "client.example", "a@b.example", "x" * 3000, code=500, rule="line"),
    Case(ONE, "client.example", "local", ALICE, code=553, rule="sender-without-domain"),
    Case(ONE, "client.example", "Spam@Bad.example", ALICE, code=553, rule="badmailfrom", place="badmailfrom:2"),
    Case(ONE, "client.example", "a@evil.example", ALICE, code=553, rule="badmailfrom", place="badmailfrom:3"),
    Case(ONE, "client.example", "a@x.y.worse.example", ALICE, code=553, rule="badmailfrom", place="badmailfrom:4"),
    Case(ONE, "client.example", "a@XN--Bcher-kva.example", ALICE, code=553, rule="badmailfrom", place="badmailfrom:5"),
    Case(ONE, "client.example", "a\x01b@c.example", ALICE, code=501, rule="syntax"),
    Case(ONE, "client.example", "\xe4@c.example", ALICE, code=553, rule="syntax"),
    Case(ONE, "x" * 256, "a@b.example", ALICE, code=501, rule="helo-syntax"),
    Case(BAD, "client.example", "a@b.example", ALICE, code=554, rule="badclients", place="badclients:2"),
    Case("127.0.0.65", "client.example", "a@b.example", ALICE, code=554, rule="badclients", place="badclients:3"),
    Case(EXCLUDED, "client.example", "a@b.example", ALICE, place="rcpthosts:3"),
    Case(RELAY, "client.example", "a@b.example", FAR, place="relayclients:1"),
    Case(RELAY, "client.example", "a@evil.example", FAR, code=553, rule="badmailfrom", place="badmailfrom:3"),
    Case(ONE, "client.example", ALICE, FAR, ("--role", "submission"), 530, "no-login"),
    Case(ONE, "client.example", ALICE, FAR, ("--auth", "alice")),
    Case(ONE, "client.example", "x@news.example", FAR, ("--auth", "alice"), place="authsenders:2"),
    Case(ONE, "client.example", BOB, FAR, ("--auth", "alice"), 553, "authsenders", "authsenders"),
    Case(ONE, "client.example", "a@intranet", FAR, ("--auth", "alice"), 554, "sender-incomplete"),
    Case(ONE, "client.example", ALICE, "x@intranet", ("--auth", "alice"), 554, "recipient-incomplete"),
    Case(RELAY, "client.example", BOB, FAR, ("--auth", "alice"), 553, "authsenders", "authsenders"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def login(module_instance):
    certificates.put(module_instance)
    module_instance.wait_for_new_template()
    module_instance.add_login("alice", PASSWORD)


def timeless(replies):
    """How long is left goes on between two questions."""
    return [re.sub(r"\d+ (second|minute)s?", r"some \1s", reply) for reply in replies]


def check_same(instance, case):
    """Explains CASE, compares it with a session, and returns the object."""
    answer = explain(instance, *case[:4], *case.options)
    said = [step["reply"] for step in answer["steps"] if step["stage"] != "auth"]
    assert timeless(said) == timeless(session(instance, case)), case
    assert answer["reply"] == said[-2 if said[-1].startswith("354 ") else -1]
    assert answer["reply"].startswith(f"{case.code} "), answer
    assert answer["rule"] == case.rule
    refused = [event for event in instance.log() if event["event"] == "refused"]
    assert not case.rule or (refused[-1]["rule"], refused[-1].get("place", "")) == (case.rule, answer["place"])
    return answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.rule or case.recipient[:20]}")
def test_a_session_answers_the_same(module_instance, case):
    answer = check_same(module_instance, case)
    if case.rule:
        assert answer["place"] == case.place and not answer["recipient"] and not answer["route"]
    else:
        places = [rule["place"] for rule in answer["rules"] if rule["verdict"] != "refuses"]
        assert not case.place or case.place in places, places
    names = {rule["rule"] for rule in answer["rules"]}
    assert "badclients" in names and (not case.rule or case.rule in names)


# --- what else it says ---


ROUTES = [
    (ALICE, "mailbox alice"),
    (f"alice-list@{DOMAIN}", "mailbox alice, extension list"),
    (f"team@{DOMAIN}", "alias, goes on to alice, bob"),
    ("postmaster", "mailbox alice"),
    (FAR, "another server, by smtproutes: 127.0.0.1 port 1"),
    ("x@elsewhere.example", "another server: the mail exchangers of elsewhere.example"),
]


@pytest.mark.parametrize("recipient, route", ROUTES)
def test_where_an_accepted_recipient_goes(module_instance, recipient, route):
    answer = explain(module_instance, RELAY, "client.example", "a@b.example", recipient)
    assert answer["route"] == route
    out, _ = run(command(module_instance, RELAY, "client.example", "a@b.example", recipient), ACCEPTED)
    assert out.endswith(f"\naccepted: 250 2.1.5 recipient ok\ngoes to: {route}\n")


def test_lines_for_people(module_instance):
    out, _ = run(command(module_instance, ONE, "client.example", "a@evil.example", ALICE), REFUSED)
    assert out == f"""\
client {ONE}, role mx, without TLS

connects
  badclients                passes   badclients         none of its lines fits
  -> 220 {DOMAIN} ESMTP
EHLO client.example
  -> 250 {DOMAIN}
MAIL FROM:<a@evil.example>
  sender-without-domain     passes
  badmailfrom               refuses  badmailfrom:3
  -> 553 5.7.1 mail from this sender is not taken here (badmailfrom)

refused by badmailfrom (badmailfrom:3): 553 5.7.1 mail from this sender is not taken here (badmailfrom)
"""


HOSTILE = ["\x1b[2J\x07x", "\x7f\x9b1m\u202egro.elpmaxe", "a\\x41\u00e4", "'\"`$(id)%s%n", "<", "<>",
           "x" * 100_000]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_strangers_wrote_is_shown_escaped(module_instance, text):
    for field in range(1, 4):
        what = [ONE, "client.example", "a@b.example", ALICE]
        what[field] = text
        done = execute(command(module_instance, *what))
        assert done.returncode in (ACCEPTED, REFUSED)
        assert re.fullmatch(rb"[\x20-\x7e\n]*", done.stdout), done.stdout
    answer = explain(module_instance, *what)
    assert all(char >= " " and char != "\x7f" for char in json.dumps(answer, ensure_ascii=False))


@pytest.mark.parametrize("options", [
    [], ["--ip", ONE], ["--ip", "127.1"], ["--ip", "1.2.3.4.5"], ["--ip", "x"], ["--nothing"],
    ["--ip", ONE, "--helo", "x", "--from", "a@b\r\nRCPT TO:<x>", "--rcpt", ALICE],
    ["--ip", ONE, "--helo", "x\ny", "--from", "a@b", "--rcpt", ALICE],
    ["--ip", ONE, "--helo", "x", "--from", "a@b", "--rcpt", ALICE, "more"],
    ["--ip", ONE, "--helo", "x", "--from", "a@b", "--rcpt", ALICE, "--port", "0"],
    ["--ip", ONE, "--helo", "x", "--from", "a@b", "--rcpt", ALICE, "--port", "25", "--role", "mx"],
    ["--ip", ONE, "--helo", "x", "--from", "a@b", "--rcpt", ALICE, "--role", "x\x1b"],
])  # fmt: skip
def test_command_lines_that_are_refused(module_instance, options):
    line = module_instance.command("ekiden", "explain", "-C", module_instance.control, *options)
    out, errors = run(line, USAGE)
    assert not out and errors.startswith("ekiden explain: ") and "\x1b" not in errors


def test_the_port_has_its_role(module_instance):
    for port, role, tls in ((25, "mx", False), (587, "submission", False), (465, "submissions", True)):
        answer = explain(module_instance, ONE, "client.example", ALICE, BOB, "--port", str(port))
        assert (answer["role"], answer["tls"]) == (role, tls)
        assert (answer["rule"] == "no-login") == (role != "mx")


def test_a_wrong_control_file_is_named_with_its_line(make_instance):
    instance = make_instance({"rcpthosts": f"{DOMAIN}\n*\n"}, start=False)
    instance.accepts_mail = False
    _, errors = run(command(instance, ONE, "x.example", "a@b.example", ALICE), USAGE)
    assert f"{instance.control}/rcpthosts:2: expected " in errors


def test_what_may_not_be_read_is_named(make_instance, mode):
    """The folder of the queue is closed to who is no user of it: said, and the rest is explained."""
    instance = make_instance({}, start=False)
    instance.accepts_mail = False
    _, errors = run(command(instance, ONE, "x.example", "a@b.example", ALICE), ACCEPTED)
    assert re.search(rf"the queue {instance.queue} cannot be looked at \(.*\): .* -Q; .* root", errors)
    instance.set("authsenders", "alice:*\n")
    hidden = instance.control / "authsenders"
    hidden.chmod(0)
    code = ACCEPTED if mode == "privileged" else USAGE  # to root nothing is closed
    _, errors = run(command(instance, ONE, "x.example", "a@b.example", ALICE), code)
    closed = rf"{hidden}: .*Permission denied.*: this user may not read it, ask as root\n$"
    assert bool(re.search(closed, errors)) == (code == USAGE)


def tree(*folders):
    """Every file below FOLDERS with its size, its time, and what stands in it."""
    found = {}
    for folder in folders:
        for path in [folder, *folder.rglob("*")]:
            status = path.lstat()
            text = path.read_bytes() if path.is_file() else None
            found[path] = (status.st_mode, status.st_mtime_ns, status.st_ctime_ns, text)
    return found


def test_nothing_is_queued_and_nothing_counted(module_instance):
    instance = module_instance
    folders = [instance.queue, instance.folder / "judge", instance.folder / "auth"]
    before = tree(*filter(os.path.exists, folders))
    stranger = "203.0.113.77"
    for case in (CASES[0], CASES[5], Case(ONE, "x", ALICE, FAR, ("--auth", "alice"))):
        explain(instance, stranger, *case[1:4], *case.options)
    assert tree(*filter(os.path.exists, folders)) == before
    assert stranger not in instance.log_text()  # no session of the running instance heard of it


def test_a_pause_and_a_full_queue_are_seen(module_instance):
    instance = module_instance
    case = CASES[0]._replace(code=452, rule="paused")
    instance.set("paused", "intake\n")
    instance.wait_for_new_template()
    try:
        check_same(instance, case)
    finally:
        instance.remove("paused")
        instance.wait_for_new_template()


def examples(text):
    """The commands `ekiden explain ...` of a document, each with what stands below it."""
    for command, below in re.findall(r"\$ (ekiden explain (?:.*\\e\n)*.*)\n((?:(?!\.Ed|\$ ).*\n)*)", text):
        yield command.replace("\\e\n", " "), below


def test_the_examples_of_the_manual(module_instance):
    """As they stand, but for the folders; `|` and all."""
    instance = module_instance
    text = (ROOT / "doc/man/ekiden-explain.8").read_text()
    folder = f"-C {instance.control} -Q {instance.queue} -J {instance.folder}/judge"
    shown = list(examples(text))
    assert len(shown) == 2
    for command, below in shown:
        program = shlex.join(instance.command("ekiden", "explain"))
        done = execute(command.replace("ekiden explain", f"{program} {folder}"), shell=True, text=True)
        assert done.stdout == below, (done.stdout, done.stderr)


# --- what others are asked ---

FINE, LISTED, WELCOME, NAMELESS = "127.0.0.20", "127.0.0.21", "127.0.0.22", "127.0.0.23"
NAMES = {
    ("21.0.0.127.bl.test", "A"): ["127.0.0.2"],
    ("21.0.0.127.bl.test", "TXT"): ["see bl.test"],
    ("21.0.0.127.more.test", "A"): ["127.0.0.2"],
    ("22.0.0.127.bl.test", "A"): ["127.0.0.2"],
    ("22.0.0.127.wl.test", "A"): ["127.0.0.2"],
    ("spammer.test.rhs.test", "A"): ["127.0.0.2"],
    **{(f"{ip.rpartition('.')[2]}.0.0.127.in-addr.arpa", "PTR"): ["client.test"]
       for ip in (FINE, LISTED, WELCOME)},
    **{(name, "A"): ["10.0.0.1"] for name in ("client.test", "spammer.test", "pass.test", "fail.test")},
    ("pass.test", "TXT"): ["v=spf1 ip4:127.0.0.0/8 -all"],
    ("fail.test", "TXT"): ["v=spf1 -all"],
}  # fmt: skip
JUDGED = {
    "dnsbl": "# first who is welcome\n+wl.test\nbl.test\nmore.test\n",
    "rhsbl": "rhs.test for=helo,sender\n",
    "checks": "helo-syntax refuse\nreverse-dns defer\nsender-dns refuse\n",
    "spfbehavior": "3\n",
    "badhelo": "\n\nevil.test\n",
    "badrcptto": f"# not there\n{BOB}\n",
    "dnsdeadline": "30\n",
}
JUDGED_CASES = [
    Case(FINE, "client.test", "a@pass.test", ALICE, place="rcpthosts:3"),
    Case(FINE, "client.test", "", ALICE),
    Case(FINE, "a..b", "a@pass.test", ALICE, code=501, rule="helo-syntax", place="checks:1"),
    Case(FINE, "evil.test", "a@pass.test", ALICE, code=550, rule="badhelo", place="badhelo:3"),
    Case(FINE, "client.test", "a@pass.test", BOB, code=550, rule="badrcptto", place="badrcptto:2"),
    Case(FINE, "client.test", "a@pass.test", f"nobody@{DOMAIN}", code=550, rule="no-such-mailbox"),
    Case(LISTED, "client.test", "a@pass.test", ALICE, code=550, rule="dnsbl", place="dnsbl:3"),
    Case(LISTED, "client.test", "a@pass.test", "postmaster"),
    Case(WELCOME, "client.test", "a@pass.test", ALICE),
    Case(NAMELESS, "client.test", "a@pass.test", ALICE, code=450, rule="reverse-dns", place="checks:2"),
    Case(FINE, "client.test", "a@nothing.test", ALICE, code=550, rule="sender-dns", place="checks:3"),
    Case(FINE, "spammer.test", "a@pass.test", ALICE, code=550, rule="rhsbl", place="rhsbl:1"),
    Case(FINE, "client.test", "a@fail.test", ALICE, code=550, rule="spfbehavior", place="spfbehavior:1"),
    Case(RELAY, "a..b", "a@fail.test", FAR),
]  # fmt: skip


def test_name_servers_and_spf(make_instance):
    with NameServer(NAMES) as names:
        instance = make_instance({**CONTROL, **JUDGED, "nameservers": f"{names.endpoint}\n"})
        instance.accepts_mail = False  # from nobody in the oracle's place
        for case in JUDGED_CASES:
            answer = check_same(instance, case)
            rules = {rule["rule"]: rule for rule in answer["rules"]}
            assert answer["place"] == case.place or not case.rule, (case, answer)
            if case.ip == LISTED and case.rule:
                trails = [rule["trail"] for rule in answer["rules"] if rule["rule"] == "dnsbl"]
                assert any("21.0.0.127.bl.test A -> 127.0.0.2" in trail for trail in trails)
            if case.rule == "spfbehavior":
                assert "TXT fail.test" in rules["spfbehavior"]["trail"], rules["spfbehavior"]
        before = names.asked()
        explain(instance, RELAY, "client.test", "a@fail.test", FAR)  # exempt: nobody is asked
        explain(instance, FINE, "client.test", ALICE, FAR, "--auth", "alice")
        assert names.asked() == before


def test_silent_name_servers_are_said_to_be(make_instance):
    with NameServer({}, {"*": "silence"}) as names:
        control = {**CONTROL, **JUDGED, "dnsdeadline": "1\n", "spftimeout": "1\n", "spfbehavior": "1\n"}
        instance = make_instance({**control, "nameservers": f"{names.endpoint}\n"}, start=False)
        instance.accepts_mail = False
        what = FINE, "client.test", "a@pass.test", ALICE
        answer = explain(instance, *what, code=ACCEPTED)
        unknown = [rule for rule in answer["rules"] if rule["verdict"] == "unknown"]
        assert {"dnsbl", "reverse-dns", "sender-dns"} <= {rule["rule"] for rule in unknown}
        out, _ = run(command(instance, *what), ACCEPTED)
        assert "20.0.0.127.bl.test A -> no answer from the name servers in time" in out
        instance.set("dnsdown", "defer\n")
        answer = explain(instance, *what, code=REFUSED)
        assert answer["verdict"] == "deferred" and answer["reply"].startswith("451 4.4.3 ")


def test_what_is_remembered_is_only_looked_at(make_instance):
    """A third try to connect is one too many, however often it was explained before; so with who
    waits for the greylist."""
    instance = make_instance({**CONTROL, "greylist": "# wait\ndelay 300\n", "limits": "connections 2/h\n"})
    instance.accepts_mail = False
    waits = Case(FINE, "client.test", "a@pass.test", ALICE, (), 451, "greylist", "greylist:2")
    judge = instance.folder / "judge"
    answer = explain(instance, *waits[:4])  # without a folder
    assert not judge.exists() and answer["place"] == waits.place
    for case in (waits, waits, waits._replace(code=421, rule="limits", place="limits:1")):
        before = judge.exists() and tree(judge)
        for _ in range(3):
            explain(instance, *case[:4])
        assert before == (judge.exists() and tree(judge))
        assert check_same(instance, case)["place"] == case.place
