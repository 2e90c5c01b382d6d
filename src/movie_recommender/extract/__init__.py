"""Kafka to the lake: what comes in are the messages of the three topics, what goes out are rows.

`run` reads each topic from the offsets that the lake has committed to the end offsets seen at the
start, in bounded batches. A batch's invalid messages go to the table `dead_letters` with a reason,
its valid ones, each event id once, to the topic's table; the next offsets are in the same Delta
commit. Killed anywhere, or run twice at once, it leaves each event in the lake exactly once.

`run.py` is the order of things, `topic.py` one topic's way, `source.py` reads Kafka, `plan.py` says
from where, `contract_sql.py` and `validate.py` judge messages, `deduplicate.py` removes what the
producer sent twice. `rebuild.py` makes the lake's rows again from all that Kafka still holds, with
`remade.py` and `settle.py`.
"""

from movie_recommender.extract.run import ExtractResult, run

__all__ = ["ExtractResult", "run"]
