"""The sentences that people read, by code, in English and Chinese; gettext catalogues under ``locale/``."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Final, Literal

from babel.core import negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

Language = Literal["en", "zh-Hans"]

_FOLDER: Final = Path(__file__).resolve().parents[1] / "locale"
_CATALOGUES: Final[Mapping[Language, str]] = {"en": "en", "zh-Hans": "zh_Hans"}
# What people's programs ask for, and the language that answers it.
_ASKED: Final[Mapping[str, Language]] = {
    "en": "en",
    "zh": "zh-Hans",
    "zh_CN": "zh-Hans",
    "zh_SG": "zh-Hans",
    "zh_Hans": "zh-Hans",
    "zh_Hans_CN": "zh-Hans",
}


@cache
def catalogue(language: Language) -> gettext.GNUTranslations:
    """The catalogue of a language, compiled from its text in memory: there is no second file to keep in step."""
    with (_FOLDER / _CATALOGUES[language] / "LC_MESSAGES" / "creditbank.po").open("rb") as file:
        messages = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def sentence(code: str, language: Language, terms: Mapping[str, str] | None = None) -> str:
    """The sentence of a code with its terms filled in. Raises KeyError for a code without one."""
    found = catalogue(language).gettext(code)
    if found == code:
        raise KeyError(code)
    return found.format(**terms) if terms else found


def advice(code: str, language: Language, terms: Mapping[str, str]) -> str:
    """What to do about a refusal, by the sentence `<code>_advice`; empty where there is none."""
    named = f"{code}_advice"
    found = catalogue(language).gettext(named)
    return "" if found == named else found.format(**terms)


def joined(language: Language, *sentences: str) -> str:
    """Sentences one after another, as the language sets them."""
    return ("" if language == "zh-Hans" else " ").join(one for one in sentences if one)


@lru_cache(maxsize=256)
def negotiate(accept_language: str | None) -> Language:
    """The language to answer in: what the caller prefers of what there is, else English."""
    if not accept_language:
        return "en"
    asked = []
    for part in accept_language[:200].split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            asked.append((-float(quality or "1"), tag))
        except ValueError:
            continue
    wanted = [tag.strip().replace("-", "_") for weight, tag in sorted(asked, key=lambda pair: pair[0]) if weight < 0]
    found = negotiate_locale(wanted, list(_ASKED), sep="_")
    return _ASKED[found] if found else "en"
