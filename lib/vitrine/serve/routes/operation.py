"""What operators and probes ask, and what the page must know first."""

from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.responses import Response

from vitrine import __version__
from vitrine.serve.questions import MOST_HITS
from vitrine.serve.service import Present

PICTURE_TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff"]

router = APIRouter()


class Status(BaseModel):
    """Well."""

    status: str = "ok"


class About(BaseModel):
    """What a caller must know before asking."""

    name: str = "vitrine"
    version: str = __version__
    key_required: bool
    max_picture_bytes: int
    picture_types: list[str] = PICTURE_TYPES
    picture_addresses: bool
    max_k: int = MOST_HITS


@router.get("/live", response_model=Status)
async def live() -> Any:
    """Whether the process answers."""
    return Status()


@router.get("/ready", response_model=Status)
async def ready(service: Present) -> Any:
    """Whether searches are answered: does one, at most once a second."""
    await service.readiness.check()
    return Status()


@router.get("/about", response_model=About)
async def about(service: Present) -> Any:
    """What a caller must know before asking."""
    settings = service.settings.serve
    return About(
        key_required=settings.keys_file is not None and not settings.public_page,
        max_picture_bytes=min(service.settings.pictures.max_bytes, settings.max_picture_bytes),
        picture_addresses=settings.picture_addresses,
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(service: Present) -> Response:
    """Counts and times, for Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
