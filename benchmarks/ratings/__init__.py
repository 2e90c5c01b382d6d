"""Where the model's benchmarks get their ratings: MovieLens, NCF's files, and made-up worlds."""
