"""Folders and files that are written whole or not at all."""

import os
import subprocess
import sys

import pytest

from gatewright.atomic import replacing, write_by_rename
from gatewright.errors import UserError


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "deep" / "net"
    with replacing(made) as new:
        (new / "first").write_text("1")
    return made


def listed(folder):
    return sorted(path.name for path in folder.parent.iterdir())


def test_a_folder_takes_the_place_of_the_earlier_one_and_leaves_nothing_beside_it(folder):
    with replacing(folder) as new:
        (new / "second").write_text("2")
        assert (folder / "first").is_file(), "the earlier one is there until the end"
    assert [path.name for path in folder.iterdir()] == ["second"]
    assert listed(folder) == ["net"]


def test_what_fails_in_the_middle_leaves_the_earlier_one(folder):
    with pytest.raises(ZeroDivisionError), replacing(folder) as new:
        (new / "second").write_text(str(1 // 0))
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert listed(folder) == ["net"]


def test_a_full_disk_is_told_in_one_line(folder):
    told = r"net: cannot be written: No space left on device; free some space"
    with pytest.raises(UserError, match=told), replacing(folder):
        raise OSError(28, "No space left on device")
    assert [path.name for path in folder.iterdir()] == ["first"]


def test_a_run_killed_between_the_two_renames_is_put_right_by_the_next(folder):
    folder.rename(folder.parent / ".net.old")
    with pytest.raises(ZeroDivisionError), replacing(folder):
        raise ZeroDivisionError
    assert [path.name for path in folder.iterdir()] == ["first"]
    assert listed(folder) == ["net"]


def test_only_what_the_dead_left_is_swept_up(folder):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for process in (dead.pid, os.getppid()):
        (folder.parent / f".net.{process}-abc").mkdir()
    with replacing(folder):
        pass
    assert listed(folder) == [f".net.{os.getppid()}-abc", "net"]


def test_a_place_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    told = r"file: cannot be written: .*; name a folder that you may write with -o"
    with pytest.raises(UserError, match=told), replacing(tmp_path / "file" / "net"):
        pass


def test_a_file_in_the_place_of_a_folder_is_refused_and_stays(tmp_path):
    (tmp_path / "net").write_text("mine")
    told = r"net: is there already and is no folder; name another folder with -o"
    with pytest.raises(UserError, match=told), replacing(tmp_path / "net"):
        pass
    assert (tmp_path / "net").read_text() == "mine"
    assert [each.name for each in tmp_path.iterdir()] == ["net"]


def test_where_the_new_folder_cannot_take_its_place_the_earlier_one_is_put_back(folder):
    with pytest.raises(UserError, match=r"net: cannot be written: "), replacing(folder) as new:
        new.rename(new.with_name("gone"))
    assert [path.name for path in folder.iterdir()] == ["first"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "report.json"
    write_by_rename(path, b"1")
    write_by_rename(path, b"2")
    assert path.read_bytes() == b"2"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]
    with pytest.raises(UserError, match=r"missing/report.json: cannot be written: No such file"):
        write_by_rename(tmp_path / "missing" / "report.json", b"")
