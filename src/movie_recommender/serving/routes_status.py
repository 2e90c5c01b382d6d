"""Routes for whoever watches: alive, ready, counters."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from movie_recommender.serving import metrics
from movie_recommender.serving.context import Context
from movie_recommender.serving.model import ServedModel


def router(context: Context, metrics_directory: Path | None) -> APIRouter:
    """The routes; `metrics_directory` is where all workers count, None: this one counts alone."""
    routes = APIRouter(tags=["status"])

    @routes.get("/health")
    async def health() -> dict[str, str]:
        """This process answers."""
        return {"status": "alive"}

    @routes.get("/ready", responses={503: {"description": "There is no model yet."}})
    async def ready() -> JSONResponse:
        """Whether lists are answered, by which version, and what is gone meanwhile.

        503 only without a model: whatever else is gone, lists are answered.
        """
        found = readiness(context)
        return JSONResponse(found, status_code=200 if found["ready"] else 503)

    @routes.get("/metrics", response_class=Response)
    def counters() -> Response:
        """For Prometheus; of all workers together."""
        return Response(metrics.exposition(metrics_directory), media_type="text/plain")

    return routes


def readiness(context: Context) -> dict[str, Any]:
    """What `/ready` shows. JSON-able."""
    service, folder = context.service, context.folder
    model_state, store_state = folder.model(), folder.store()
    seen, gone = service.seen, context.delivery.gone
    snapshot_id = None if seen is None else seen.contacts.snapshot_id
    workers = folder.worker_states()
    degraded = [*service.notes.values(), *filter(None, [model_state.refused, store_state.refused])]
    if model_state.gone is not None and "registry" not in service.notes:
        degraded.append(model_state.gone)
    degraded += [f"worker {state.pid}: {state.error}" for state in workers if state.error]
    degraded += [] if gone is None else [f"kafka: {gone}; feedback is refused"]
    return {
        "ready": service.loaded is not None,
        "model": None if service.loaded is None else _model(service.loaded),
        "workers": [
            {"pid": state.pid, "version": state.version, "snapshot_id": state.snapshot_id}
            for state in workers
        ],
        "registry": {
            "ok": model_state.gone is None,
            "detail": model_state.gone,
            "refused": model_state.refused,
        },
        "store": {
            "ok": store_state.gone is None
            and snapshot_id not in (None, "")
            and snapshot_id == store_state.snapshot_id,
            "detail": store_state.gone or store_state.refused,
            "snapshot_id": snapshot_id,
            "as_of": None if seen is None else seen.contacts.as_of,
            "events_since": None if seen is None else seen.n_events,
            "events_forgotten": None if seen is None else seen.forgotten,
        },
        "kafka": {"ok": gone is None, "detail": gone},
        "degraded": degraded,
    }


def _model(model: ServedModel) -> dict[str, Any]:
    manifest = model.manifest
    return {
        "name": manifest.model_name,
        "version": model.version,
        "snapshot_id": manifest.snapshot_id,
        "trained_until": manifest.trained_until,
        "movies": len(model.catalogue),
        "a_known_user": model.a_known_user,
    }
