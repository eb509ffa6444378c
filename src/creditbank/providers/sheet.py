"""A table of institutions with Chinese or English headings, read with the place of every fault."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from creditbank.codes import code_list
from creditbank.errors import Fault
from creditbank.identifiers import lineage
from creditbank.providers.domain import Provider, is_code, stopped_by
from creditbank.web.bodies import CHOICES_SHOWN
from creditbank.web.fields import REGION_FORM
from creditbank.web.sheets import columns_of, read_rows, refuse

_NAME_CHARS_MAX: Final = 200
_GIVEN_SHOWN: Final = 40

_HEADINGS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("code", "代码", "机构代码"), "code"),
    **dict.fromkeys(("name_zh", "名称", "机构名称", "中文名称"), "name_zh"),
    **dict.fromkeys(("name_en", "英文名称"), "name_en"),
    **dict.fromkeys(("provider_type", "类型", "机构类型"), "provider_type"),
    **dict.fromkeys(("region", "行政区划", "行政区划代码"), "region"),
    **dict.fromkeys(("status", "状态"), "status"),
}
_NEEDED: Final = ("code", "name_zh", "provider_type")
_STATUSES: Final[Mapping[str, str]] = {
    **{status: status for status in ("active", "suspended", "closed")},
    **{"": "active", "正常": "active", "停用": "suspended", "暂停": "suspended", "关闭": "closed"},
}
_REGION: Final = re.compile(REGION_FORM, re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """An institution as a table states it, with the row where it stands, counted from 1 as spreadsheets do."""

    row: int
    code: str
    name_zh: str
    name_en: str
    provider_type: str
    region: str | None
    status: str

    def same_as(self, provider: Provider) -> bool:
        """Whether the institution is what the table says already."""
        mine = (self.name_zh, self.name_en, self.region, self.status)
        return mine == (provider.name_zh, provider.name_en, provider.region, provider.status)


@dataclass(slots=True)
class _Reading:
    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read_table(content: bytes) -> list[Entry]:
    """The institutions of a table, those above others first. Raises TableRefused with all that is wrong in itself."""
    reading = _Reading()
    rows = read_rows(content)
    columns = columns_of(*next(rows, (1, [])), _HEADINGS, _NEEDED, reading.faults)
    for row, cells in rows:
        if any(cell.strip() for cell in cells):
            _read_row(row, dict(zip(columns, cells, strict=False)), reading)
    seen: set[str] = set()
    for entry in reading.entries:
        if entry.code in seen:
            reading.faults.append(Fault("/code", "given_twice", "", entry.row))
        seen.add(entry.code)
    refuse(reading.faults)
    return in_order(reading.entries)


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """The entries, each after the one above it."""
    return sorted(entries, key=lambda entry: (entry.code.count("/"), entry.code))


def faults_against(
    entries: Sequence[Entry], known: Mapping[str, Provider], own: str | None, given: Collection[str]
) -> list[Fault]:
    """What is wrong with entries beside the institutions that are there: their own, those above and above these.

    ``own`` is the code of the provider that the caller acts for, None for the bank; ``given`` are the codes of all that
    is entered together.
    """
    faults: list[Fault] = []
    for entry in entries:
        former, above = known.get(entry.code), list(lineage(entry.code))[1:]
        if own is not None and (entry.code != own and own not in above):
            faults.append(Fault("/code", "not_yours", "", entry.row))
        elif former is None:
            if above and above[0] not in given and above[0] not in known:
                faults.append(Fault("/code", "parent_missing", "", entry.row))
            elif stopped_by(entry.code, known) is not None:
                faults.append(Fault("/code", "parent_stopped", "", entry.row))
        else:
            if former.provider_type != entry.provider_type:
                faults.append(Fault("/provider_type", "type_fixed", "", entry.row))
            if own == entry.code and former.status != entry.status:
                # Nobody opens or closes itself.
                faults.append(Fault("/status", "not_yours", "", entry.row))
    return faults


def _read_row(row: int, cells: Mapping[str, str], reading: _Reading) -> None:
    plain = {name: unicodedata.normalize("NFC", cell).strip() for name, cell in cells.items()}
    faults = [Fault(f"/{name}", "required", "", row) for name in _NEEDED if not plain.get(name) and name in cells]
    # Digits and letters of full width are what a Chinese keyboard gives.
    code = unicodedata.normalize("NFKC", plain.get("code", ""))
    region = unicodedata.normalize("NFKC", plain.get("region", ""))
    if code and not is_code(code):
        faults.append(Fault("/code", "wrong_form", "", row))
    if region and not _REGION.fullmatch(region):
        faults.append(Fault("/region", "wrong_form", "", row))
    for name in ("name_zh", "name_en"):
        if len(plain.get(name, "")) > _NAME_CHARS_MAX:
            faults.append(Fault(f"/{name}", "too_long", "", row))
        if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in plain.get(name, "")):
            faults.append(Fault(f"/{name}", "control_character", "", row))
    type_ = _types().get(plain.get("provider_type", ""))
    if type_ is None and plain.get("provider_type"):
        terms = _choices(plain["provider_type"], [item.code for item in code_list("provider_types").values()])
        terms["at"] = "GET /v1/provider-types"
        faults.append(Fault("/provider_type", "not_one_of", "", row, says="not_one_of_listed", terms=terms))
    status = _STATUSES.get(plain.get("status", ""))
    if status is None:
        terms = _choices(plain["status"], [name for name in _STATUSES if name])
        faults.append(Fault("/status", "not_one_of", "", row, says="not_one_of_given", terms=terms))
    if faults or type_ is None or status is None:
        reading.faults += faults
        return
    name_zh = plain.get("name_zh", "")
    reading.entries.append(Entry(row, code, name_zh, plain.get("name_en") or name_zh, type_, region or None, status))


def _choices(given: str, names: Sequence[str]) -> dict[str, str]:
    """The terms that name what was given and what could have been."""
    return {"given": given[:_GIVEN_SHOWN], "choices": ", ".join(names[:CHOICES_SHOWN]), "count": str(len(names))}


def _types() -> Mapping[str, str]:
    """The type of institution by its code and by its names."""
    listed = code_list("provider_types").values()
    return {name: item.code for item in listed for name in (item.code, item.zh, item.en)}
