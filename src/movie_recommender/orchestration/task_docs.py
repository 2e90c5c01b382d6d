"""The page that Airflow's UI shows for each task: what it reads, commits, and how to run it."""

from collections.abc import Mapping
from datetime import timedelta

from movie_recommender.durations import in_words
from movie_recommender.orchestration.variables import PREFIX


def docs(limits: Mapping[str, timedelta]) -> dict[str, str]:
    """Markdown by task id; `limits` are the tasks' SLAs as the environment has them."""
    return {task_id: _page(task_id, text, limits.get(task_id)) for task_id, text in _PAGES.items()}


def _page(task_id: str, text: str, limit: timedelta | None) -> str:
    if limit is None:
        return f"{text.strip()}\n\n**SLA:** none of its own; the run's SLA counts\n"
    variable = f"{PREFIX}SLA_{task_id.upper()}"
    return f"{text.strip()}\n\n**SLA:** {in_words(limit)}, unless Variable `{variable}` is set\n"


_PAGES = {
    "generate_synthetic_data": """
Sends the events of the day before the run's date (UTC) to Kafka.

**Reads:** `DATA_SOURCE`: `synthetic` simulates the day (the first time with a history),
`movielens` replays `MOVIELENS_PATH`, `none` sends nothing because a real application does.
**Commits:** messages in the topics `users`, `movies`, `interactions`.
**Rerun, kill:** the same day gives the same event ids; extraction drops what comes twice.
**Exit codes:** 1 failed, 2 wrong setting or input; none of them means *skipped*.
**By hand:** `python -m movie_recommender.simulation daily --date YYYY-MM-DD`
""",
    "extract_events": """
Moves what is new in Kafka into the data lake, each event once.

**Reads:** the three topics, from the offsets that the lake holds.
**Commits:** one Delta commit a table, rows and offsets together; invalid messages with their
reason in `dead_letters`.
**Rerun, kill:** goes on from the last commit; nothing is lost or doubled.
**By hand:** `movie-recommender extract`
""",
    "compute_features": """
Builds the feature store as of midnight UTC at the start of the run's date.

**Reads:** exactly the lake versions that `extract_events` reported.
**Commits:** the DuckDB file at `FEATURE_STORE_PATH`, by an atomic rename.
**Rerun, kill:** the same inputs give the same snapshot, which is then reused; a killed build
leaves the old file.
**By hand:** `movie-recommender features`
""",
    "train_model": """
Trains NeuMF on `TRAINING_DAY` (Sunday by default; the run's date, UTC), with
`{"force_train": true}`, or when there is no model at all; on other days hands on the newest
candidate or the production model.

**Reads:** the feature store's training frame.
**Commits:** an MLflow run and, as the last act, a model version.
**Rerun, kill:** the same snapshot isn't trained on twice; a killed training registers nothing.
**By hand:** `movie-recommender train`
""",
    "evaluate_model": """
Measures the version of `train_model` on the newest days, beside production and the baselines, and
decides at the gate. Its result names the report's page.

**Reads:** the feature store, the model, the model in production.
**Commits:** metrics and report in MLflow; nothing that serves changes.
**Rerun, kill:** measures again, with the same numbers.
**By hand:** `movie-recommender evaluate --version VERSION`
""",
    "deploy_model_check": """
Follows the gate: to `deploy_model` if every rule held that isn't a mere warning, else to
`skip_deploy`. Each rule with its value, interval and threshold stands in the log and in the Slack
message.

**Reads:** the result of `evaluate_model`. **Commits:** nothing. **Rerun, kill:** same decision.
**By hand:** the gate's decision is printed by `movie-recommender evaluate --version VERSION`
""",
    "deploy_model": """
Puts the evaluated version into production.

**Reads:** the version of `train_model`.
**Commits:** the MLflow aliases `previous`, then `production`.
**Rerun, kill:** promoting what is in production changes nothing.
**By hand:** `movie-recommender promote VERSION`; the way back: `movie-recommender rollback`
""",
    "skip_deploy": """
The gate said no: production stays as it is. The reasons are in the log of `deploy_model_check`
and in the Slack message.

**Reads, commits:** nothing.
**By hand:** to promote in spite of it: `movie-recommender promote VERSION`
""",
    "alert_success": """
Tells Slack that the run succeeded: model version, the gate's reasons, its metrics beside those of
the model that was in production, links.

**Success:** Slack has it. **Skipped:** a mail has gone instead, or it waits in `ALERT_OUTBOX`; the
log says which, and has the message. **Failed:** nobody has it, nor could it be kept.
**Rerun:** cleared, it sends the message again; a retry doesn't. **By hand:** clear the task.
""",
    "alert_failure": """
Tells Slack which tasks of a failed run failed, with links to their logs; skipped when none has.

**Success, skipped, failed:** as `alert_success`, but that no mail stands in, having a task of its
own. **Rerun:** cleared, it sends the message again; a retry doesn't. **By hand:** clear the task.
""",
    "alert_failure_email": """
The same as `alert_failure` by e-mail, to `ALERT_EMAIL`, whatever Slack does.

**Success, skipped, failed:** as `alert_failure`.
**Rerun:** cleared, it sends the mail again; a retry doesn't. **By hand:** clear the task.
""",
    "alert_failure_by_others": """
The same as `alert_failure` by another channel of `ALERT_CHANNELS`.

**Success, skipped, failed:** as `alert_failure`.
**Rerun:** cleared, it sends the message again; a retry doesn't. **By hand:** clear the task.
""",
}
