"""The one-machine stack behind `make run`: Kafka, MLflow, serving, Airflow and a mail sink.

In: nothing but the repository and its `.venv`. Out: running servers on loopback, everything they
keep in `var/`, one run of the DAG, its table and `var/run_report.json`. A second call reuses what
runs and restarts what died; killed anywhere, the next call ends well.
"""
