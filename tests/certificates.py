"""Certificates for tests: made once a run for each name and kind, then copied where they are wanted."""

import functools
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAME = "mail.demo.example"
KEY_USER = (Path(__file__).resolve().parent.parent / "conf-users").read_text().split("\n")[6]
KEYS = {  # arguments of `openssl genpkey`
    "P-256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "RSA-2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "RSA-3072": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072"),
    "RSA-4096": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"),
}


CONFIGURATION = """
[ca]
default_ca = self
[self]
database = index
serial = serial
new_certs_dir = .
policy = policy
default_md = sha256
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
basicConstraints = critical, CA:TRUE
subjectAltName = DNS:%s
"""


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"


@functools.cache
def pair(name=NAME, kind="P-256", serial=1, days=(-1, 30)):
    """A key and its self-signed certificate, as (chain.pem, key.pem), bytes. SERIAL tells apart
    several of the same name; DAYS is from when to when it is valid, counted from now."""
    start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * day))
                  for day in days)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "configuration").write_text(CONFIGURATION % name)
        Path(folder, "serial").write_text(f"{serial:04x}\n")
        Path(folder, "index").touch()
        openssl(folder, "genpkey", *KEYS[kind], "-out", "key.pem")
        openssl(folder, "req", "-new", "-key", "key.pem", "-subj", f"/CN={name}", "-out", "request")
        openssl(folder, "ca", "-selfsign", "-batch", "-notext", "-config", "configuration",
                "-keyfile", "key.pem", "-in", "request", "-out", "chain.pem", "-startdate", start,
                "-enddate", end)
        return Path(folder, "chain.pem").read_bytes(), Path(folder, "key.pem").read_bytes()


def write(path, content, mode, owner):
    """Writes a file as a careful operator does: complete, owned and closed before it has its name."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    os.chmod(draft, mode)
    if owner:
        shutil.chown(draft, *owner)
    draft.rename(path)


def put(instance, folder="default", chain=None, key=None, between=lambda: None, **which):
    """Gives INSTANCE a certificate in control/tls/FOLDER, by default pair(**which). The key is for
    the key process alone. BETWEEN is called when the key is new and the certificate is not.
    Returns the path of chain.pem, for clients that trust it."""
    made_chain, made_key = pair(**which)
    place = instance.control / "tls" / folder
    for path in (instance.control, place.parent, place):
        path.mkdir(mode=0o755, exist_ok=True)
        instance.give_away(path)
    owner = (KEY_USER, None) if instance.mode == "privileged" else instance.user
    # The key first: a new certificate must never be there before its key.
    write(place / "key.pem", key or made_key, 0o600, owner)
    between()
    write(place / "chain.pem", chain or made_chain, 0o644, instance.user)
    return place / "chain.pem"
