"""An invented city: its network of institutions, the people who learn there, and what they achieved.

Everything is drawn with one seed and dated in the past, so that every run makes the same city: posting it again changes
nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any, Final

Json = dict[str, Any]

NETWORK: Final = "yj"
UNIVERSITY: Final = "yju"
REGISTER: Final = "community-education"

_SEED: Final = 2026
_LEARNERS: Final = 200
_BOTH_EVERY: Final = 5
"""Every fifth learner studies at the university as well."""

_FIRST_DAY: Final = date(2023, 3, 1)
_DAYS: Final = 1200


@dataclass(frozen=True, slots=True)
class Institution:
    """An institution of the network, by its code."""

    code: str
    zh: str
    en: str
    provider_type: str

    def as_provider(self) -> Json:
        """The institution as the API takes it."""
        return {"code": self.code, "name": {"zh": self.zh, "en": self.en}, "provider_type": self.provider_type}


INSTITUTIONS: Final = (
    Institution("yj", "云江市社区教育指导服务中心", "Yunjiang Community Education Guidance Centre", "guidance_centre"),
    Institution("yj/qingyu", "青屿区社区学院", "Qingyu District Community College", "community_college"),
    Institution("yj/qingyu/wangyue", "望月街道社区学校", "Wangyue Street Community School", "community_school"),
    Institution("yj/qingyu/wangyue/liuwan", "柳湾社区教育活动室", "Liuwan Activity Room", "activity_room"),
    Institution("yj/qingyu/wangyue/shiqiao", "石桥社区教育活动室", "Shiqiao Activity Room", "activity_room"),
    Institution("yj/qingyu/songpu", "松浦街道社区学校", "Songpu Street Community School", "community_school"),
    Institution("yj/qingyu/songpu/heye", "荷叶社区教育活动室", "Heye Activity Room", "activity_room"),
    Institution("yj/yunlu", "云麓区社区学院", "Yunlu District Community College", "community_college"),
    Institution("yj/yunlu/qingshui", "清水镇社区学校", "Qingshui Town Community School", "community_school"),
    Institution("yj/yunlu/qingshui/wutong", "梧桐村教育活动室", "Wutong Village Activity Room", "activity_room"),
    Institution("yj/yunlu/qingshui/taohua", "桃花村教育活动室", "Taohua Village Activity Room", "activity_room"),
    Institution("yj/yunlu/baishi", "白石镇社区学校", "Baishi Town Community School", "community_school"),
    Institution("yj/yunlu/baishi/yangliu", "杨柳村教育活动室", "Yangliu Village Activity Room", "activity_room"),
    Institution("yj/haixing", "海星培训学校", "Starfish Training School", "training_provider"),
    Institution("yju", "云江大学", "Yunjiang University", "university"),
)
"""Four levels of community education, each above the next; a training school that nobody accredited; a university."""

ACCREDITED: Final = ("yj/qingyu", "yj/yunlu")
"""These two with all below them."""

ACCREDITED_FROM: Final = "2023-01-01"


@dataclass(frozen=True, slots=True)
class Offering:
    """Something that can be learnt; ``amount`` is hours of study in the network and credits at the university."""

    code: str
    zh: str
    en: str
    category: str
    amount: int


_COMMUNITY: Final = (
    Offering("CALL101", "书法基础", "Chinese calligraphy", "arts/arts", 48),
    Offering("PAPER10", "剪纸", "Paper cutting", "community/culture", 32),
    Offering("PHONE01", "智能手机应用", "Using a smartphone", "ict/computing", 16),
    Offering("HEALTH1", "家庭健康", "Family health", "health/health", 40),
    Offering("CARE101", "养老护理基础", "Care for older people", "health/welfare", 64),
    Offering("TEA0010", "茶艺", "The art of tea", "community/culture", 24),
    Offering("CITRUS1", "柑橘栽培", "Growing citrus fruit", "agriculture/farming", 40),
    Offering("LAW0001", "民法典与生活", "The civil code in daily life", "business/law", 12),
    Offering("DANCE01", "广场舞", "Dancing in the square", "community/culture", 20),
)
_TRAINING: Final = Offering("BAKE101", "烘焙", "Baking", "services/personal", 48)
_COURSES: Final = (
    Offering("ENG101", "大学英语", "College English", "arts/languages", 3),
    Offering("MATH101", "高等数学", "Calculus", "science/mathematics", 4),
    Offering("CS101", "计算机导论", "Introduction to computing", "ict/computing", 3),
    Offering("PSY101", "心理学导论", "Introduction to psychology", "social/behaviour", 2),
    Offering("MGT101", "管理学原理", "Principles of management", "business/administration", 2),
)
_EXAMS: Final = (
    Offering("ZK-LAW", "自学考试：法学概论", "Self-study examination: outline of law", "business/law", 4),
    Offering("ZK-CHN", "自学考试：大学语文", "Self-study examination: college Chinese", "arts/languages", 4),
)
_CERTIFICATES: Final = (
    Offering("NCRE-2", "全国计算机等级考试二级", "National computer rank examination, level 2", "ict/computing", 0),
    Offering("CARE-5", "养老护理员初级证书", "Certificate of elderly care, basic", "health/welfare", 0),
    Offering("BAKER-5", "烘焙师初级证书", "Certificate of baking, basic", "services/personal", 0),
    Offering("WINE-1", "品酒爱好者证书", "Certificate of a friend of wine", "services/personal", 0),
)
_MOOC: Final = Offering("MOOC-DS", "数据素养", "Data literacy", "ict/computing", 3)
_READING: Final = Offering("READ-YJ", "云江书香阅读", "Yunjiang reads", "community/reading", 20)
_HELPING: Final = Offering("HELP-YJ", "社区志愿服务", "Helping in the neighbourhood", "community/civic", 36)

_SURNAMES: Final = "王李张刘陈杨黄赵周吴徐孙马胡朱郭何林罗高"
_GIVEN: Final = (
    "秀英", "建国", "桂兰", "志强", "玉珍", "海燕", "文博", "春梅", "国庆", "丽华",
    "俊杰", "雪梅", "永福", "晓东", "红霞", "子轩", "淑芬", "家明", "雨欣", "德胜",
    "美玲", "思远", "凤英", "浩然", "金花", "立新", "佳怡", "长贵", "慧敏", "宏伟",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Learner:
    """Somebody who learns: a name, and a number at each institution that knows the person."""

    name: str
    network_number: str
    university_number: str | None = None

    def identity(self, issuer: str) -> Json:
        """How an institution points at the learner."""
        value = self.network_number if issuer == NETWORK else self.university_number
        return {"type": "student_number", "value": value, "issuer": issuer}

    def as_account(self) -> Json:
        """The account of somebody whom both institutions know, as the API takes it."""
        return {"name": self.name, "identities": [self.identity(NETWORK), self.identity(UNIVERSITY)]}


SHOWN: Final = Learner("陈玉兰", "YJ-000001", "20230001")
"""The learner whose transcript is printed: it shows every kind of decision."""


def people() -> list[Learner]:
    """Everybody, the one who is shown first."""
    random = Random(_SEED)  # noqa: S311 (an invented city needs no secrecy)
    learners = [SHOWN]
    for serial in range(2, _LEARNERS + 1):
        name = random.choice(_SURNAMES) + random.choice(_GIVEN)
        both = serial % _BOTH_EVERY == 0
        learners.append(Learner(name, f"YJ-{serial:06d}", f"2023{serial:04d}" if both else None))
    return learners


def achievements(learners: Sequence[Learner]) -> dict[str, list[Json]]:
    """What they achieved, as the API takes it, by who posts it: the network or the university."""
    random = Random(_SEED + 1)  # noqa: S311 (an invented city needs no secrecy)
    posted: dict[str, list[Json]] = {NETWORK: [], UNIVERSITY: []}
    for learner in learners:
        achieved = list(_shown()) if learner is SHOWN else list(_draw(random, learner))
        for serial, (issuer, statement) in enumerate(achieved, start=1):
            number = learner.network_number if issuer == NETWORK else learner.university_number
            whole: Json = {
                "external_id": f"{number}-{serial:02d}",
                **statement,
                "learner": {"identity": learner.identity(issuer)},
            }
            if learner.university_number is None:
                # Whoever both know has an account already: only the bank ties two numbers to one person.
                whole["open_account"] = {"name": learner.name}
            posted[issuer].append(whole)
    return posted


def _statement(kind: str, what: Offering, completed: date, **others: Any) -> Json:
    return {
        "kind": kind,
        "code": what.code,
        "title": {"zh": what.zh, "en": what.en},
        "category": what.category,
        "completed": completed.isoformat(),
        **others,
    }


def _community(what: Offering, at: str, completed: date, attendance: int) -> tuple[str, Json]:
    statement = _statement("course", what, completed, provider=at, hours=what.amount, attendance=attendance)
    return NETWORK, statement


def _university(what: Offering, completed: date, percent: int) -> tuple[str, Json]:
    kind = "exam" if what in _EXAMS else "course"
    # An examination has no credits of its own: the rules say what it is worth.
    own = {} if kind == "exam" else {"credits": what.amount}
    return UNIVERSITY, _statement(kind, what, completed, grade={"percent": percent}, **own)


def _certificate(what: Offering, completed: date) -> tuple[str, Json]:
    return NETWORK, _statement("certificate", what, completed, assurance="verified")


def _shown() -> Iterator[tuple[str, Json]]:
    calligraphy, papercut, _, health, care, *_ = _COMMUNITY
    yield _community(calligraphy, "yj/qingyu/wangyue/liuwan", date(2023, 6, 16), 94)
    yield _community(health, "yj/qingyu/wangyue", date(2023, 12, 8), 90)
    yield _university(_COURSES[0], date(2024, 1, 12), 58)
    yield _community(_TRAINING, "yj/haixing", date(2024, 4, 19), 100)
    yield _university(_COURSES[0], date(2024, 6, 21), 81)
    yield _community(calligraphy, "yj/qingyu", date(2024, 11, 29), 88)
    yield _community(care, "yj/qingyu", date(2025, 5, 30), 96)
    yield _certificate(_CERTIFICATES[1], date(2025, 7, 15))
    yield _community(papercut, "yj/qingyu/wangyue/liuwan", date(2025, 9, 26), 62)
    yield NETWORK, _statement("mooc", _MOOC, date(2025, 12, 20), credits=3, grade={"percent": 77}, assurance="verified")
    yield NETWORK, _statement("reading", _READING, date(2026, 4, 23), provider="yj/qingyu", hours=20)
    yield _university(_EXAMS[0], date(2026, 4, 26), 66)


_ROOMS: Final = tuple(i.code for i in INSTITUTIONS if i.provider_type == "activity_room")


def _draw(random: Random, learner: Learner) -> Iterator[tuple[str, Json]]:
    room = random.choice(_ROOMS)
    school = room.rpartition("/")[0]
    # People learn where they live, and now and then at the college of their district.
    places = (room, room, school, school, school.rpartition("/")[0])
    courses = iter(random.sample(_COMMUNITY, len(_COMMUNITY)))
    for _ in range(random.randint(3, 7)):
        completed = _FIRST_DAY + timedelta(days=random.randrange(_DAYS))
        match random.randrange(12):
            case 0:
                yield _community(_TRAINING, "yj/haixing", completed, random.randint(80, 100))
            case 1:
                yield _certificate(random.choice(_CERTIFICATES), completed)
            case 2:
                hours = random.choice((10, 20, 30))
                yield NETWORK, _statement("reading", _READING, completed, provider=room, hours=hours)
            case 3:
                hours = random.choice((18, 24, 36))
                yield NETWORK, _statement("volunteering", _HELPING, completed, provider=room, hours=hours)
            case 4:
                seen, percent = random.choice(("provider", "verified")), random.randint(50, 98)
                yield (
                    NETWORK,
                    _statement("mooc", _MOOC, completed, credits=3, grade={"percent": percent}, assurance=seen),
                )
            case 5:
                # Somebody may take a course a second time, which counts once.
                yield _community(random.choice(_COMMUNITY), random.choice(places), completed, random.randint(75, 100))
            case _:
                yield _community(next(courses), random.choice(places), completed, random.randint(72, 100))
    if learner.university_number is not None:
        for what in random.sample((*_COURSES, *_EXAMS), random.randint(2, 5)):
            completed = _FIRST_DAY + timedelta(days=random.randrange(_DAYS))
            yield _university(what, completed, random.randint(45, 98))
