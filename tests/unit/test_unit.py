"""Runs the cmocka programs: each of their test functions is one test here."""

import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

import pytest
from conftest import BUILD

SOURCES = sorted(Path(__file__).parent.glob("test_*.c"))
REGISTERED = re.compile(r"\bcmocka_unit_test(?:_\w+)?\(\s*(\w+)")
TAP_LINE = re.compile(r"^(ok|not ok) \d+ (?:-|# (SKIP)) (\w+)")


def registered(source):
    return REGISTERED.findall(source.read_text())


@lru_cache(maxsize=None)
def run(name):
    """Runs the program once. Returns its results by function, its exit code and its output."""
    environment = {**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    done = subprocess.run(
        [BUILD / "tests" / name],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=300,
        text=True,
        errors="replace",
    )
    results = {
        found.group(3): found.group(2) or found.group(1)
        for found in map(TAP_LINE.match, done.stdout.splitlines())
        if found
    }
    return results, done.returncode, done.stdout


@pytest.mark.parametrize(
    "name, function",
    [(source.stem, function) for source in SOURCES for function in registered(source)],
)
def test_unit(name, function):
    results, code, output = run(name)
    if results.get(function) == "SKIP":
        pytest.skip("not possible here, as the test found")
    assert results.get(function) == "ok", f"{function}, exit code {code}:\n{output[-4000:]}"


@pytest.mark.parametrize("name", [source.stem for source in SOURCES])
def test_every_function_was_seen(name):
    """A function that the pattern above misses, or a program that ends early, must not go unseen."""
    results, code, output = run(name)
    assert set(results) == set(registered(Path(__file__).parent / f"{name}.c"))
    if set(results.values()) == {"ok"}:
        assert code == 0, f"all functions passed, but the exit code is {code}:\n{output[-4000:]}"
