"""The reference: a bare Starlette route that reads the body and answers 204."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def hook(request: Request) -> Response:
    """Read it, keep nothing."""
    await request.body()
    return Response(status_code=204)


async def health(_request: Request) -> Response:
    """It serves."""
    return Response()


app = Starlette(
    routes=[Route("/webhooks/parley", hook, methods=["POST"]), Route("/health", health)]
)
