"""Tables and official divisions become a network: the same again changes nothing, and a fault stops all of it.

The whole of Chongqing needs the data set of its divisions, in the folder that CREDITBANK_TEST_DIVISIONS names or in
shared/data beside the repository; a small city of the same shape is always entered.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from creditbank.cli import app
from creditbank.providers.divisions import DivisionsMalformed, read_divisions
from creditbank.web.sentences import sentence
from tests.bank import settings_for

SMALL = {
    "cities.csv": "code,name,provinceCode\n5001,市辖区,50\n5002,县,50\n",
    "areas.csv": "code,name,cityCode,provinceCode\n500103,渝中区,5001,50\n500229,城口县,5002,50\n",
    "streets.csv": "code,name,areaCode,provinceCode,cityCode\n"
    "500103001,七星岗街道,500103,50,5001\n500229100,葛城街道,500229,50,5002\n",
    "villages.csv": "code,name,streetCode,provinceCode,cityCode,areaCode\n"
    "500103001001,临华村社区居民委员会,500103001,50,5001,500103\n"
    "500103001002,枣子岚垭居委会,500103001,50,5001,500103\n"
    "500229100001,桂花村村民委员会,500229100,50,5002,500229\n"
    "500229100002,任河村委会,500229100,50,5002,500229\n"
    "500229100003,管委会直属区,500229100,50,5002,500229\n",
}


def lay(folder: Path, **others: str) -> Path:
    """A folder of divisions; ``others`` replace files."""
    folder.mkdir(exist_ok=True)
    for name, text in {**SMALL, **{f"{name}.csv": text for name, text in others.items()}}.items():
        (folder / name).write_text(text, "utf-8")
    return folder


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> CliRunner:
    """The command line over a fresh bank."""
    settings = settings_for(database_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREDITBANK_DATABASE_URL", database_url)
    for name in ("sealing_secret", "lookup_secret"):
        monkeypatch.setenv(f"CREDITBANK_{name.upper()}", getattr(settings, name).get_secret_value())
    return CliRunner()


def imported(run: CliRunner, *arguments: str | Path, code: int = 0) -> str:
    done = run.invoke(app, ["providers", "import", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def test_a_table_is_entered_once_and_a_change_of_it_too(run: CliRunner, tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("code,name_zh,provider_type\ncq/a/1,一室,activity_room\n", "utf-8")
    second.write_text("code,name_zh,provider_type\ncq/a,甲学院,community_college\ncq,中心,guidance_centre\n", "utf-8")

    assert "would be institutions: 3 entered, 0 changed, 0 unchanged" in imported(run, first, second, "--dry-run")
    assert "institutions: 3 entered, 0 changed, 0 unchanged" in imported(run, first, second)
    assert "institutions: 0 entered, 0 changed, 3 unchanged" in imported(run, first, second)
    second.write_text("代码,名称,类型,状态\ncq/a,甲社区学院,区县社区学院,停用\n", "utf-8")
    assert "institutions: 0 entered, 1 changed, 0 unchanged" in imported(run, second)


def test_a_fault_anywhere_enters_nothing_and_is_told_in_both_languages(run: CliRunner, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("code,name_zh,provider_type\ncq,中心,guidance_centre\n", "utf-8")
    bad.write_text("code,name_zh,provider_type\ncq/x/1,一室,activity_room\ncq,中心,guidance_centre\n", "utf-8")

    told = imported(run, good, bad, code=1)
    assert "bad.csv: row 3, code: given_twice" in told
    assert sentence("given_twice", "zh-Hans") in told
    bad.write_text("code,name_zh,provider_type\ncq/x/1,一室,activity_room\n", "utf-8")
    told = imported(run, good, bad, code=1)
    assert "bad.csv: row 2, code: parent_missing" in told
    assert "上级机构既不存在，也不在表格中。" in told
    assert "institutions: 1 entered" in imported(run, good)


@pytest.mark.parametrize("arguments", [[], ["--top", "CQ", "--divisions", "."]])
def test_bad_use_is_told(arguments: list[str], run: CliRunner) -> None:
    assert "--top" in imported(run, *arguments, code=2)


def test_divisions_become_a_network_of_four_levels(run: CliRunner, tmp_path: Path) -> None:
    folder = lay(tmp_path / "divisions")
    assert "12 entered" in imported(run, "--divisions", folder)
    assert "institutions: 0 entered, 0 changed, 10 unchanged" in imported(run, "--divisions", folder)

    found = {entry.code: entry for entry in read_divisions(folder, "cq", "重庆市").entries}
    assert {code: (e.name_zh, e.provider_type, e.region) for code, e in found.items()} == {
        "cq": ("重庆市社区教育指导服务中心", "guidance_centre", "50"),
        "cq/500103": ("渝中区社区学院", "community_college", "500103"),
        "cq/500229": ("城口县社区学院", "community_college", "500229"),
        "cq/500103/001": ("七星岗街道社区学校", "community_school", "500103001"),
        "cq/500229/100": ("葛城街道社区学校", "community_school", "500229100"),
        "cq/500103/001/001": ("临华村社区教育活动室", "activity_room", "500103001001"),
        "cq/500103/001/002": ("枣子岚垭社区教育活动室", "activity_room", "500103001002"),
        "cq/500229/100/001": ("桂花村教育活动室", "activity_room", "500229100001"),
        "cq/500229/100/002": ("任河村教育活动室", "activity_room", "500229100002"),
        "cq/500229/100/003": ("管委会直属区教育活动室", "activity_room", "500229100003"),
    }
    assert all(entry.name_en == entry.name_zh for entry in found.values())


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("areas", "code,name\n500103,渝中区\n500103,渝中\n", "areas.csv, row 3: 500103 stands twice"),
        ("areas", "code,name\n510104,锦江区\n", "areas.csv, row 2: 5101 above 510104 is in no file"),
        ("areas", "code,name\n50010,渝中区\n", "areas.csv, row 2: '50010' is no code of 6 digits"),
        ("areas", "code,name\n500103,\n", "areas.csv, row 2: 500103 has no name"),
        ("streets", "code,title\n500103001,七星岗\n", "streets.csv cannot be read"),
        ("cities", "code,name\n5001,市辖区\n5101,成都市\n5002,县\n", "the divisions of one province are wanted"),
    ],
)
def test_divisions_that_do_not_fit_together_are_refused(name: str, text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(DivisionsMalformed, match=told):
        read_divisions(lay(tmp_path / "divisions", **{name: text}), "cq", "重庆市")


def divisions_of_chongqing() -> Path:
    """Where the data set lies; skips the test where it does not."""
    given = os.environ.get("CREDITBANK_TEST_DIVISIONS")
    beside = [above / "shared/data/chongqing-divisions" for above in Path(__file__).resolve().parents[2:]]
    for folder in [Path(given)] if given else beside:
        if (folder / "areas.csv").exists():
            return folder
    pytest.skip("the divisions of Chongqing are not here; CREDITBANK_TEST_DIVISIONS names their folder")


@pytest.mark.slow
def test_chongqing_is_a_network_of_12340_institutions(run: CliRunner) -> None:
    folder = divisions_of_chongqing()

    told = imported(run, "--divisions", folder)

    # Counted from the files alone, with nothing of the importer.
    with gzip.open(folder / "villages.csv.gz", "rt", encoding="utf-8") as villages:
        rooms = sum(1 for _ in csv.DictReader(villages))
    with (folder / "streets.csv").open(encoding="utf-8") as streets:
        schools = sum(1 for _ in csv.DictReader(streets))
    assert (1 + 38 + schools + rooms, schools, rooms) == (12_340, 1_031, 11_270)
    assert "divisions: 12342 entered" in told
    assert "institutions: 12340 entered, 0 changed, 0 unchanged" in told
    types = Counter(entry.provider_type for entry in read_divisions(folder, "cq", "重庆市").entries)
    assert types == {"guidance_centre": 1, "community_college": 38, "community_school": 1_031, "activity_room": 11_270}
    assert "0 entered, 0 changed, 12340 unchanged" in imported(run, "--divisions", folder)
