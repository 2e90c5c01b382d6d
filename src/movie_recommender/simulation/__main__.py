"""`python -m movie_recommender.simulation`."""

from movie_recommender.simulation.cli import main

if __name__ == "__main__":
    main()
