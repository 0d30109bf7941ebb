"""What lib/README.md says of the service is true."""

import re
from pathlib import Path

from tests.serve.test_description import ASKING, PLAIN
from vitrine.flags import settings_table

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "lib/README.md").read_text().partition("## Service\n")[2].partition("\n## ")[0]


def test_the_settings_are_those_of_the_tree() -> None:
    told = SECTION.partition("<!-- settings serve -->\n")[2].partition("\n<!-- /settings -->")[0]
    assert told == settings_table("serve")


def test_every_code_is_listed() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "lib/vitrine/serve").rglob("*.py"))
    codes = set(re.findall(r'(?:Problem|again)\(\s*\d{3}, "(\w+)"', sources))
    codes |= set(re.findall(r'\d{3}: "(\w+)"', sources))
    assert len(codes) >= 20
    assert [code for code in sorted(codes) if f"`{code}`" not in SECTION] == []


def test_every_address_is_listed() -> None:
    for _, path in ASKING + PLAIN:
        assert path.replace("/products/{product_id}/", "").replace("{product_id}", "{id}") in SECTION
