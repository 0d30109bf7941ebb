"""Who may ask: the key is looked at before anything of the body is read."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from vitrine.serve.buckets import Bucket
from vitrine.serve.keys import KeyRing
from vitrine.serve.lingering import refuse
from vitrine.serve.problems import Problem, again
from vitrine.serve.rules import needs_key
from vitrine.settings import Serve

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="vitrine"'}
_KEYLESS = ""


class Permission:
    """Middleware that lets through whoever has a key, at the rate that each may have."""

    def __init__(self, app: ASGIApp, settings: Serve, keys: KeyRing | None) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The interface of ASGI."""
        if scope["type"] == "http":
            try:
                self._check(scope["path"], Headers(scope=scope))
            except Problem as problem:
                await refuse(problem, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Mapping[str, str]) -> None:
        if self._keys is None or not needs_key(path, open_metrics=self._settings.open_metrics):
            return
        name = self._name(self._keys, headers, public=self._settings.public_page and path != "/metrics")
        rate = self._settings.rate if name else self._settings.public_rate
        if rate and (wait_s := self._buckets.setdefault(name, Bucket(rate)).wait_s()):
            whose = "this key" if name else "callers without a key"
            raise again(429, "too_many_requests", f"More than {rate:g} requests a second of {whose}", wait_s)

    def _name(self, keys: KeyRing, headers: Mapping[str, str], *, public: bool) -> str:
        key = _key_of(headers)
        if not key and public:
            return _KEYLESS
        if not key:
            detail = "This service wants a key: send it in the header X-API-Key."
            raise Problem(401, "key_needed", detail, headers=CHALLENGE)
        name = keys.name_of(key)
        if name is None:
            raise Problem(401, "key_unknown", "This key is not known: ask who runs the service.", headers=CHALLENGE)
        return name


def _key_of(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return headers.get("x-api-key", "") or (token.strip() if scheme.lower() == "bearer" else "")
