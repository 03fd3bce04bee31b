"""The files that pages load: style, script and picture, the same for everybody."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from casebell.console.protection import PAGE_POLICY
from casebell.console.rendering import Rendering
from casebell.errors import NotThere
from casebell.http.answers import error_response


def static_files(rendering: Rendering) -> Callable[[Request], Awaitable[Response]]:
    """What answers for them. Their addresses change with their content, so browsers keep them."""

    async def serve(request: Request) -> Response:
        file = rendering.files.get(request.path_params["name"])
        if file is None:
            return error_response(NotThere())
        return Response(
            file.content,
            headers={
                "Content-Type": file.media,
                "Cache-Control": "public, max-age=31536000, immutable",
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": PAGE_POLICY,
            },
        )

    return serve
