"""Official divisions as a network: a centre for the city, a college for each district, a school for each street or
town, an activity room for each village or neighbourhood.

The files are those of the data set *Administrative-divisions-of-China*: ``cities.csv``, ``areas.csv``, ``streets.csv``,
``villages.csv`` (each also as ``.gz``), of one province, with the columns ``code`` and ``name``. The institutions are
entered under codes made of the official ones, which nobody renames: ``cq/500103/001/002`` stands in the neighbourhood
500103001002. An English name is not made up: it is the Chinese one until somebody gives another.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from creditbank.providers.sheet import Entry
from creditbank.regions.domain import Region, above
from creditbank.web.fields import REGION_FORM

_FILES: Final = {4: "cities.csv", 6: "areas.csv", 9: "streets.csv", 12: "villages.csv"}
_COMMITTEE: Final = re.compile(r"(社区)?(居民委员会|村民委员会|居委会|村委会)$")
_CODE: Final = re.compile(REGION_FORM, re.ASCII)


class DivisionsMalformed(ValueError):
    """The folder does not hold the divisions of one province; the message names the file and its row."""


@dataclass(frozen=True, slots=True)
class Divisions:
    """Divisions of one province, and the institutions that stand in them."""

    regions: Sequence[Region]
    entries: Sequence[Entry]


def read_divisions(folder: Path, top: str, name: str) -> Divisions:
    """The divisions in the files of ``folder``, and the network under the code ``top`` of the city called ``name``.

    Raises DivisionsMalformed.
    """
    named: dict[str, str] = {}
    for digits, file in _FILES.items():
        for row, (code, text) in enumerate(_read(folder / file), start=2):
            where = f"{file}, row {row}"
            if not _CODE.fullmatch(code) or len(code) != digits:
                raise DivisionsMalformed(f"{where}: {code!r} is no code of {digits} digits")
            if not text:
                raise DivisionsMalformed(f"{where}: {code} has no name")
            if code in named:
                raise DivisionsMalformed(f"{where}: {code} stands twice")
            if digits > 4 and above(code) not in named:
                raise DivisionsMalformed(f"{where}: {above(code)} above {code} is in no file")
            named[code] = text
    provinces = {code[:2] for code in named}
    if len(provinces) != 1:
        raise DivisionsMalformed(f"{folder}: the divisions of one province are wanted, here are {sorted(provinces)}")
    (province,) = provinces
    regions = [Region(code, text, text) for code, text in [(province, name), *named.items()]]
    # The four digits only tell districts from counties: no institution stands there.
    entries = [_entry(region, top) for region in regions if len(region.code) != 4]
    return Divisions(regions, entries)


def _entry(region: Region, top: str) -> Entry:
    code, name = region.code, region.name_zh
    parts = [top, code[:6], code[6:9], code[9:]] if len(code) > 2 else [top]
    path = "/".join(part for part in parts if part)
    type_, called = {
        "province": ("guidance_centre", f"{name}社区教育指导服务中心"),
        "county": ("community_college", f"{name}社区学院"),
        "street": ("community_school", f"{name}社区学校"),
        "village": ("activity_room", f"{_place(name)}教育活动室"),
    }[region.level]
    return Entry(0, path, called, called, type_, code, "active")


def _place(name: str) -> str:
    """What a committee's place is called: 东方广场社区居民委员会 -> 东方广场社区, 梧桐村村民委员会 -> 梧桐村."""
    found = _COMMITTEE.search(name)
    if found is None:
        return name
    place = name[: found.start()]
    if found[1] or "居" in found[2]:
        return place + "社区" if not place.endswith("社区") else place
    return place if place.endswith("村") else place + "村"


def _read(file: Path) -> list[tuple[str, str]]:
    packed = file.with_name(file.name + ".gz")
    try:
        content = gzip.decompress(packed.read_bytes()) if packed.exists() else file.read_bytes()
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        return [(row["code"].strip(), row["name"].strip()) for row in rows]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, KeyError, AttributeError) as wrong:
        raise DivisionsMalformed(f"{file.name} cannot be read: {wrong!r}") from wrong
