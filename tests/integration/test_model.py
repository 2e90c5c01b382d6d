"""Training, evaluation, gate, promotion and rollback against a real MLflow server."""

import json
import shlex
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from movie_recommender import cli, evaluation, features, registry, training
from movie_recommender.errors import (
    ConfigurationError,
    InputDataError,
    NotReadyError,
    RegistryError,
)
from movie_recommender.lake import Lake
from movie_recommender.registry import Registry
from movie_recommender.settings import Settings, load_settings
from tests.genres import (
    DAY,
    N_USERS,
    RUN_DATE,
    SUNDAY,
    fill,
    likes,
    publish,
    table,
    write_truth,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def model_settings(settings: Settings, mlflow: str, request: pytest.FixtureRequest) -> Settings:
    """A model of its own for each test, on one MLflow server."""
    return settings.model_copy(
        update={
            "mlflow_tracking_uri": mlflow,
            "model_name": request.node.name.replace("[", "-").rstrip("]"),
            "training_epochs": 8,
        }
    )


@pytest.fixture
def published(model_settings: Settings, genres: Path) -> Settings:
    publish(model_settings, genres)
    return model_settings


@pytest.fixture
def hasty(published: Settings) -> Settings:
    """One epoch, for tests of whether there is a training, not of what it learns."""
    return published.model_copy(update={"training_epochs": 1})


def train(settings: Settings, day: date = RUN_DATE, **options: object) -> training.TrainResult:
    return training.run(settings, as_of=SUNDAY, run_date=day, **options)  # type: ignore[arg-type]


def test_from_no_model_to_production(published: Settings) -> None:
    monday = RUN_DATE + DAY
    trained = train(published, monday)
    assert (trained.version, trained.trained, trained.reason) == (1, True, "no model yet")

    judged = evaluation.run(published, as_of=SUNDAY, version=1)
    assert judged.gate["passed"], judged.gate["reasons"]
    assert judged.n_users == N_USERS
    assert judged.n_positives == 3 * N_USERS
    low, high = judged.intervals["ndcg_at_10"]
    assert low < judged.metrics["ndcg_at_10"] < high
    assert judged.baselines["popularity"]["ndcg_at_10"] < 0.3

    promoted = registry.promote(published, version=1)
    assert (promoted.version, promoted.previous, promoted.changed) == (1, None, True)
    again = registry.promote(published, version=1)
    assert (again.version, again.changed) == (1, False)


def test_only_sundays_train(hasty: Settings) -> None:
    first = train(hasty)
    for days_after_sunday in range(7):
        later = train(hasty, RUN_DATE + days_after_sunday * DAY)
        assert (later.version, later.trained) == (first.version, False)
        expected = "already trained on snapshot" if days_after_sunday == 0 else "is no training day"
        assert expected in later.reason


@pytest.mark.parametrize(
    ("chosen", "trains"), [("tuesday", {2}), ("daily", set(range(7))), ("never", set())]
)
def test_the_training_day_is_a_setting(hasty: Settings, chosen: str, trains: set[int]) -> None:
    train(hasty)
    own = hasty.model_copy(update={"training_day": chosen})
    reasons = [train(own, RUN_DATE + days * DAY).reason for days in range(7)]
    assert {n for n, reason in enumerate(reasons) if "no training day" not in reason} == trains


def test_force_trains_once_a_request_on_any_day(hasty: Settings) -> None:
    tuesday = RUN_DATE + 2 * DAY
    train(hasty, tuesday)
    forced = train(hasty, tuesday, force=True, request_id="run-1")
    assert (forced.version, forced.trained, forced.reason) == (2, True, "forced")
    retried = train(hasty, tuesday, force=True, request_id="run-1")
    assert (retried.version, retried.trained) == (2, False)


def test_same_snapshot_same_seed_same_weights(published: Settings, tmp_path) -> None:
    versions = [train(published, force=True, request_id=name).version for name in "ab"]
    client = Registry(published)
    first, second = (client.download(v, tmp_path / str(v))[1].files for v in versions)
    assert first == second


def test_next_weeks_training_also_goes_on_from_this_weeks_model(model_settings: Settings) -> None:
    fill(model_settings, likes())
    week_ago = SUNDAY - 7 * DAY
    features.run(model_settings, as_of=week_ago)
    first = training.run(model_settings, as_of=week_ago, run_date=week_ago.date())
    assert first.start == "cold"
    assert not [name for name in first.metrics if name.startswith("validation_warm")]

    features.run(model_settings, as_of=SUNDAY)
    second = train(model_settings)
    cold, warm, best = (
        second.metrics[f"validation_{start}full_ndcg_at_10"] for start in ("cold_", "warm_", "")
    )
    assert best == max(cold, warm)
    assert second.start == ("warm" if warm > cold else "cold")
    assert Registry(model_settings).get(second.version).tags["start"] == second.start
    curve = Registry(model_settings).metric_history(second.run_id, "warm_loss")
    assert [epoch for epoch, _ in curve] == [1, 2]  # 30 % of eight


def test_a_killed_training_goes_on_where_it_was(
    published: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    undisturbed = train(published, force=True, request_id="undisturbed").version
    log_metrics = Registry.log_metrics

    def killed(self: Registry, run_id: str, metrics: dict[str, float], **of: int) -> None:
        if "final_loss" in metrics and of["step"] == 5:
            raise KeyboardInterrupt
        log_metrics(self, run_id, metrics, **of)

    with monkeypatch.context() as patched:
        patched.setattr(Registry, "log_metrics", killed)
        with pytest.raises(KeyboardInterrupt):
            train(published, force=True, request_id="killed")
    saves = Path(published.feature_store_path).parent / "training"
    assert {path.name for path in saves.glob("*/*")} == {"cold.safetensors", "final.safetensors"}

    caplog.set_level("INFO")
    resumed = train(published, force=True, request_id="killed").version
    assert resumed == undisturbed + 1
    assert "resumed after epoch=5" in caplog.text
    assert not saves.exists()
    client = Registry(published)
    first, second = (
        client.download(version, tmp_path / str(version))[1].files
        for version in (undisturbed, resumed)
    )
    assert first == second


def test_shuffled_labels_do_not_pass(model_settings: Settings) -> None:
    fill(model_settings, likes(shuffled=True))
    features.run(model_settings, as_of=SUNDAY)
    version = train(model_settings).version
    judged = evaluation.run(model_settings, as_of=SUNDAY, version=version)
    assert not judged.gate["passed"]
    assert judged.metrics["auc"] < 0.65


def test_a_candidate_is_held_against_production(published: Settings) -> None:
    train(published)
    registry.promote(published, version=1)
    worse = published.model_copy(update={"training_epochs": 1, "training_seed": 9})
    second = train(worse, force=True, request_id="worse").version
    judged = evaluation.run(published, as_of=SUNDAY, version=second)
    assert judged.production is not None
    assert judged.production["version"] == 1
    rules = [reason["rule"] for reason in judged.gate["reasons"]]
    beside = ["not_worse_than_production", "close_to_production", "no_slice_worse"]
    assert rules[-3:] == beside
    assert {part["name"] for part in judged.slices if part["against_production"]} >= {
        "light users",
        "genre: Genre 0",
    }
    itself = evaluation.run(published, as_of=SUNDAY, version=1)
    assert itself.production is None


def test_a_run_of_an_old_sunday_leaves_the_newer_production_model(
    model_settings: Settings,
) -> None:
    """A backfill: its own day's data, its own candidate, and the gate's no."""
    fill(model_settings, likes())
    features.run(model_settings, as_of=SUNDAY)
    newer = train(model_settings).version
    registry.promote(model_settings, version=newer)
    week_ago = SUNDAY - 7 * DAY
    features.run(model_settings, as_of=week_ago)
    old = training.run(model_settings, as_of=week_ago, run_date=week_ago.date())
    judged = evaluation.run(model_settings, as_of=week_ago, version=old.version)
    assert old.trained
    assert old.version > newer
    refused = {r["rule"]: r["value"] for r in judged.gate["reasons"] if not r["passed"]}
    assert refused["not_older_than_production"] == -7.0
    assert not judged.gate["passed"]


def test_the_page_is_kept_with_the_run(published: Settings, tmp_path: Path) -> None:
    trained = train(published)
    judged = evaluation.run(published, as_of=SUNDAY, version=trained.version)
    name = f"evaluation/{RUN_DATE}.html"
    assert judged.page is not None
    assert judged.page.startswith(f"{published.mlflow_tracking_uri}/#/experiments/")
    assert judged.page.endswith(f"/runs/{trained.run_id}/artifacts/{name}")
    kept = download_artifacts(
        run_id=trained.run_id,
        artifact_path=name,
        dst_path=str(tmp_path),
        tracking_uri=published.mlflow_tracking_uri,
    )
    page = Path(kept).read_text()
    for part in (judged.headline, "Learning curves", "loss from step", "beats_als", "Movie "):
        assert part in page


def test_evaluating_twice_gives_the_same_numbers(published: Settings) -> None:
    version = train(published).version
    assert evaluation.run(published, as_of=SUNDAY, version=version) == evaluation.run(
        published, as_of=SUNDAY, version=version
    )


def test_rankers_stand_side_by_side(
    published: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = train(published).version
    truth = write_truth(tmp_path / "truth")
    compared = evaluation.compare(published, as_of=SUNDAY, truth=truth)
    assert (compared.version, compared.known_to_truth) == (version, 1.0)
    assert (compared.n_users, compared.n_positives) == (N_USERS, 3 * N_USERS)
    rankers = {ranked.name: ranked for ranked in compared.rankers}
    assert {"oracle", "ncf", "item_knn", "popularity", "random"} <= set(rankers)
    passing = {name for name, ranked in rankers.items() if ranked.passes_gate}
    assert {"oracle", "ncf", "item_knn"} <= passing
    assert not passing & {"popularity", "random"}

    judged = evaluation.run(published, as_of=SUNDAY, version=version)
    assert rankers["ncf"].metrics == judged.metrics
    assert rankers["ncf"].intervals == judged.intervals
    assert {"popularity", "item_knn"} <= set(judged.baselines)
    assert judged.baselines == {name: rankers[name].metrics for name in judged.baselines}
    without = evaluation.compare(published, as_of=SUNDAY, version=version)
    assert without.known_to_truth is None
    assert {ranked.name for ranked in without.rankers} == set(rankers) - {"oracle"}

    for name in ("feature_store_path", "mlflow_tracking_uri", "model_name"):
        monkeypatch.setenv(name.upper(), str(getattr(published, name)))
    arguments = ["compare", "--as-of", str(RUN_DATE), "--truth", str(truth)]
    monkeypatch.setattr("sys.argv", ["movie-recommender", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out) == asdict(compared)


def test_a_comparison_says_what_it_lacks(hasty: Settings, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="has no version yet"):
        evaluation.compare(hasty, as_of=SUNDAY)
    train(hasty)
    with pytest.raises(NotReadyError, match="holds the snapshot as of 2026-11-22"):
        evaluation.compare(hasty, as_of=SUNDAY + DAY)
    with pytest.raises(InputDataError, match=r"users\.parquet can't be read"):
        evaluation.compare(hasty, as_of=SUNDAY, truth=tmp_path / "truth")


def test_rollback_and_what_it_means_for_the_next_run(hasty: Settings) -> None:
    train(hasty)
    registry.promote(hasty, version=1)
    train(hasty, force=True, request_id="second")
    registry.promote(hasty, version=2)
    back = registry.rollback(hasty)
    assert (back.version, back.previous, back.changed) == (1, 2, True)
    assert Registry(hasty).by_alias("production").version == 1  # type: ignore[union-attr]
    # Neither tomorrow's run nor today's once more proposes what was taken back.
    assert train(hasty, RUN_DATE + DAY).version == 1
    assert train(hasty, force=True, request_id="second").version == 1
    with pytest.raises(RegistryError, match="was rolled back"):
        registry.promote(hasty, version=2)
    with pytest.raises(RegistryError, match="no earlier production version"):
        registry.rollback(hasty)
    # An operator may change his mind.
    registry.promote(hasty, version=2, by_hand=True)
    assert Registry(hasty).candidate().version == 2


def test_going_back_by_hand_is_a_rollback_too(hasty: Settings) -> None:
    for request in "ab":
        version = train(hasty, force=True, request_id=request).version
        registry.promote(hasty, version=version)
    registry.promote(hasty, version=1, by_hand=True)
    assert Registry(hasty).candidate().version == 1


def test_two_days_of_history_are_enough_to_begin_with(model_settings: Settings) -> None:
    rows = [(u, m, SUNDAY - (SUNDAY - at) / 15) for u, m, at in likes()]
    assert min(at for _, _, at in rows) > SUNDAY - 2 * DAY
    fill(model_settings, rows)
    features.run(model_settings, as_of=SUNDAY)
    assert train(model_settings).trained


def test_a_missing_version_and_a_missing_model_are_named(model_settings: Settings) -> None:
    with pytest.raises(RegistryError, match="has no version 7"):
        registry.promote(model_settings, version=7)
    with pytest.raises(RegistryError, match="no earlier production version"):
        registry.rollback(model_settings)
    with pytest.raises(RegistryError, match="has no version yet"):
        Registry(model_settings).candidate()


def test_an_extraction_that_found_nothing_new_is_no_new_snapshot(published: Settings) -> None:
    lake = Lake(published.data_lake_path)
    before = lake.version("interactions")
    lake.append("interactions", table("interactions", []), {"interactions-0": 10**6})
    assert lake.version("interactions") != before
    assert features.run(published, as_of=SUNDAY).reused


def test_another_days_store_is_refused(published: Settings) -> None:
    with pytest.raises(NotReadyError, match="holds the snapshot as of 2026-11-22"):
        training.run(published, as_of=SUNDAY + DAY, run_date=RUN_DATE)


def test_mlflow_down_is_said_with_the_remedy(published: Settings) -> None:
    down = published.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with pytest.raises(NotReadyError, match=r"MLFLOW_TRACKING_URI=http://127.0.0.1:9"):
        train(down)


def test_constants_are_searched_for_and_found_in_mlflow(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = training.tune(published, as_of=SUNDAY, trials=1)
    assert (begun.done, begun.best_value) == (1, begun.default_value)
    found = training.tune(published, as_of=SUNDAY, trials=3)
    assert (found.study, found.run_id) == (begun.study, begun.run_id)
    assert found.done + found.pruned + found.failed == 3
    assert found.best_value >= begun.best_value
    assert found.default_value == begun.default_value
    assert found.top[0].constants == found.best_constants
    assert Registry(published).versions() == []

    client = MlflowClient(published.mlflow_tracking_uri)
    run = client.get_run(found.run_id)
    assert (run.info.run_name, run.info.status) == (f"tune {RUN_DATE}", "FINISHED")
    beneath = f"tags.`mlflow.parentRunId` = '{found.run_id}'"
    trials = client.search_runs([run.info.experiment_id], beneath)
    assert {trial.data.tags["tuning_trial"] for trial in trials} == {"0", "1", "2"}
    in_mlflow = {
        trial.data.tags["tuning_trial"]: (trial.data.metrics[found.metric], trial.data.params)
        for trial in trials
        if trial.data.tags["state"] == "complete"
    }
    assert in_mlflow == {
        str(trial.number): (trial.value, {k: str(v) for k, v in trial.constants.items()})
        for trial in found.top
    }

    for name in ("feature_store_path", "mlflow_tracking_uri", "model_name", "training_epochs"):
        monkeypatch.setenv(name.upper(), str(getattr(published, name)))
    arguments = ["tune", "--as-of", str(RUN_DATE), "--trials", "3"]
    monkeypatch.setattr("sys.argv", ["movie-recommender", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(asdict(found)))


def test_what_was_found_is_what_a_training_reaches(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = training.tune(published, as_of=SUNDAY, trials=2)
    assert train(published).metrics["validation_cold_full_ndcg_at_10"] == found.default_value
    for variable in shlex.split(found.environment):
        monkeypatch.setenv(*variable.split("=", 1))
    best = load_settings()
    tuned = published.model_copy(
        update={
            "training_epochs": best.training_epochs,
            "training_constants": best.training_constants,
        }
    )
    trained = train(tuned, force=True, request_id="tuned")
    assert trained.metrics["validation_cold_full_ndcg_at_10"] == found.best_value
    wrong = published.model_copy(update={"training_constants": '{"drop_out": 0.1}'})
    with pytest.raises(ConfigurationError, match="no constant 'drop_out'"):
        train(wrong, RUN_DATE + DAY)
