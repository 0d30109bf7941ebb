"""From a page's values to its files."""

import json
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

from vitrine.report import sections
from vitrine.report.markup import text, words
from vitrine.report.page import Page


def render(page: Page) -> str:
    """The page as one HTML document: no script, nothing from another host, pictures inside."""
    files = resources.files("vitrine.report")
    body = (
        *map(sections.contest_section, page.contests),
        sections.curve_section(page.curves),
        sections.counts_bar(page.counts),
        sections.stage_plot(page.stage_seconds),
        sections.fact_list(page.facts),
        sections.neighbour_gallery(page.gallery_title, page.gallery),
        sections.list_section(page.top_lists),
        sections.reject_tiles(page.rejects, page.rejects_by_reason),
        sections.note_list(page.notes),
    )
    return Template(files.joinpath("page.html").read_text("utf-8")).substitute(
        title=text(page.title),
        heading=words(page.title),
        summary=words(page.summary),
        style=files.joinpath("page.css").read_text("utf-8"),
        body="\n".join(section for section in body if section),
    )


def write(directory: Path, page: Page, values: Mapping[str, object]) -> Path:
    """Write report.json with `values` and report.html with `page`, and return the path of the latter.

    Each file is written aside and renamed: a reader sees the old one or the new one.

    Raises:
        ValueError: `values` hold a number that JSON cannot (NaN or infinite); nothing was written.
    """
    figures = json.dumps(dict(values), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    document = render(page)
    directory.mkdir(parents=True, exist_ok=True)
    _replace(directory / "report.json", figures + "\n")
    return _replace(directory / "report.html", document)


def _replace(path: Path, content: str) -> Path:
    """Lone surrogates, which a hostile string may hold, are written as JSON escapes them."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content.encode("utf-8", "backslashreplace"))
    aside.replace(path)
    return path
