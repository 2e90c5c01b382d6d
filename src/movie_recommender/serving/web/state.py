"""The pipeline page's view: what `/ready` shows, in sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from movie_recommender.serving.web.words import how_long

OLD = timedelta(hours=36)
"""A daily snapshot that is older wasn't followed by the next one."""


@dataclass(frozen=True)
class Part:
    """One part of the pipeline as serving sees it.

    Attributes:
        name: of the part.
        state: ok, warn or fail.
        word: the state in a word.
        sentence: what it means for whoever looks at lists.
        facts: (name, value) of the numbers behind it.
    """

    name: str
    state: str
    word: str
    sentence: str
    facts: list[tuple[str, str]] = field(default_factory=list)


def parts_of(ready: Mapping[str, Any], *, now: datetime) -> list[Part]:
    """The parts, in the order in which an event walks through them.

    Args:
        ready: what `/ready` shows.
        now: for the snapshot's age.
    """
    return [
        _kafka(ready["kafka"]),
        _store(ready["store"], now),
        _registry(ready["registry"]),
        _model(ready["model"]),
        _workers(ready["workers"], ready["model"]),
    ]


def _kafka(kafka: Mapping[str, Any]) -> Part:
    if kafka["ok"]:
        return Part("Kafka", "ok", "takes events", "Likes and ratings are kept, once and for good.")
    sentence = "Likes and ratings are refused until it is back. Lists go on."
    return Part("Kafka", "fail", "gone", sentence, [("It said", str(kafka["detail"]))])


def _store(store: Mapping[str, Any], now: datetime) -> Part:
    name = "Feature store"
    if store["as_of"] is None:
        return Part(name, "fail", "none yet", "Nothing is known about anybody yet.")
    age = now - datetime.fromisoformat(store["as_of"])
    facts = [
        ("Snapshot", str(store["snapshot_id"] or "of the model's training")),
        ("Knows events until", _minute(store["as_of"])),
        ("Age", how_long(age)),
        ("Events since, counted already", f"{store['events_since']:,}"),
    ]
    if store["events_forgotten"]:
        facts.append(("Of those, forgotten for want of room", f"{store['events_forgotten']:,}"))
    if store["detail"] is not None or not store["ok"]:
        sentence = "Its file can't be read. Lists go on with what was read last."
        detail = [] if store["detail"] is None else [("It said", str(store["detail"]))]
        return Part(name, "warn", "not readable", sentence, facts + detail)
    if age > OLD:
        sentence = "No newer snapshot has come: look whether the daily run failed, in Airflow."
        return Part(name, "warn", f"{how_long(age)} old", sentence, facts)
    sentence = "Who met and liked what, as the last daily run left it; what came since counts, too."
    return Part(name, "ok", "fresh", sentence, facts)


def _registry(registry: Mapping[str, Any]) -> Part:
    name = "MLflow, the registry"
    if registry["refused"] is not None:
        sentence = "A newer version was promoted and isn't served; the one before goes on."
        return Part(name, "fail", "refused", sentence, [("Why", str(registry["refused"]))])
    if registry["ok"]:
        return Part(name, "ok", "answers", "It names the version that is served.")
    sentence = "The last good version goes on; nothing new is taken up until it answers."
    return Part(name, "warn", "gone", sentence, [("It said", str(registry["detail"]))])


def _model(model: Mapping[str, Any] | None) -> Part:
    if model is None:
        sentence = "No list can be made. The first run of the pipeline trains and promotes one."
        return Part("Model", "fail", "none yet", sentence)
    facts = [
        ("Name", str(model["name"])),
        ("Movies", f"{model['movies']:,}"),
        ("Learned from events until", _minute(model["trained_until"])),
        ("Of snapshot", str(model["snapshot_id"])),
    ]
    word = f"version {model['version']}"
    return Part("Model", "ok", word, "It ranks the whole catalogue for each list, now.", facts)


def _workers(workers: list[Mapping[str, Any]], model: Mapping[str, Any] | None) -> Part:
    wanted = None if model is None else model["version"]
    facts = [
        (f"Process {worker['pid']}", f"version {worker['version'] or 'none'}") for worker in workers
    ]
    if wanted is None:
        return Part("Workers", "ok", "wait", "They answer as soon as there is a model.", facts)
    if all(worker["version"] == wanted for worker in workers):
        return Part("Workers", "ok", "in step", "All answer with the same version.", facts)
    sentence = "Some still load the version; that takes a second or two."
    return Part("Workers", "warn", "not one yet", sentence, facts)


def _minute(instant: str) -> str:
    return f"{datetime.fromisoformat(instant):%Y-%m-%d %H:%M} UTC"
