"""What an operator wants to know of the whole pipeline, and what of it needs care.

In: the lake, Kafka, the feature store, MLflow, serving and Airflow, each asked for itself. Out:
`Facts`, which `status` shows on one screen and the exporter hands to Prometheus. Nothing is written
anywhere. What it promises: whichever of them are down, the others are told, and the answer comes
within `facts.PATIENCE_S`.

`reading` asks several at once and bounds the wait; `lake`, `topics`, `snapshot`, `model`, `serving`
and `dag` each ask one; `facts` puts them together; `care` says what needs care and by which
command; `screen` shows it; `metrics` names it for Prometheus, `exporter` serves it.
"""

from movie_recommender.monitoring.care import Care, needs_care
from movie_recommender.monitoring.facts import Facts, Monitor

__all__ = ["Care", "Facts", "Monitor", "needs_care"]
