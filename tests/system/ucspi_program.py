"""A program that speaks UCSPI-TLS, as a server of other people's does. Its argument is the letter
that it writes to SSLCTLFD on STARTTLS. It answers lines, and can be asked for things."""

import os
import sys

NAMES = ("SSLCTLFD", "SSLREADFD", "SSLWRITEFD")


def say(text):
    os.write(1, f"{text}\n".encode())


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        octet = os.read(0, 1)
        if not octet:
            sys.exit(7)
        line += octet
    return line.decode().strip()


def read_strings(control):
    """What comes after `Y`; nothing when the handshake failed."""
    text = b""
    while not text.endswith(b"\0\0"):
        piece = os.read(control, 8192)
        if not piece:
            break
        text += piece
    return text.decode()


def start_tls(letter):
    control, read, write = (int(os.environ[name]) for name in NAMES)
    say("220 go")
    os.write(control, letter.encode())
    # As fehQlibs' and others' fd_move does: the old number is closed.
    os.dup2(read, 0)
    os.close(read)
    os.dup2(write, 1)
    os.close(write)
    return read_strings(control) if letter == "Y" else ""


def main(letter):
    strings = ""
    say("hello")
    while True:
        line = read_line()
        if line == "STARTTLS":
            strings = start_tls(letter)
            if letter == "Y" and not strings:
                sys.exit(9)
        elif line == "strings":
            say(strings.replace("\0", "|"))
        elif line == "environment":
            say(" ".join(f"{name}={value}" for name, value in sorted(os.environ.items())
                         if name.startswith(("SSL", "TCP"))))
        elif line == "descriptors":
            say(" ".join(sorted(os.listdir("/proc/self/fd"), key=int)))
        elif line == "children":
            try:
                os.waitpid(-1, os.WNOHANG)
                say("some")
            except ChildProcessError:
                say("none")
        elif line == "user":
            say(str(os.getuid()))
        elif line == "quit":
            say("bye")
            sys.exit(5)
        else:
            say(line)


main(sys.argv[1])
