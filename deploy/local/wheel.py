"""What the `milvus` wheel brings: the program, packed, and its settings file, with gaps."""

import json
import lzma
import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from vitrine.errors import BadInput

VERSION = "2.3.5"
INSTALL = "pip install 'vitrine[local]'"

_ETCD = "configs/etcd.yaml"

_LISTENERS = (
    "proxy_port",
    "proxy_internal_port",
    "root_coord_port",
    "query_coord_port",
    "query_node_port",
    "index_coord_port",
    "index_node_port",
    "data_coord_port",
    "data_node_port",
    "etcd_port",
)
PORTS = len(_LISTENERS) + 2
"""How many ports a server needs: clients' first, that of its health last."""

_ROLES = ("rootCoord", "proxy", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode")
_CHOICES = {
    **{f"{role}.ip": "127.0.0.1" for role in _ROLES},
    "log.level": "warn",
    "log.stdout": "false",
    # How long a killed server's roles count as present, which a restart waits for; the default is 30 s.
    "common.session.ttl": "10",
    # Under load its compaction loses deletes: deleted rows come back (milvus#33015; 2.3.15 is said to be cured).
    "dataCoord.compaction.enableAutoCompaction": "false",
    # How often it looks whether there is something to do: loading takes 2 s by this, by default 4 s.
    "proxy.timeTickInterval": "100",
    "queryCoord.checkChannelInterval": "100",
    "queryCoord.checkSegmentInterval": "100",
    "queryCoord.distPullInterval": "100",
}


def installed() -> bool:
    """Whether the wheel is there."""
    return find_spec("milvus") is not None


def program() -> Path:
    """The server's program, beside its libraries; the first call unpacks them (4 s, 250 MB, in the user's cache).

    Raises:
        BadInput: the wheel is not installed.
    """
    if not installed():
        raise BadInput(f"no Milvus server is installed: {INSTALL}")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "vitrine")
    place = cache / f"milvus-{VERSION}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as aside:
            _unpack(Path(aside))
            try:
                Path(aside, "bin").rename(place)
            except OSError:
                if not place.exists():  # else another process came first
                    raise
    return place / "milvus"


def write_settings(place: Path, ports: Sequence[int]) -> None:
    """Write the settings of a server that keeps its data below `place` and asks for a token."""
    from milvus import MilvusServerConfig

    *listeners, etcd_peer, _ = ports
    settings = MilvusServerConfig(data_dir=str(place))
    settings.resolve_storage()
    for name, port in zip(_LISTENERS, listeners, strict=True):
        settings.set(name, port)
    settings.set("authorization_enabled", True)
    settings.write_config()
    (place / _ETCD).write_text(json.dumps(_etcd(place, listeners[-1], etcd_peer)))


def environment(program: Path, place: Path, health_port: int) -> dict[str, str]:
    """All variables of the program; it takes each variable for a setting, so that ours are not passed on."""
    return {
        "DEPLOY_MODE": "STANDALONE",
        "LD_LIBRARY_PATH": str(program.parent),
        "ETCD_CONFIG_PATH": str(place / _ETCD),
        "METRICS_PORT": str(health_port),
        **{name.replace(".", "_").upper(): value for name, value in _CHOICES.items()},
    }


def _unpack(aside: Path) -> None:
    (aside / "bin").mkdir()
    for packed in resources.files("milvus").joinpath("data", "bin").iterdir():
        target = aside / "bin" / packed.name.removesuffix(".lzma")
        with packed.open("rb") as file, lzma.open(file) as source, target.open("wb") as output:
            shutil.copyfileobj(source, output, 1 << 20)
        target.chmod(0o755)


def _etcd(place: Path, port: int, peer: int) -> dict[str, str]:
    clients, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return {
        "name": "default",
        "data-dir": str(place / "data" / "etcd.data"),
        "listen-client-urls": clients,
        "advertise-client-urls": clients,
        "listen-peer-urls": peers,
        "initial-advertise-peer-urls": peers,
        "initial-cluster": f"default={peers}",
        "log-level": "warn",
    }
