"""Certificates of an authority of the tests' own, octet by octet: what `openssl` would refuse to
make is what matters here."""

import base64
import functools
import subprocess
import tempfile
import time
from pathlib import Path

ARGUMENTS = {  # of `openssl genpkey`
    "P-256": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "P-384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "P-521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "ED25519": ("-algorithm", "ED25519"),
    "RSA-1024": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
    "RSA-2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
}


# --- DER (X.690) ---


def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 0x80:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(number):
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def identifier(text):
    first, second, *rest = map(int, text.split("."))
    octets = [40 * first + second]
    for number in rest:
        group = [number & 0x7F]
        while number > 0x7F:
            number >>= 7
            group.insert(0, 0x80 | number & 0x7F)
        octets += group
    return tlv(0x06, bytes(octets))


def bits(octets):
    return tlv(0x03, b"\0", octets)


def distinguished(name):
    return sequence(tlv(0x31, sequence(identifier("2.5.4.3"), tlv(0x0C, name.encode()))))


def moment(day):
    """DAY days from now."""
    return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(time.time() + 86400 * day)).encode())


def extension(kind, value, critical=False):
    return sequence(identifier(kind), b"\x01\x01\xff" if critical else b"", tlv(0x04, value))


def alternative_names(*names):
    """A subjectAltName of dNSNames; a name may be bytes."""
    texts = (name if isinstance(name, bytes) else name.encode() for name in names)
    return extension("2.5.29.17", sequence(*(tlv(0x82, text) for text in texts)))


def address_name(octets):
    return extension("2.5.29.17", sequence(tlv(0x87, octets)))


IS_AUTHORITY = extension("2.5.29.19", sequence(b"\x01\x01\xff"), True)
ECDSA_SHA256 = sequence(identifier("1.2.840.10045.4.3.2"))
RSA_SHA256 = sequence(identifier("1.2.840.113549.1.1.11"), b"\x05\x00")
RSA_SHA1 = sequence(identifier("1.2.840.113549.1.1.5"), b"\x05\x00")


def rsa_public(bits_of_modulus):
    """A public key that nobody has, of any size."""
    modulus = (1 << bits_of_modulus) - 0x10001
    algorithm = sequence(identifier("1.2.840.113549.1.1.1"), b"\x05\x00")
    return sequence(algorithm, bits(sequence(integer(modulus), integer(65537))))


# --- keys and certificates ---


class Key:
    def __init__(self, kind):
        self.kind = kind
        self.pem = run("genpkey", *ARGUMENTS[kind])
        self.public = run("pkey", "-pubout", "-outform", "DER", given=self.pem)

    def sign(self, octets, digest="sha256"):
        with tempfile.TemporaryDirectory() as folder:
            key, data = Path(folder, "key"), Path(folder, "data")
            key.write_bytes(self.pem)
            data.write_bytes(octets)
            return run("dgst", f"-{digest}", "-sign", key, data)


def run(*arguments, given=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given or b"", capture_output=True)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"
    return done.stdout


@functools.cache
def make_key(kind, _number):
    return Key(kind)


def key(kind="P-256", number=0):
    """A key of this run; NUMBER tells apart several of a kind."""
    return make_key(kind, number)


def certificate(subject, public, issuer, signer, extensions=(), days=(-1, 30), serial=7,
                algorithm=None, digest="sha256", wrong_signature=False):
    """A certificate (DER) for SUBJECT, either a name or DER, with the key PUBLIC, signed by SIGNER."""
    algorithm = algorithm or (RSA_SHA256 if signer.kind.startswith("RSA") else ECDSA_SHA256)
    names = (name if isinstance(name, bytes) else distinguished(name) for name in (issuer, subject))
    issuer_name, subject_name = names
    signed = sequence(
        tlv(0xA0, integer(2)),
        serial if isinstance(serial, bytes) else integer(serial),
        algorithm,
        issuer_name,
        sequence(*map(moment, days)),
        subject_name,
        public,
        tlv(0xA3, sequence(*extensions)) if extensions else b"",
    )
    signature = signer.sign(signed + (b"x" if wrong_signature else b""), digest)
    return sequence(signed, algorithm, bits(signature))


def pem(*certificates):
    lines = []
    for octets in certificates:
        lines += ["-----BEGIN CERTIFICATE-----", base64.encodebytes(octets).decode().strip(),
                  "-----END CERTIFICATE-----"]
    return ("\n".join(lines) + "\n").encode()


class Authority:
    """A root, and what it signs."""

    def __init__(self, name="Root of the tests", kind="P-256"):
        self.name = name
        self.key = Key(kind)
        self.root = certificate(name, self.key.public, name, self.key, (IS_AUTHORITY,))

    def issue(self, name, kind="P-256", extensions=None, **rest):
        """A server's certificate for NAME, as subjectAltName unless EXTENSIONS are given."""
        if extensions is None:
            extensions = (alternative_names(name),)
        public = rest.pop("public", None) or key(kind).public
        return certificate(name if isinstance(name, str) else "x", public, self.name, self.key,
                           extensions, **rest)
