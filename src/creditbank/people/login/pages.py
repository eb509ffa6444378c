"""The pages on which people sign in: plain forms that need no script, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Final

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from creditbank.web.sentences import Language, sentence

# With no referrer at all an older browser would send its own forms without saying whence.
_HEADERS: Final[Mapping[str, str]] = {"Referrer-Policy": "same-origin", "Vary": "Accept-Language, Cookie"}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("creditbank.people.login"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, language: Language, status: int = 200, /, **values: Any) -> Response:
    """A page of this folder in the reader's language."""
    text = (
        _environment()
        .get_template(template)
        .render(say=partial(sentence, language=language), language=language, **values)
    )
    return Response(text, status, {**_HEADERS, "Content-Language": language}, "text/html")
