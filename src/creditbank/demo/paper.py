"""A transcript on a terminal, in both languages at once, and as a page that stands by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Json = dict[str, Any]


def print_transcript(out: Console, english: Json, chinese: Json) -> None:
    """Print what a learner achieved, what each is worth and why, in the words of both languages."""
    learner = english["learner"]
    totals = ", ".join(f"{total['total']} {total['unit']}" for total in english["totals"])
    out.print(f"\n{learner['name']}  {learner['number']}  {totals}  as of {english['as_of']}", style="bold")
    table = Table(show_lines=True)
    table.add_column("Completed", no_wrap=True)
    table.add_column("Achievement", ratio=5)
    table.add_column("Credits", justify="right", no_wrap=True)
    table.add_column("Why", overflow="fold", ratio=7)
    for line, zh_line in zip(english["achievements"], chinese["achievements"], strict=True):
        title, provider = line["title"], line["provider"]["name"]
        what = f"{title['en']} {title['zh']}\n{provider['en']} {provider['zh']}"
        amounts, reasons = _outcome(line)
        table.add_row(line["completed"], what, amounts, f"{reasons}\n{_outcome(zh_line)[1]}")
    out.print(table)


def _outcome(line: Json) -> tuple[str, str]:
    """The credits and the reasons of a line, one under another."""
    credits_ = line["recognised"]
    amounts = [credit["credits"] for credit in credits_] or ["0"]
    reasons = [credit["reason"] for credit in credits_] + [refusal["reason"] for refusal in line["not_recognised"]]
    return "\n".join(amounts), "\n".join(reasons)


def save_page(file: Path, page: str, css: str) -> None:
    """Write the page with its style inside, so that a browser shows it without a server or a key."""
    link = '<link rel="stylesheet" href="/static/transcript.css">'
    file.write_text(page.replace(link, f"<style>{css}</style>"), "utf-8")
