"""Short forms of `tests/crash/damage`: damaged files, full disks, clocks that jump."""

import damage
import pytest

pytestmark = [pytest.mark.heavy]


@pytest.fixture
def folder(tmp_path_factory, scratch):
    made = scratch / tmp_path_factory.mktemp("damage").name
    made.mkdir(mode=0o755)
    return made


def require(row, complaints):
    assert row.tried and not complaints, "\n".join(complaints[:10])


@pytest.mark.parametrize("case", ["queue", "notes"])
def test_damaged_files(folder, programs, case):
    require(*damage.CASES[case](folder, programs))


def test_damaged_hints(folder, programs):
    require(*damage.hints(folder, programs, step=37))


@pytest.mark.needs("rsync")
def test_a_copied_queue(folder, programs):
    require(*damage.copied(folder, programs))


@pytest.mark.parametrize("case", list(damage.CLOCKS))
def test_clocks(folder, programs, build, case):
    require(*damage.CLOCKS[case](folder, programs, build))
