"""The folder of evidence by itself: what is written is found whole, what is old is found by name."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from creditbank.claims.files import EvidenceFolder

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def at(folder: Path, name: str) -> Path:
    """Where a file lies."""
    return folder / name[:2] / name


def test_a_file_is_found_under_the_hash_of_its_bytes_and_is_nobody_else_s(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path / "evidence")

    name = store.keep(b"sealed")

    assert name == hashlib.sha256(b"sealed").hexdigest()
    assert store.read(name) == b"sealed"
    assert at(tmp_path / "evidence", name).stat().st_mode & 0o777 == 0o600
    assert at(tmp_path / "evidence", name).parent.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in (tmp_path / "evidence").rglob("*") if file.is_file()] == [name]


def test_what_is_not_whole_is_not_read(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path)
    name = store.keep(b"sealed")
    at(tmp_path, name).write_bytes(b"other")

    with pytest.raises(ValueError, match=name):
        store.read(name)
    assert not store.is_whole(name)
    assert not store.is_whole("00")


def test_old_files_are_found_in_the_order_of_their_names_up_to_the_instant(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path)
    names = sorted(store.keep(b"%d" % number) for number in range(6))
    for name, seconds in zip(names, (-3, -2, -1, 0, 1, -4), strict=True):
        then = (NOW + timedelta(seconds=seconds)).timestamp()
        os.utime(at(tmp_path, name), (then, then))
    old = [*names[:3], names[5]]

    assert store.aged(NOW, "", 10) == old
    assert store.aged(NOW, "", 2) == old[:2]
    assert store.aged(NOW, old[1], 10) == old[2:]
    store.remove([*old, "00" * 32])
    assert store.aged(NOW + timedelta(days=1), "", 10) == names[3:5]


def test_a_folder_that_is_not_there_holds_nothing_old(tmp_path: Path) -> None:
    assert EvidenceFolder(tmp_path / "nowhere").aged(NOW, "", 10) == []


def test_what_is_set_aside_says_since_when_and_is_found_again_by_who_asks_for_it(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path)
    first, second, third = sorted(store.keep(b"%d" % number) for number in range(3))

    store.set_aside([first, second, "00" * 32], NOW)

    assert store.aged(NOW + timedelta(days=9999), "", 10) == [third]
    assert (store.unnamed("", 10), store.unnamed("", 1), store.unnamed(first, 10)) == (
        [first, second],
        [first],
        [second],
    )
    assert at(tmp_path / "unnamed", first).stat().st_mtime == NOW.timestamp()
    assert hashlib.sha256(store.read(first)).hexdigest() == first
    store.bring_back([second, third, "00" * 32])
    assert store.unnamed("", 10) == []
    assert all(store.is_whole(name) for name in (first, second, third))


def test_only_what_lay_aside_for_long_enough_and_still_does_is_forgotten(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path)
    early, late, back = (store.keep(b"%d" % number) for number in range(3))
    store.set_aside([early, back], NOW - timedelta(seconds=1))
    store.set_aside([late], NOW)
    store.bring_back([back])

    assert store.forget([early, late, back], NOW) == 1

    assert [store.is_whole(name) for name in (early, late, back)] == [False, True, True]


def test_who_removes_a_file_removes_it_wherever_it_lies(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path)
    aside, here = store.keep(b"aside"), store.keep(b"here")
    store.set_aside([aside], NOW)

    store.remove([aside, here])

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_a_folder_belongs_to_the_bank_whose_mark_it_bears_alone(tmp_path: Path) -> None:
    store = EvidenceFolder(tmp_path / "evidence")

    assert store.belongs_to("aa", "sqlite:/srv/live")
    assert store.belongs_to("aa", "sqlite:/srv/live")
    assert not store.belongs_to("bb", "sqlite:/srv/staging")
    # Neither does it belong to the first any more: there may be evidence of the other in it.
    assert not store.belongs_to("aa", "sqlite:/srv/live")
    assert "sqlite:/srv/staging" in (tmp_path / "evidence" / "bank-bb").read_text("utf-8")
