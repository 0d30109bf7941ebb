"""What the READMEs say is true."""

import re
from pathlib import Path

import pytest

from vitrine.flags import settings_table
from vitrine.index.schema import PICTURE_FIELDS
from vitrine.product import Reason
from vitrine.summary import Report

ROOT = Path(__file__).parents[1]
READMES = [*sorted(ROOT.glob("*/README.md")), ROOT / "README.md"]


@pytest.mark.parametrize("branch", ["", "recommend", "evaluate"])
def test_the_settings_tables_are_those_of_the_settings_tree(branch: str) -> None:
    text = (ROOT / "jobs/README.md").read_text()
    mark = f"<!-- settings {branch} -->" if branch else "<!-- settings -->"
    assert text.partition(f"{mark}\n")[2].partition("\n<!-- /settings -->")[0] == settings_table(branch)


def test_every_key_of_the_report_is_documented() -> None:
    text = (ROOT / "jobs/README.md").read_text().partition("### report.json")[2]
    assert [key for key in Report.__dataclass_fields__ if f"`{key}`" not in text] == []


def test_every_field_of_a_row_is_documented() -> None:
    text = (ROOT / "lib/README.md").read_text()
    assert [field.name for field in PICTURE_FIELDS if f"`{field.name}`" not in text] == []


def test_every_reason_is_documented() -> None:
    text = (ROOT / "lib/README.md").read_text().partition("## Reasons")[2]
    assert [str(reason) for reason in Reason if f"`{reason}`" not in text] == []


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(readme: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", readme.read_text())
    assert [link for link in links if "://" not in link and not (readme.parent / link).exists()] == []


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_in_readmes_is_python(readme: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL):
        compile(block, str(readme), "exec")


@pytest.mark.parametrize("readme", READMES, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_and_flags_in_readmes_exist(readme: Path) -> None:
    text = readme.read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"(?:`|^)make ([a-z-]+)(?=[`\s)])", text, re.MULTILINE))
    assert [target for target in targets if f"\n{target}:" not in makefile] == []
    known = settings_table() + settings_table("recommend").replace("`recommend.", "`")
    flags = set(re.findall(r"--((?:columns|model|milvus|gates|features|pictures)\.[a-z_0-9]+)", text))
    assert [flag for flag in flags if f"`{flag}`" not in known] == []
