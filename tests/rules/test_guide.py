"""The guide to writing rules shows a rule set that could be published as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from creditbank.catalogue.registry import bank_registry
from creditbank.rules.checking.publishing import Checked, check_documents
from creditbank.rules.document import read_documents

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def test_the_first_rule_set_of_the_guide_could_be_published() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)

    found = check_documents(read_documents(shown.encode(), format="yaml"), bank_registry())

    assert found == Checked(errors=[], warnings=[], mismatches=[], untested=[], tests=2)
