"""``GET /``: the clinician's page, built from ``web/`` into ``service/static/``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from service.headers import POLICY_HEADER, document_policy
from service.problems import NOT_FOUND, ProblemError

STATIC = Path(__file__).parent.parent / "static"

router = APIRouter(include_in_schema=False)

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INDEX = "index.html"
_RESOURCES = "connect-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'"
_KEPT_FOR_EVER = "public, max-age=31536000, immutable"
_NOT_BUILT = """\
<!doctype html>
<html lang="en">
<title>hsct2-risk</title>
<h1>The page is not built</h1>
<p>Build it with <code>make page</code> and start the service again. The API works without it:
<a href="docs">docs</a>.</p>
</html>
"""


@dataclass(frozen=True)
class StaticFile:
    """A file of the page, as it is and gzipped."""

    content: bytes
    gzipped: bytes
    media_type: str
    is_hashed: bool

    def response(self, accept_encoding: str, headers: dict[str, str]) -> Response:
        """Return it in the form that the caller takes."""
        headers = {"Vary": "Accept-Encoding", **headers}
        if "gzip" in accept_encoding.lower():
            headers["Content-Encoding"] = "gzip"
            return Response(self.gzipped, headers=headers, media_type=self.media_type)
        return Response(self.content, headers=headers, media_type=self.media_type)


def read_page(folder: Path = STATIC) -> dict[str, StaticFile]:
    """Return the built page's files by name; none where it was not built."""
    return {
        path.name: StaticFile(
            content=path.read_bytes(),
            gzipped=path.with_name(f"{path.name}.gz").read_bytes(),
            media_type=_MEDIA_TYPES[path.suffix],
            is_hashed=path.suffix in (".js", ".css"),
        )
        for path in sorted(folder.glob("*"))
        if path.suffix in _MEDIA_TYPES
    }


@router.get("/", operation_id="get_page")
async def get_page(request: Request, accept_encoding: Annotated[str, Header()] = "") -> Response:
    """Return the page, or how to build it."""
    index: StaticFile | None = request.app.state.page.get(_INDEX)
    if index is None:
        policy = document_policy(_NOT_BUILT)
        return Response(_NOT_BUILT, 404, {POLICY_HEADER: policy}, media_type="text/html")
    policy = document_policy(index.content.decode(), _RESOURCES)
    return index.response(accept_encoding, {POLICY_HEADER: policy})


@router.get("/static/{name}", operation_id="get_page_file")
async def get_page_file(
    request: Request, name: str, accept_encoding: Annotated[str, Header()] = ""
) -> Response:
    """Return one file of the page; the name of a script or style tells its content."""
    file: StaticFile | None = request.app.state.page.get(name)
    if file is None:
        raise ProblemError(NOT_FOUND, "The page has no such file.")
    return file.response(
        accept_encoding, {"Cache-Control": _KEPT_FOR_EVER} if file.is_hashed else {}
    )
