"""The settings tree: TOML file < `VITRINE_*` environment < flags; an unknown key is an error."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from vitrine.errors import BadInput


def _run_name(name: str) -> str:
    if not name.isascii() or not name.replace("_", "").isalnum():
        raise ValueError("letters, digits and _ only, since it becomes part of a collection's name")
    return name


def _alias_name(name: str) -> str:
    if name[0].isdigit():
        raise ValueError("must begin with a letter or _, since collections are named after it")
    return name


Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_run_name)]
Alias = Annotated[Name, AfterValidator(_alias_name)]


class Section(BaseModel):
    """A branch of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class Columns(Section):
    """Which columns of the catalogue mean what; an empty name: the catalogue has none."""

    product_id: str = "product_id"
    """Column of the product's key (string or integer)."""
    image: str = "image"
    """Column of one picture's bytes."""
    image_uri: str = "image_uri"
    """Column of one picture's address."""
    images: str = "images"
    """Column of a list of pictures' bytes; positions count from 0."""
    image_uris: str = "image_uris"
    """Column of a list of pictures' addresses; positions count from 0."""
    position: str = "position"
    """Column of the picture's position within its product; without it every row is position 0."""
    version: str = "version"
    """Column of the product's version (int64, higher is newer)."""
    version_of: Literal["product", "picture"] = "product"
    """`product` keeps only rows of a product's highest version, `picture` the highest of each position."""
    updated_at: str = "updated_at"
    """Column of the time of the last change; the version where there is no version column."""
    title: str = "title"
    """Column of the title."""
    category: str = "category"
    """Column of the category path; several joined by / become the path."""
    brand: str = "brand"
    """Column of the brand."""
    price: str = "price"
    """Column of the price, in the shop's currency."""
    in_stock: str = "in_stock"
    """Column that says whether the product can be bought."""
    attributes: str = "attributes"
    """Column of a map of further attributes; columns with no other meaning are added to it."""


class Model(Section):
    """The network that turns pictures into vectors."""

    backbone: str = "resnet18"
    """resnet18, resnet34, resnet50, resnet101, resnet152, vgg16 or inception_v3."""
    weights: str = "bundled"
    """`bundled`, a torchvision name (IMAGENET1K_V2), a .safetensors or .pth file, or `random:SEED` (untrained)."""
    weights_sha256: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    """Expected sha256 of the weights file; another file is refused."""
    image_size: int | None = Field(default=None, ge=32, le=1024)
    """Side of the square the network sees, in pixels; by default what the weights were made for."""
    pooling: Literal["average", "gem"] = "average"
    """How the last feature map becomes one vector, where the weights do not say."""
    dim: int | None = Field(default=None, ge=2, le=32768)
    """Dimension of the vectors; by default what the weights give; less is a fixed orthogonal projection."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the network; `auto` takes bf16 or fp16 only where a check against fp32 passes."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Pictures per forward pass."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$")
    """`cpu`, `cuda`, `cuda:N`, or `auto`: the GPU that Spark assigned, else a visible one, else the CPU."""
    change: bool = False
    """Let the alias move from a collection of another model; its clients must be ready for the new one."""
    store: str | None = None
    """Model store: directory or URI, shared between driver and executors; by default WORK/models."""


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
    timeout_s: float = Field(default=60.0, gt=0)
    """Longest wait for one call, in seconds."""
    load: Literal["auto", "insert", "import"] = "auto"
    """How rows come in: batched insert or bulk import; Milvus Lite always inserts."""
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

    @property
    def is_lite(self) -> bool:
        """Whether the database is a file of this machine."""
        return "://" not in self.uri

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


class Features(Section):
    """The feature store: vectors by picture hash and model."""

    uri: str | None = None
    """Directory or URI, shared between driver and executors; by default WORK/features."""


class Pictures(Section):
    """What a picture may be; checked before it is decoded."""

    max_bytes: int = Field(default=20_000_000, ge=1)
    """Largest picture file, in bytes."""
    max_pixels: int = Field(default=50_000_000, ge=1, le=89_478_485)  # Pillow refuses more by itself
    """Largest picture, in pixels."""
    max_frames: int = Field(default=1_000, ge=1)
    """Most frames of an animation; only the first is used."""
    max_scans: int = Field(default=100, ge=1)
    """Most scans of a progressive JPEG."""
    max_images: int = Field(default=32, ge=1, le=32)
    """Most pictures of one product."""
    prefixes: list[str] = []
    """Addresses may only start with one of these: directories, s3:// or https:// prefixes."""


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


class Settings(BaseSettings):
    """Everything that can be set, for every program of Vitrine."""

    model_config = SettingsConfigDict(
        env_prefix="VITRINE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    catalog: list[str] = []
    """Catalogue: Parquet files, directories, partitioned directories or URIs (file, s3, hdfs)."""
    columns: Columns = Columns()
    model: Model = Model()
    milvus: Milvus = Milvus()
    features: Features = Features()
    pictures: Pictures = Pictures()
    gates: Gates = Gates()
    as_of: datetime | None = None
    """Moment that the catalogue shows, ISO 8601, UTC where it names no zone; by default the start of the run."""
    work: str = Field(default=".vitrine", min_length=1)
    """Directory for the state of runs; shared storage on a cluster."""
    run: Name | None = None
    """Name of the run; the same name again picks up where that run stopped. By default the time."""
    max_reject_ratio: float = Field(default=0.05, ge=0, le=1)
    """Largest share of rows that may be rejected before the run fails, from 0 to 1."""
    report: str | None = None
    """Directory of report.json and report.html; by default WORK/runs/RUN/report."""
    spark: dict[str, str] = {}
    """Spark properties: --spark.executor.memory=4g is spark.executor.memory=4g; --spark.master sets the master."""

    def under_work(self, *parts: str) -> str:
        """Path or URI of something inside the work directory."""
        return "/".join((self.work.rstrip("/"), *parts))

    @property
    def features_uri(self) -> str:
        """Where the feature store is."""
        return self.features.uri or self.under_work("features")

    @property
    def model_store_uri(self) -> str:
        """Where the model store is."""
        return self.model.store or self.under_work("models")
