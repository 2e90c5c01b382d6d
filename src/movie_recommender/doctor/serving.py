"""Whether serving answers, with which version, and what it says is gone."""

from movie_recommender.doctor.finding import Case, Finding, refused
from movie_recommender.errors import NotReadyError
from movie_recommender.monitoring import serving


def check(case: Case) -> list[Finding]:
    """What `/ready` says."""
    try:
        found = serving.read(case.settings)
    except NotReadyError as error:
        return [refused("serving", error)]
    if found is None:
        text = "SERVING_URL is empty: a promotion doesn't wait for serving"
        remedy = "Set it where recommendations are served, so that no model is promoted unseen."
        return [Finding("serving", "warn", text, remedy)]
    url = case.settings.serving_url
    if not found.ready:
        text = f"{url} answers, and has no model yet"
        return [Finding("serving", "warn", text, "Nothing, before the first promotion.")]
    seen = f"{url} serves version {found.version}"
    if found.degraded:
        text = f"{seen}, degraded: {'; '.join(found.degraded)}"
        return [Finding("serving", "warn", text, "See docs/serving.md, when something is gone.")]
    return [Finding("serving", "ok", seen)]
