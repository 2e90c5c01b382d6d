"""The door to Airflow: the only package that knows it.

`dags/movie_recommender_pipeline.py` is the wiring; what it wires lives here. `tasks` calls one
room per task and turns its errors into what Airflow should do; `dates` says which day a run is
about; `alerts` writes what `channels` send, `delivery` says by which and when, and what nobody
takes waits in the `outbox`; `sla` knows what is late and `watcher`, started in the triggerer by
`plugin`, looks for it; `airflow_state` alone reads Airflow's own tables. Killed at any point, a
task can be run again: the rooms commit atomically. Nothing heavy is imported before a task runs.
"""

DAG_ID = "movie_recommender_pipeline"
