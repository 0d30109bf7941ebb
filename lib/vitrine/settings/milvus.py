"""Settings of the vector database, and of what a collection must show before it serves."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from vitrine.errors import BadInput
from vitrine.settings.section import Section


def _run_name(name: str) -> str:
    if not name.isascii() or not name.replace("_", "").isalnum():
        raise ValueError("letters, digits and _ only, since it becomes part of a collection's name")
    return name


def _alias_name(name: str) -> str:
    if name[0].isdigit():
        raise ValueError("must begin with a letter or _, since collections are named after it")
    return name


def _check_import_place(uri: str) -> None:
    parts = urlsplit(uri)
    if uri.startswith("/") or (parts.scheme == "file" and not parts.netloc and parts.path.startswith("/")):
        return
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError("import_uri must be an absolute directory, file:/// or s3://BUCKET/PREFIX")
    if "@" in parts.netloc or parts.query:
        raise ValueError("import_uri must hold no password and no options: use the environment, as AWS_ENDPOINT_URL")


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_run_name)]
Alias = Annotated[Name, AfterValidator(_alias_name)]


class Milvus(Section):
    """The vector database."""

    uri: str = "vitrine.db"
    """A path for Milvus Lite, http:// or https:// for a server."""
    alias: Alias = "products"
    """Alias that searches use; it is moved to the new collection at the end."""
    token: SecretStr | None = None
    """`user:password` or an API key; never a flag, which others on the machine can read."""
    token_file: Path | None = None
    """File that holds the token, where it is not in VITRINE_MILVUS__TOKEN."""
    ca_file: Path | None = None
    """Certificates that vouch for an https:// server, in PEM; those that gRPC brings by default."""
    server_name: str = ""
    """Name in the server's certificate, where it is not that of the address."""
    client_certificate_file: Path | None = None
    """Certificate to show to a server that asks for one, in PEM; goes with client_key_file and ca_file."""
    client_key_file: Path | None = None
    """Key of that certificate."""
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest wait for one call, in seconds."""
    patience_s: float = Field(default=300.0, ge=0)
    """How long a job that has begun waits for a server that went away, in seconds."""
    load: Literal["auto", "insert", "import"] = "auto"
    """How rows come in: batched insert or bulk import; Milvus Lite always inserts."""
    import_uri: str | None = None
    """Directory or s3:// prefix where workers write rows and the server reads them: bulk import needs one."""
    import_stall_s: float = Field(default=1800.0, gt=0)
    """Longest wait for a bulk import in which nothing moves, in seconds; Milvus 2.3 gives a job up after 900."""
    insert_bytes: int = Field(default=4_000_000, ge=10_000, le=60_000_000)
    """Size of one insert call, in bytes (Milvus takes at most 64 MB a message)."""
    index_type: Literal["HNSW", "IVF_FLAT", "FLAT"] = "HNSW"
    """Kind of vector index."""
    index_params: dict[str, int] = {"M": 16, "efConstruction": 300}
    """Parameters of the index build."""
    search_params: dict[str, int] = {"ef": 200}
    """Parameters of searches in the index."""
    keep: int = Field(default=1, ge=1, le=50)
    """How many earlier collections stay for `vitrine rollback`."""

    @model_validator(mode="after")
    def _one_token(self) -> "Milvus":
        if self.token is not None and self.token_file is not None:
            raise ValueError("give token or token_file, not both")
        if "@" in urlsplit(self.uri).netloc:
            raise ValueError("uri must not hold a password: use VITRINE_MILVUS__TOKEN or token_file")
        return self

    @model_validator(mode="after")
    def _reachable(self) -> "Milvus":
        if not self.is_lite and urlsplit(self.uri).scheme not in ("http", "https"):
            raise ValueError("uri must be a path, http:// or https://")
        own = self.client_certificate_file, self.client_key_file
        if any(own) and not all((*own, self.ca_file)):
            raise ValueError("client_certificate_file, client_key_file and ca_file go together")
        if (self.ca_file or self.server_name) and urlsplit(self.uri).scheme != "https":
            raise ValueError("ca_file and server_name are for an https:// uri")
        return self

    @model_validator(mode="after")
    def _importable(self) -> "Milvus":
        if self.import_uri is not None:
            _check_import_place(self.import_uri)
        if self.load == "import" and self.is_lite:
            raise ValueError("load is import, but Milvus Lite has no bulk import: set it to auto or insert")
        if self.load == "import" and self.import_uri is None:
            raise ValueError("load is import, which needs import_uri: a place that workers and the server share")
        return self

    @property
    def is_lite(self) -> bool:
        """Whether the database is a file of this machine."""
        return "://" not in self.uri

    @property
    def patience(self) -> float:
        """`patience_s`, but none with Milvus Lite, which does not go away."""
        return 0.0 if self.is_lite else self.patience_s

    def secret(self) -> str:
        """The token in the clear, or an empty string.

        Raises:
            BadInput: token_file cannot be read.
        """
        if self.token_file is None:
            return self.token.get_secret_value() if self.token else ""
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError as error:
            raise BadInput(f"cannot read milvus.token_file {self.token_file}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise BadInput(f"milvus.token_file {self.token_file} holds no text") from None


class Gates(Section):
    """What a new collection must show before the alias moves."""

    recall: float = Field(default=0.95, ge=0, le=1)
    """Least recall@10 of the index against exact neighbours."""
    recall_sample: int = Field(default=200, ge=1)
    """Queries of the recall gate."""
    canaries: int = Field(default=64, ge=1)
    """Pictures that are embedded again alone and must find themselves."""
    skip: list[Literal["unique", "count", "recall", "canaries"]] = []
    """Gates to leave out, by name."""
