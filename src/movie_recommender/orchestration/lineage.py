"""OpenLineage: which datasets each task read and wrote, at which version.

Airflow's provider sees a Python callable and knows nothing of what it reads. This extractor tells
it, from the task's own result. It is used where the provider is installed and Airflow's
configuration names it:

    AIRFLOW__OPENLINEAGE__EXTRACTORS=movie_recommender.orchestration.lineage.PipelineExtractor

Tasks of other DAGs are left to the provider's own extractors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from airflow.providers.openlineage.extractors.base import BaseExtractor
from airflow.providers.openlineage.extractors.bash import BashExtractor
from airflow.providers.openlineage.extractors.python import PythonExtractor
from openlineage.client.event_v2 import Dataset
from openlineage.client.facet_v2 import dataset_version_dataset

from movie_recommender import kafka
from movie_recommender.events import CONTRACTS
from movie_recommender.orchestration import DAG_ID
from movie_recommender.orchestration.configuration import task_settings
from movie_recommender.settings import Settings

Result = Mapping[str, Any]
Datasets = tuple[list[Dataset], list[Dataset]]
"""What a task read, what it wrote."""
Lineage = OperatorLineage[Any, Any]


class PipelineExtractor(BaseExtractor):
    """Tells OpenLineage what the pipeline's tasks read and wrote."""

    @classmethod
    def get_operator_classnames(cls) -> list[str]:
        """The operators that the pipeline's work is done by."""
        return ["PythonOperator", "BashOperator"]

    def _execute_extraction(self) -> Lineage | None:
        """At the start: what the provider says by itself."""
        python = self.operator.task_type == "PythonOperator"
        return (PythonExtractor if python else BashExtractor)(self.operator).extract()

    def extract_on_complete(self, task_instance: Any) -> Lineage | None:
        """With the result at hand: the datasets; of another DAG what the provider says."""
        lineage = self.extract()
        if self.operator.dag_id != DAG_ID:
            return lineage
        task_id = self.operator.task_id
        result = task_instance.xcom_pull(task_ids=task_id) or {}
        inputs, outputs = datasets(task_id, result, task_settings())
        return OperatorLineage(inputs=inputs, outputs=outputs).merge(lineage or OperatorLineage())

    def extract_on_failure(self, task_instance: Any) -> Lineage | None:  # noqa: ARG002
        """A task that failed has published nothing."""
        return self.extract()


def datasets(task_id: str, result: Result, settings: Settings) -> Datasets:
    """What the task read and wrote, by its result; nothing for one that touches no data.

    Args:
        task_id: of the pipeline.
        result: what the task returned; text or nothing of a BashOperator.
        settings: where everything is.
    """
    of = _Names(settings)
    if task_id == "generate_synthetic_data":
        return [], of.topics()
    if task_id == "extract_events":
        return of.topics(), of.lake(result["lake_versions"])
    if task_id == "compute_features":
        versions = {topic: result["lake_versions"].get(topic) for topic in CONTRACTS}
        return of.lake(versions), [of.features(result["snapshot_id"])]
    if task_id == "train_model":
        if not result["trained"]:
            return [], []
        return [of.features(result["snapshot_id"])], [of.model(result["version"])]
    if task_id == "evaluate_model":
        return [of.features(None), of.model(result["version"])], []
    if task_id == "deploy_model":
        return [of.model(result["version"])], [of.model(result["version"], "@production")]
    return [], []


@dataclass(frozen=True)
class _Names:
    """The datasets' names after OpenLineage's naming rules; MLflow has none there."""

    settings: Settings

    def topics(self) -> list[Dataset]:
        namespace = f"kafka://{self.settings.kafka_bootstrap_servers.partition(',')[0]}"
        return [Dataset(namespace, kafka.topic_name(self.settings, topic)) for topic in CONTRACTS]

    def lake(self, versions: Mapping[str, int | None]) -> list[Dataset]:
        namespace, folder = _place(self.settings.data_lake_path)
        return [
            _dataset(namespace, f"{folder}/{table}", version) for table, version in versions.items()
        ]

    def features(self, snapshot_id: str | None) -> Dataset:
        return _dataset("file", str(self.settings.feature_store_path), snapshot_id)

    def model(self, version: int, alias: str = "") -> Dataset:
        name = f"models/{self.settings.model_name}{alias}"
        return _dataset(self.settings.mlflow_tracking_uri, name, version)


def _place(path: str) -> tuple[str, str]:
    """Namespace and name of a directory or a folder of a bucket."""
    if "://" not in path or path.startswith("file://"):
        return "file", path.removeprefix("file://").rstrip("/")
    parts = urlsplit(path)
    return f"{parts.scheme.replace('s3a', 's3')}://{parts.netloc}", parts.path.strip("/")


def _dataset(namespace: str, name: str, version: str | int | None) -> Dataset:
    if version is None:
        return Dataset(namespace, name)
    facet = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))
    return Dataset(namespace, name, facets={"version": facet})
