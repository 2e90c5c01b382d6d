"""The forms of the answers, as the OpenAPI schema shows them."""

from pydantic import BaseModel, ConfigDict


class Movie(BaseModel):
    """A movie of the catalogue."""

    movie_id: int
    title: str
    genres: list[str]
    year: int | None
    language: str | None


class Scored(Movie):
    """A movie of a list. `score`: log odds of a like; in a popular list likes; else a cosine."""

    score: float


class Recommendations(BaseModel):
    """A list for a user, best first, and why it is this one.

    `impression_id` names the list in feedback; null where it wasn't shown.
    """

    model_config = ConfigDict(protected_namespaces=())

    user_id: int
    model_version: int
    impression_id: str | None
    reason: str
    items: list[Scored]


class Movies(BaseModel):
    """Movies, the best first."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: int
    items: list[Movie]


class ScoredMovies(BaseModel):
    """Movies with what they are ordered by, the best first."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: int
    items: list[Scored]


class Because(BaseModel):
    """A movie of the user's history, and what it adds to the score in log odds.

    `linear` is exact: through the model's linear tower the history is a sum. `tower` is what its
    multilayer tower gives less without this movie.
    """

    movie_id: int
    title: str
    contribution: float
    linear: float
    tower: float


class ExplainedMovie(Scored):
    """A recommended movie with the parts of its score, in log odds.

    `movie` it has with everybody; `user` comes from who the user is (id, age, country, device,
    activity); `history` are all the linear parts of his history together; `tower` is the whole
    multilayer tower. These four are the score.
    """

    movie: float
    user: float
    history: float
    tower: float
    because: list[Because]


class Explanation(BaseModel):
    """A user's list, each movie with the seen movies because of which it is there.

    `seen` are ids of everything that the user has met, `liked` of what he liked, oldest first. A
    list that isn't personal has no parts: its `reason` is all there is to say.
    """

    model_config = ConfigDict(protected_namespaces=())

    user_id: int
    model_version: int
    reason: str
    seen: list[int]
    liked: list[int]
    items: list[Scored | ExplainedMovie]


class Accepted(BaseModel):
    """Feedback that Kafka has confirmed. `counted`: the user's next list knows of it."""

    event_id: str
    counted: bool


class Asked(BaseModel):
    """The keeper looks at once; `/ready` shows when another version is served."""

    asked: bool = True
