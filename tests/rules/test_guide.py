"""The guide to writing rules shows a rule set that could be published as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from creditbank.rules.checking.publishing import examine_documents
from creditbank.rules.document import read_documents
from creditbank.rules.examine import examine

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def test_the_first_rule_set_of_the_guide_could_be_published() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    documents = read_documents(shown.encode(), format="yaml")
    found = examine(documents)

    assert found.tests == 2
    assert found.mismatches == []
    assert examine_documents(documents, exercised=found.exercised) == []
