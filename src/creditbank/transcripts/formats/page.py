"""The transcript as a page that prints well."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from babel.dates import format_date
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from creditbank.transcripts.formats import plain
from creditbank.transcripts.queries import Drawn
from creditbank.web.sentences import Language, sentence

_LOCALES = {"en": "en", "zh-Hans": "zh_Hans_CN"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("creditbank.transcripts"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _named(title: Any, language: Language) -> str:
    """A title in the reader's language; a title in one language is shown as it is."""
    if isinstance(title, dict):
        return str(title["zh" if language == "zh-Hans" else "en"])
    return str(title or "")


def render(drawn: Drawn, language: Language) -> str:
    """The page, in the reader's language, from the very values of the JSON form."""
    return (
        _environment()
        .get_template("transcript.html")
        .render(
            transcript=plain.render(drawn, language),
            language=language,
            say=partial(sentence, language=language),
            named=partial(_named, language=language),
            as_of=format_date(drawn.transcript.moment.effective, format="long", locale=_LOCALES[language]),
        )
    )
