"""Query parameters: what a route does not declare is refused, for a wish that is misspelt is not to be passed over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Final

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from creditbank.errors import Fault
from creditbank.web.problems import EdgeRefusal

_HELD: Final = "/v1/"
_FAULTS_MAX: Final = 100
_NAME_CHARS_MAX: Final = 64


def install(routes: Iterable[BaseRoute]) -> None:
    """Hold every route of the API to its parameters, after it has asked who calls.

    Pages and what others' software calls by a standard (sign-in, tokens, probes) are left out: there strangers add
    parameters of their own, as RFC 6749 3.1 and 3.2 have it.
    """
    for route in routes:
        if not isinstance(route, APIRoute) or not route.path.startswith(_HELD):
            continue
        asked = route.dependant.dependencies
        # Routes are shared by all the banks of a process, a sandbox's among them.
        if not any(isinstance(dependant.call, Declared) for dependant in asked):
            declared = Declared(tuple(dict.fromkeys(_names(route.dependant))))
            asked.append(get_parameterless_sub_dependant(depends=Depends(declared), path=route.path))


class Declared:
    """A dependency that refuses every other parameter than those of these names."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    async def __call__(self, request: Request) -> None:
        """Refuse what the route does not declare. Raises EdgeRefusal that names each, and the one that may be meant."""
        if not request.scope["query_string"]:
            return
        unknown = [name for name in request.query_params if name not in self.names][:_FAULTS_MAX]
        if unknown:
            raise EdgeRefusal(422, [_fault_of(name[:_NAME_CHARS_MAX], self.names) for name in unknown])


def _fault_of(name: str, known: tuple[str, ...]) -> Fault:
    # An underscore or capital more or less is a slip, however short the name.
    plain = {one.replace("_", ""): one for one in known}
    near = get_close_matches(name.lower().replace("_", "").replace("-", ""), plain, 1)
    if near:
        return Fault(
            f"?{name}", "unknown_parameter", "", says="unknown_parameter_near", terms={"meant": plain[near[0]]}
        )
    if known:
        terms = {"choices": ", ".join(known)}
        return Fault(f"?{name}", "unknown_parameter", "", says="unknown_parameter_of", terms=terms)
    return Fault(f"?{name}", "unknown_parameter", "")


def _names(dependant: Dependant) -> Iterator[str]:
    """The names of the parameters that a route reads, its dependencies' among them."""
    yield from (field.alias for field in dependant.query_params)
    for further in dependant.dependencies:
        yield from _names(further)
