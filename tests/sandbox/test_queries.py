"""What a sandbox takes over of its bank."""

from __future__ import annotations

from creditbank.database.metadata import metadata
from creditbank.sandbox.queries import COPIED
from tests.architecture.source import import_all

LEFT = {
    "api_clients": "credentials are the real bank's",
    "api_keys": "credentials are the real bank's",
    "rule_set_edits": "who edited what is the real bank's",
    "rule_set_simulations": "they count real people",
    "rules_epoch": "each database has its own",
    "sandbox_clock": "it is what makes a sandbox one",
    "checkpoint_log": "the log is the real bank's",
    "activities": "attendance of real people hangs on them; a sandbox announces its own",
    "head_counts": "they count real people",
    "import_mappings": "how an institution's tables are headed says nothing that a sandbox must know; it keeps its own",
    "webhooks": "nobody is told of what was only tried",
    "webhooks_epoch": "each database has its own",
}


def test_every_table_that_machines_share_is_copied_or_left_for_a_reason() -> None:
    import_all()
    shared = {table.name for table in metadata.sorted_tables if table.info["dist"] == "reference"}

    assert {table.name for table in COPIED} | (set(LEFT) & shared) == shared
    assert not {table.name for table in COPIED} & set(LEFT)


def test_nothing_that_a_learner_owns_is_copied() -> None:
    assert {table.info["dist"] for table in COPIED} == {"reference"}
