"""Whether serving answers, with which version, and what it says is gone."""

import httpx

from movie_recommender.doctor.finding import PATIENCE_S, Case, Finding


def check(case: Case) -> list[Finding]:
    """What `/ready` says."""
    url = case.settings.serving_url
    if not url:
        text = "SERVING_URL is empty: a promotion doesn't wait for serving"
        remedy = "Set it where recommendations are served, so that no model is promoted unseen."
        return [Finding("serving", "warn", text, remedy)]
    try:
        answer = httpx.get(f"{url}/ready", timeout=PATIENCE_S)
        found = answer.json()
        version = (found["model"] or {}).get("version")
        degraded = [str(each) for each in found["degraded"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        text = f"SERVING_URL={url} doesn't answer /ready: {error!r:.200}"
        return [Finding("serving", "fail", text, "Start it: movie-recommender serve")]
    if not found["ready"]:
        text = f"{url} answers, and has no model yet"
        return [Finding("serving", "warn", text, "Nothing, before the first promotion.")]
    if degraded:
        text = f"{url} serves version {version}, degraded: {'; '.join(degraded)}"
        return [Finding("serving", "warn", text, "See docs/serving.md, when something is gone.")]
    return [Finding("serving", "ok", f"{url} serves version {version}")]
