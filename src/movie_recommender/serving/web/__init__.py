"""The pages: what a person sees of the recommender, served beside the API by the same process.

In: a worker's `Context`, and what MLflow says about versions. Out: HTML that is made here, one
style sheet, and a page of JavaScript that makes forms answer without a reload; without it they
work, too. A form's feedback goes the way of `POST /feedback`. Everything that is shown is escaped,
and the content policy allows no script and no style but the two files'.

A request walks `routes`, `routes_rooms` or `routes_sign_in` (what is asked?) -> a view (`lists`,
`movie`, `room`, `state`: what is shown, without HTML) -> `rendering` (a template).
"""

from movie_recommender.serving.web.rendering import problem_page, wants_page
from movie_recommender.serving.web.routes import router
from movie_recommender.serving.web.routes_sign_in import sign_in_page

__all__ = ["problem_page", "router", "sign_in_page", "wants_page"]
