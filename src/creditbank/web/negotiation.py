"""Which of the forms there are a caller wants (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache


@lru_cache(maxsize=256)
def best_of(accept: str | None, forms: Sequence[str]) -> str | None:
    """The form that the caller wants most; the first when it does not say; None when it wants none of them."""
    if not accept or not accept.strip():
        return forms[0]
    ranges = [_range(part) for part in accept[:500].split(",")]
    weighed = [(max((_weight(r, form) for r in ranges), default=(0, 0.0)), -i, form) for i, form in enumerate(forms)]
    # For each form the most specific range decides its weight; among forms the greatest weight, then the order here.
    ranked = sorted(((weight, order, form) for (_, weight), order, form in weighed), reverse=True)
    weight, _, form = ranked[0]
    return form if weight > 0 else None


def _range(part: str) -> tuple[str, float]:
    name, *parameters = [piece.strip().lower() for piece in part.split(";")]
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, min(max(float(parameter[2:]), 0.0), 1.0)
            except ValueError:
                return name, 0.0
    return name, 1.0


def _weight(given: tuple[str, float], form: str) -> tuple[int, float]:
    name, weight = given
    if name == form:
        return 3, weight
    if name == form.partition("/")[0] + "/*":
        return 2, weight
    return (1, weight) if name == "*/*" else (0, 0.0)
