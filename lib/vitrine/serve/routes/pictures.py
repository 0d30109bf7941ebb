"""Small pictures of products."""

from typing import Annotated

from fastapi import APIRouter, Header, Path
from starlette.responses import RedirectResponse, Response

from vitrine.client import UnknownProduct
from vitrine.serve.paths import decoded
from vitrine.serve.problems import Problem
from vitrine.serve.service import Present
from vitrine.serve.showing import placeholder

FOR_EVER = "public, max-age=31536000, immutable"

router = APIRouter()


@router.get(
    "/thumbs/{sha256}.webp",
    response_class=Response,
    responses={200: {"content": {"image/webp": {}, "image/svg+xml": {}}}, 304: {"description": "Still the same."}},
)
async def thumbnail(
    sha256: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    service: Present,
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The thumbnail of the picture with that hash, which never changes; a placeholder where there is none."""
    tag = f'"{sha256}"'
    headers = {"Cache-Control": FOR_EVER, "ETag": tag}
    if tag in if_none_match:
        return Response(status_code=304, headers=headers)
    webp = await service.small_picture(sha256)
    if webp is None:
        return Response(placeholder(), media_type="image/svg+xml", headers={"Cache-Control": "no-store"})
    return Response(webp, media_type="image/webp", headers=headers)


@router.get(
    "/images/{image_id:path}",
    status_code=307,
    response_class=RedirectResponse,
    responses={307: {"description": "Where the picture is."}},
)
async def image(image_id: str, service: Present) -> Response:
    """The way to a small picture of a product, by the id of the picture."""
    missing = Problem(404, "no_such_image", "The catalogue has no such picture.")
    key = decoded(image_id, missing)
    try:
        row, _ = await service.desk.ask(lambda client: client.image(key))
    except UnknownProduct:
        raise missing from None
    address = service.showing.address(row.image_sha256, row.image_uri)
    return RedirectResponse(address, headers={"Cache-Control": "no-cache", "ETag": f'"{row.image_sha256}"'})
