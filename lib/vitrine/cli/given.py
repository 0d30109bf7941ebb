"""Settings as the commands of `vitrine` were given them."""

from collections.abc import Mapping, Sequence

from vitrine import flags
from vitrine.settings import Settings


def settled(config: str | None, given: Mapping[str, str | None], catalog: Sequence[str] = ()) -> Settings:
    """The settings of a file and of flags by name, without those that are None; brokers are parted by commas."""
    arguments = [f"--config={config}"] if config is not None else []
    for name, value in given.items():
        if value is not None:
            values = value.split(",") if name == "kafka.bootstrap" else [value]
            arguments += [f"--{name}={one}" for one in values]
    return flags.load([*arguments, *(f"--catalog={one}" for one in catalog)], program="vitrine", story="")
