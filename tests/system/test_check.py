"""`ekiden check` and `ekiden-smtpd -t`: whatever a program would refuse or ignore is named first."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import certificates
import pytest
from instance import DOMAIN, PATIENCE

GOOD, WARNINGS, ERRORS = 0, 1, 100
ROOT = Path(__file__).resolve().parents[2]
KEY = "key for tests, long enough\n"

# What stands in a file, and the line that is named; None: the file alone.
BROKEN = {
    "badhelo": ("a b\n", 1),  # ekiden-smtpd
    "greetdelay": ("soon\n", 1),
    "checks": ("# none\nhelo refuse\n", 2),  # ekiden-judge
    "dnsbl": ("bl.example\nbl.example weight=x\n", 2),
    "nameservers": ("127.0.0.1\nns.example\n", 2),  # ekiden-spf, ekiden-remote
    "authfailures": ("many\n", 1),  # ekiden-auth
    "authprogram": ("program\n", 1),
    "queuelifetime": ("a week\n", 1),  # ekiden-send
    "destlimits": ("far.example:many\n", 1),
    "smtproutes": ("far.example:[127.0.0.1]:port\nb.example:[127.0.0.1] auth=nobody\n", 1),
    "bouncefrom": ("a@b\n", 1),  # ekiden-bounce
    "programtimeout": ("0\n", 1),  # ekiden-launch
    "mailquota": ("1G\nalice:much\n", 2),  # ekiden-local
    "outgoingip": ("192.0.2.300\n", 1),  # ekiden-remote
    "tlspolicy": ("far.example:perhaps\n", 1),
    "injectmessages": ("-1\n", 1),  # ekiden-queue
    "plusdomain": ("a domain\n", 1),  # ekiden-inject
    "tlsresumption": ("a day\n", 1),  # ekiden-tls
    "aliases": ("team: alice\nlist: :include:/etc/passwd\n", 2),
    "queueprogram": ("/nonexistent/program\n", None),
    "users": ("alice\nbob:../x\ncarl:/etc\n", 3),  # the second problem of a file
    "tls": (None, None),  # a folder, not a file: below
}


def run(instance, *words):
    done = subprocess.run(
        instance.command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
        timeout=PATIENCE, env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"},
    )  # fmt: skip
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    return done


def check(instance, *options):
    folder = instance.folder
    return run(instance, "ekiden", "check", "-C", instance.control, "-Q", folder / "queue",
               "-M", folder / "mail", "-A", folder / "auth", "-J", folder / "judge", *options)  # fmt: skip


def test_of_smtpd(instance):
    done = run(instance, "ekiden-smtpd", "-t", "-C", instance.control)
    assert not done.stdout
    done.stdout = done.stderr  # where its log goes
    return done


test_of_smtpd.__test__ = False


def both_say(instance, text):
    """Both end with ERRORS, and say one line that begins with TEXT, below the control folder."""
    for done in (check(instance), test_of_smtpd(instance)):
        assert done.returncode == ERRORS, (done.stdout, done.stderr)
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{instance.control}/{text}")]
        assert len(lines) == 1, done.stdout
    return lines[0]


@pytest.fixture
def configured(make_instance):
    """Control files and nothing that runs, with a mail folder and a queue as INSTALL makes them."""
    instance = make_instance({"me": f"{DOMAIN}\n"}, start=False)
    instance.accepts_mail = False
    for name, user, group, mode in (("queue", 2, 1, 0o770), ("mail", 3, 3, 0o750)):
        place = instance.folder / name
        place.mkdir(exist_ok=True)
        place.chmod(mode)
        instance.give_away(place)
        if instance.mode == "privileged" and users_are_there():
            shutil.chown(place, service_users()[user], service_users()[group])
    return instance


def service_users():
    return (ROOT / "conf-users").read_text().split("\n")[:10]


def users_are_there():
    names = {line.split(":")[0] for line in Path("/etc/passwd").read_text().splitlines()}
    return names.issuperset(service_users())


def test_nothing_is_wrong(configured):
    certificates.put(configured)
    # Where nobody stands in for Ekiden's users there is something to say.
    code = WARNINGS if configured.mode == "privileged" and not users_are_there() else GOOD
    done = check(configured)
    assert done.returncode == code, (done.stdout, done.stderr)
    done = check(configured, "-v")
    assert done.returncode == code
    for name in ("me", "locals", "users"):
        assert f"ok {configured.control}/{name}\n" in done.stdout
    assert re.search(rf"ok {configured.control}/tls/default: P-256, ends in (29|30) days\n", done.stdout)
    done = test_of_smtpd(configured)
    assert (done.returncode, done.stdout) == (GOOD, "")


def test_each_program_is_asked(configured):
    """All problems at once, each with its file and line."""
    for name, (text, _) in BROKEN.items():
        if text:
            configured.set(name, text)
    (configured.control / "tls" / "default").mkdir(parents=True)
    for done in (check(configured), test_of_smtpd(configured)):
        assert done.returncode == ERRORS, (done.stdout, done.stderr)
        for name, (_, line) in BROKEN.items():
            place = f"{configured.control}/{name}" + (f":{line}: " if line else "")
            assert any(said.startswith(place) and "expected " in said for said in done.stdout.splitlines()), (name, done.stdout)
        assert f"{configured.control}/users:2: " in done.stdout
        assert f"{configured.control}/smtproutes:2: there is no password for auth=nobody; expected" in done.stdout
        assert len(set(done.stdout.splitlines())) == len(done.stdout.splitlines())
        assert "its settings cannot be checked" not in done.stdout


def test_a_list_in_another_form(configured):
    """Each line is wrong, and it is said of enough of them; all that is in other files is said as well."""
    configured.set("badmailfrom", "".join(f"{number} no address\n" for number in range(1000)))
    configured.set("queuelifetime", "a week\n")
    for done in (check(configured), test_of_smtpd(configured)):
        assert done.returncode == ERRORS
        assert done.stdout.count(f"{configured.control}/badmailfrom:") == 500
        assert f"\n{configured.control}/queuelifetime:1: expected " in done.stdout
        assert "\nekiden-smtpd: 500 more of its settings are wrong; expected " in done.stdout


@pytest.mark.parametrize("name, text, user", [("srs", KEY, 2), ("batv", KEY, 2), ("authroutes", "a:b:c\n", 4)])
def test_secrets_that_are_refused(configured, name, text, user):
    secret = {"secret_of": service_users()[user]} if users_are_there() else {"secret_of": "nobody"}
    configured.set(name, text, **secret)
    assert test_of_smtpd(configured).returncode == GOOD
    (configured.control / name).chmod(0o644)
    assert "chmod" in both_say(configured, f"{name}: its mode lets others ")
    configured.set(name, "short\n", **secret)
    said = both_say(configured, f"{name}:1: expected ")
    assert "short" not in said
    if configured.mode == "privileged":
        configured.set(name, text)
        (configured.control / name).chmod(0o600)  # root's own
        both_say(configured, f"{name}: ")


@pytest.mark.parametrize(
    "which, said",
    [({"days": (-30, -1)}, "chain.pem: has expired"),
     ({"chain": certificates.pair(serial=2)[0]}, "key.pem: is not the key of the first certificate"),
     ({"key": b"\n"}, "key.pem: has no private key")],
    ids=["expired", "other", "empty"],
)  # fmt: skip
def test_certificates_that_are_refused(configured, which, said):
    certificates.put(configured, **which)
    both_say(configured, f"tls/default/{said}")
    assert f"ok {configured.control}/tls\n" not in check(configured, "-v").stdout


def test_certificates_that_are_doubtful(configured):
    certificates.put(configured, days=(-1, 5))
    certificates.put(configured, folder="Mail.example")
    (configured.control / "tls" / "default" / "key.pem").chmod(0o644)
    done = check(configured)
    assert done.returncode == WARNINGS, (done.stdout, done.stderr)
    for said in ("chain.pem: the certificate ends in ", "key.pem: every user of this host can read it"):
        assert f"warning: {configured.control}/tls/default/{said}" in done.stdout
    assert f"warning: {configured.control}/tls/Mail.example: no client can ask for this name" in done.stdout
    assert test_of_smtpd(configured).returncode == GOOD


def test_names_of_files(configured):
    """Each name of the manual is known, and so a slip in it is. Letters that are left out."""
    text = (ROOT / "doc/man/ekiden-control.5").read_text()
    names = re.findall(r"^\.It Pa ([a-z0-9]+)$", text, re.M)
    assert len(names) > 70
    slips = {name[:2] + name[3:] if len(name) > 4 else name + "x": name for name in names}
    for slip in (*slips, "backup~", ".hidden", "nothingofours"):
        configured.set(slip, "")
    done = check(configured)
    assert done.returncode == WARNINGS, (done.stdout, done.stderr)
    said = dict(re.findall(rf"^warning: {configured.control}/(\S+): no program reads .*; expected (.*?)[,;]",
                           done.stdout, re.M))  # fmt: skip
    assert said == {**slips, "nothingofours": "one of ekiden-control(5)"}
    assert test_of_smtpd(configured).stdout == ""


def test_folders(configured):
    (configured.folder / "queue").chmod(0o777)
    (configured.folder / "mail").rmdir()
    judge = configured.folder / "judge"
    judge.mkdir()
    judge.chmod(0o755)
    done = check(configured)
    assert done.returncode == ERRORS, (done.stdout, done.stderr)
    if configured.mode == "privileged" and not users_are_there():
        assert "/etc/passwd: none of Ekiden's users is there" in done.stdout
        return
    assert f"\n{configured.folder}/queue: its mode is 0777; expected 0770; chmod 0770 " in f"\n{done.stdout}"
    assert f"\n{configured.folder}/mail: No such file or directory; expected a folder; install -d " in done.stdout
    assert f"\n{judge}: its mode is 0755; expected 0700; chmod 0700 " in done.stdout
    assert test_of_smtpd(configured).returncode == GOOD


def test_command_lines(configured):
    assert check(configured, "more").returncode == ERRORS
    assert run(configured, "ekiden", "check", "-C", "/nonexistent").returncode == ERRORS
