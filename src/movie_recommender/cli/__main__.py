"""`python -m movie_recommender.cli`: as `movie-recommender`."""

from movie_recommender.cli import main

main()
