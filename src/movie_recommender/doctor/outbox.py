"""Whether alerts that no channel takes can be kept, and how many wait."""

from movie_recommender.doctor.finding import Case, Finding
from movie_recommender.doctor.places import nearest, write_problem
from movie_recommender.orchestration.outbox import Outbox


def check(case: Case) -> list[Finding]:
    """The folder, then the letters in it."""
    folder = case.settings.alert_outbox
    place = nearest(folder)
    problem = write_problem(place)
    if problem is not None:
        remedy = f"Let this user write {place}, or set ALERT_OUTBOX to a folder that tasks share."
        return [Finding("outbox", "fail", problem, remedy)]
    waiting = Outbox(folder).waiting()
    if waiting:
        text = f"{len(waiting)} alerts wait in {folder}, the oldest since {waiting[0].written}"
        return [Finding("outbox", "warn", text, "See what is said about Slack and mail.")]
    return [Finding("outbox", "ok", f"no alert waits; {place} can be written")]
