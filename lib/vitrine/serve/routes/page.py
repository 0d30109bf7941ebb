"""The page: files of this package, checked again at each visit."""

from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).parents[1] / "static"


class _Checked(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"  # their names carry no version
        return response


def add_page(app: FastAPI, folder: Path = FOLDER) -> None:
    """Serve the page at `/` and its files below `/static`."""
    files = _Checked(directory=folder, check_dir=False)

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    app.mount("/static", files)
