"""The canonical form of a document: what publishing stores and hashes (rules/v1 section 2)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from creditbank.rules.document import RuleSetDocument


def canonical(model: RuleSetDocument) -> bytes:
    """Canonical JSON: keys sorted, no insignificant space, UTF-8 in NFC, numbers as fraction strings, no defaults.

    Documents that say the same give the same bytes, whether they were written in YAML or JSON, and reading the bytes
    again gives the same model.
    """
    plain = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(document: bytes) -> str:
    """The hexadecimal SHA-256 of a canonical document: the name under which its compiled form is kept."""
    return hashlib.sha256(document).hexdigest()
