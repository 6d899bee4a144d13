#!/usr/bin/python3
"""Stands in for ekiden-judge beside ekiden-smtpd: notes in its state folder that it was started, and
treats the session as the file `habit` beside it says."""

import os
import signal
import socket
import sys
import time
from pathlib import Path

STATE = 5
FINDING = b"r550\0lies\0lies:1\x005.7.1\0all of you are liars\0\0"


def answers(habit, packet):
    head = packet.split(b"\0")[0] + b"\0"
    return {
        "good": [head],
        "refuse": [head + FINDING],
        "wrong-number": [head[:1] + b"77\0"],
        "wrong-kind": [b"U1\0"],
        "garbage": [os.urandom(2000)],
        "control": [head + FINDING.replace(b"liars", b"li\r\n250 ok")],
        "success": [head + FINDING.replace(b"r550", b"r250")],
        "long": [head + FINDING.replace(b"liars", b"x" * 5000)],
        "many": [head + FINDING * 30],
        "empty": [b"\0"],
    }[habit]


def main():
    habit = Path(sys.argv[0]).with_name("habit").read_text()
    name = f"started.{os.getpid()}"
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=STATE))
    session = socket.socket(fileno=0)
    if habit == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if habit == "leave":
        return
    if habit == "hang":
        signal.pause()
    if habit == "deaf":  # it does not even see its end
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(60)
    if habit == "flood":
        while True:
            session.send(b"C77\0")
    while packet := session.recv(65536):
        for answer in answers(habit, packet):
            session.send(answer)


try:
    main()
except (BrokenPipeError, ConnectionResetError):
    pass
