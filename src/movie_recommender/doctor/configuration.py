"""Whether every setting is valid, and where the values come from."""

from collections import Counter

from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.settings import Settings


def check(case: Case) -> list[Finding]:
    """The settings, and what Airflow has to say about them."""
    return [_values(case), *_airflow(case)]


def _values(case: Case) -> Finding:
    if case.wrong is not None:
        *wrong, remedy = case.wrong.splitlines()
        return Finding("settings", "fail", "; ".join(wrong), remedy)
    counts = Counter(case.settings.source(name) for name in Settings.model_fields)
    told = ", ".join(f"{n} by {source}" for source, n in sorted(counts.items()))
    return Finding("settings", "ok", f"all valid: {told}")


def _airflow(case: Case) -> list[Finding]:
    if case.airflow.missing is not None:
        remedy = (
            "Run this where Airflow runs, with its environment: what is set in Airflow's pages "
            "counts for the tasks, and isn't seen from here."
        )
        return [Finding("airflow", "warn", case.airflow.missing, remedy)]
    if case.airflow.problems:
        remedy = "Correct or delete them in Airflow (Admin); every task fails until then."
        return [Finding("airflow", "fail", "; ".join(case.airflow.problems), remedy)]
    named = sum(len(layer.values) for layer in case.airflow.layers)
    return [Finding("airflow", "ok", f"its database answers; {named} settings are set there")]
