"""Recommendations over HTTP, ranked at the moment they are asked for.

In: the production model's bundle (from MLflow), who met what (from the published feature store),
and the events that are posted here. Out: lists, each with a reason; every event in Kafka before it
counts; and what was shown, so that the next training learns from it.

A request walks `gate` (room for it?) -> `hot` or `app` (what is asked?) -> `recommender` (the
model's ranking minus what was seen) -> answer. Beside the workers stands the `keeper`: it fetches
what they serve and puts it where they find it. What it promises: a swap of model or store is one
reference, and no request sees half of it; MLflow, Kafka or the store may be gone, and lists are
still answered, which `/ready` and the `reason` say; a killed worker is replaced, and feedback that
was confirmed isn't forgotten.
"""
