"""The simulator: a world whose truth the model must find, and the replay of MovieLens.

In: a seed, the world's sizes and a day, or a MovieLens folder. Out: events in Kafka, every one
confirmed by the broker. What a day's events are depends on the seed, the sizes and the day only,
never on the run that sends them: a run that was killed is simply run again, sends events with the
same ids, and extraction keeps one of each.
"""

from movie_recommender.simulation.day import (
    interactions_of_day,
    movie_arrivals,
    movie_events,
    user_arrivals,
    user_events,
)
from movie_recommender.simulation.truth import Truth, oracle_ranking, truth, write_truth
from movie_recommender.simulation.world import World, make_world

__all__ = [
    "Truth",
    "World",
    "interactions_of_day",
    "make_world",
    "movie_arrivals",
    "movie_events",
    "oracle_ranking",
    "truth",
    "user_arrivals",
    "user_events",
    "write_truth",
]
