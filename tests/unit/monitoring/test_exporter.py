import threading
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from movie_recommender.errors import ConfigurationError
from movie_recommender.local import ports
from movie_recommender.local.process import wait
from movie_recommender.monitoring import exporter
from movie_recommender.settings import Settings, load_settings
from tests.unit.monitoring.worlds import NOW


def nowhere(tmp_path: Path) -> Settings:
    """Nothing that is to be watched is there."""
    return load_settings(
        data_lake_path=str(tmp_path / "lake"),
        feature_store_path=tmp_path / "store.duckdb",
        kafka_bootstrap_servers="127.0.0.1:9",
        kafka_timeout_s=0.3,
        mlflow_tracking_uri="http://127.0.0.1:9",
        exporter_port=ports.choose(0),
    )


def test_it_tells_what_it_saw_until_it_is_stopped(tmp_path: Path) -> None:
    settings = nowhere(tmp_path)
    url = f"http://127.0.0.1:{settings.exporter_port}/metrics"
    stop = threading.Event()

    def clock() -> datetime:
        return NOW

    thread = threading.Thread(
        target=exporter.serve, args=(settings,), kwargs={"clock": clock, "stop": stop}
    )
    thread.start()

    def looked() -> bool:
        return "part_up" in httpx.get(url).text

    assert wait(looked, timeout_s=20)
    told = httpx.get(url).text
    assert 'movie_recommender_part_up{part="lake"} 1.0' in told
    for part in ("kafka", "features", "model"):
        assert f'movie_recommender_part_up{{part="{part}"}} 0.0' in told
    assert 'part="serving"' not in told
    stop.set()
    thread.join(20)
    assert not thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    settings = nowhere(tmp_path)
    server, thread = exporter.listen(settings, CollectorRegistry())
    try:
        with pytest.raises(ConfigurationError, match=f"EXPORTER_PORT={server.server_port}"):
            exporter.serve(settings, clock=lambda: NOW, stop=threading.Event())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
