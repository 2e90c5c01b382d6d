"""The pages for whoever runs it: the model room with its rollback, and the pipeline's state."""

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from movie_recommender.errors import NotReadyError
from movie_recommender.serving import metrics
from movie_recommender.serving.context import Context
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.routes_status import readiness
from movie_recommender.serving.versions import Version, VersionsApi
from movie_recommender.serving.web import forms, plots
from movie_recommender.serving.web.people import parse_user_id
from movie_recommender.serving.web.rendering import Message, page
from movie_recommender.serving.web.rollback import roll_back
from movie_recommender.serving.web.room import METRICS, Verdict, room_of, verdict_of
from movie_recommender.serving.web.shadow import shadow_views
from movie_recommender.serving.web.state import parts_of


def router(context: Context, metrics_directory: Path | None) -> APIRouter:
    """The routes; `metrics_directory` is where all workers count, None: this one counts alone."""
    routes = APIRouter(include_in_schema=False)

    @cache
    def api() -> VersionsApi:
        """Made when it is first needed: it takes memory of its own."""
        return VersionsApi(context.settings)

    one_at_a_time = asyncio.Lock()

    @routes.get("/models")
    async def models(request: Request) -> Response:
        """Versions, metrics, verdicts; without MLflow what serving itself knows."""
        message = None
        if "back" in request.query_params:
            message = Message("The version before is in production again.")
        asked = parse_user_id(request.query_params.get("version", ""))
        found = await asyncio.to_thread(_found, context, api(), asked)
        found["shadow"] = await asyncio.to_thread(_shadow, context, metrics_directory)
        ready = readiness(context)
        closed = not context.door.has_admin
        return page(
            request, "models", message=message, ready=ready, closed=closed, plots=plots, **found
        )

    @routes.post("/models/rollback")
    async def rollback(request: Request) -> Response:
        """Put the previous version back; for whoever has the admin key."""
        fields = await forms.fields_of(request)
        context.door.check_admin(fields.get("key"))
        async with one_at_a_time:
            await _check_unmoved(api(), fields.get("production", ""))
            await roll_back(context.settings)
        context.folder.ask_reload()
        return RedirectResponse("/models?back=1", status_code=303)

    @routes.get("/pipeline")
    async def pipeline(request: Request) -> Response:
        """The state of each part, in words."""
        ready = readiness(context)
        parts = parts_of(ready, now=context.service.clock())
        return page(request, "pipeline", parts=parts, degraded=ready["degraded"])

    return routes


def _found(context: Context, api: VersionsApi, asked: int | None) -> dict[str, Any]:
    """What MLflow knows, or that it doesn't answer; in a thread, for it may take its time."""
    try:
        versions = api.versions()
        return {
            "gone": None,
            "room": room_of(context.settings, versions),
            "names": METRICS,
            "verdict": _verdict(api, versions, asked),
        }
    except NotReadyError as error:
        return {"gone": str(error), "room": None, "names": METRICS, "verdict": None}


def _shadow(context: Context, metrics_directory: Path | None) -> dict[str, Any]:
    """What ranks beside production, and what was counted of it."""
    state = context.folder.shadow()
    return {
        "version": state.version,
        "refused": state.refused,
        "share": context.settings.serving_shadow_share,
        "views": shadow_views(metrics.counted(metrics_directory)),
    }


def _verdict(api: VersionsApi, versions: list[Version], asked: int | None) -> Verdict | None:
    """On the version asked for, else on the newest that was judged.

    Raises:
        Problem: there is no such version.
        NotReadyError: MLflow doesn't answer.
    """
    if asked is not None and asked not in [version.number for version in versions]:
        raise Problem(
            404,
            f"There is no version {asked}, or it is too old to be shown here.",
            where="version",
            remedy="Choose one of the table: /models",
        )
    judged = [version for version in versions if version.passed is not None]
    chosen = [version for version in versions if version.number == asked] or judged[:1]
    for version in chosen:
        judgement = api.judgement(version)
        if judgement is not None:
            try:
                return verdict_of(version.number, judgement)
            except (KeyError, TypeError, ValueError):
                return (
                    None  # of another release of this package: its metrics are shown all the same
                )
    return None


async def _check_unmoved(api: VersionsApi, shown: str) -> None:
    """A page that was opened before somebody else's change takes nothing back."""
    try:
        production = await asyncio.to_thread(api.production)
    except NotReadyError as error:
        raise Problem(
            503,
            str(error),
            where="MLflow",
            remedy="Start MLflow; the aliases lie there.",
            retry_after_s=5,
        ) from error
    if production is None or str(production.version) != shown:
        raise Problem(
            409,
            "Production is another version than the page showed.",
            where="production",
            remedy="Look at the model room again: /models",
        )
