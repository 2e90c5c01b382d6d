"""What the OpenAPI schema says about keys: of each route the scope that the door asks for."""

from typing import Any

from fastapi import FastAPI

from movie_recommender.serving.access.door import Door

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key or a JSON web token."},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "admin": {"type": "apiKey", "in": "header", "name": "X-Admin-Key"},
}
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})


def described(app: FastAPI, door: Door) -> dict[str, Any]:
    """The application's schema with what the door asks for; made once."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        schema.setdefault("components", {})["securitySchemes"] = _SCHEMES
        for path, item in schema["paths"].items():
            for method in _METHODS & item.keys():
                item[method]["security"] = _required(door, path)
    return app.openapi_schema or {}


def _required(door: Door, path: str) -> list[dict[str, list[str]]]:
    """One of these; empty: nothing."""
    needed = door.needs(path)
    if needed is None:
        return []
    schemes = ["bearer", "key", *(["admin"] if needed == "admin" else [])]
    return [{scheme: [needed]} for scheme in schemes]
