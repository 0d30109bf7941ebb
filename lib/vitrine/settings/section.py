"""What the branches of the settings tree have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)
