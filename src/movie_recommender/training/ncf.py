"""NeuMF: neural collaborative filtering after He et al. 2017 (arXiv:1708.05031).

Departures from the paper, each for a reason: a user's vector also holds the vectors of the movies
in his history (SVD++, Koren 2008), and both sides hold their side features, so that whoever is
new gets a score; one set of vectors feeds both towers; a whole row of movies is scored at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MLP_LAYERS = (16, 8)
"""Sizes of the MLP tower's two hidden layers (the paper's tower halves likewise)."""

_MLP_USERS = 16
"""Users that the MLP tower scores at a time: its hidden layers then stay in the cache."""


@dataclass(frozen=True)
class Sizes:
    """Rows of the embedding tables and columns of the side features."""

    n_users: int
    n_movies: int
    n_user_features: int
    n_movie_features: int
    dim: int


class NeuMF(nn.Module):
    """Log odds that a user likes a movie: GMF and MLP tower, fused (equation 12).

    Args:
        sizes: table sizes; d = `sizes.dim`.
        user_features: (U, Fu) float32.
        movie_features: (I, Fi) float32.
        dropout: share of the user vector's entries set to zero in training.
    """

    user_features: Tensor
    movie_features: Tensor

    def __init__(
        self, sizes: Sizes, user_features: Tensor, movie_features: Tensor, *, dropout: float
    ) -> None:
        super().__init__()
        first, second = MLP_LAYERS
        self.register_buffer("user_features", user_features, persistent=False)
        self.register_buffer("movie_features", movie_features, persistent=False)
        self.user_embedding = nn.Parameter(torch.zeros(sizes.n_users, sizes.dim))
        self.movie_embedding = nn.Parameter(torch.zeros(sizes.n_movies, sizes.dim))
        self.user_side = nn.Parameter(torch.zeros(sizes.n_user_features, sizes.dim))
        self.movie_side = nn.Parameter(torch.zeros(sizes.n_movie_features, sizes.dim))
        self.movie_bias = nn.Parameter(torch.zeros(sizes.n_movies))
        self.movie_side_bias = nn.Parameter(torch.zeros(sizes.n_movie_features))
        self.bias = nn.Parameter(torch.zeros(()))
        self.gmf_out = nn.Parameter(torch.ones(sizes.dim))
        self.mlp_user = nn.Parameter(torch.zeros(sizes.dim, first))
        self.mlp_movie = nn.Parameter(torch.zeros(sizes.dim, first))
        self.mlp_bias = nn.Parameter(torch.zeros(first))
        self.mlp_hidden = nn.Parameter(torch.zeros(first, second))
        self.mlp_hidden_bias = nn.Parameter(torch.zeros(second))
        self.mlp_out = nn.Parameter(torch.zeros(second))
        self.dropout = dropout

    def reset(self, generator: torch.Generator, *, movie_vectors: Tensor, bias: Tensor) -> None:
        """Start from `movie_vectors` (I, d) and `bias` (I,) log odds; the rest small and random.

        The output layer of the MLP tower starts at zero: switched on late, it begins by changing
        nothing.
        """
        with torch.no_grad():
            for weight in (self.user_embedding, self.user_side, self.movie_side):
                weight.normal_(0.0, 0.01, generator=generator)
            for weight in (self.mlp_user, self.mlp_movie, self.mlp_hidden):
                weight.normal_(0.0, weight.shape[0] ** -0.5, generator=generator)
            self.movie_embedding.copy_(movie_vectors)
            self.bias.copy_(bias.mean())
            self.movie_bias.copy_(bias - bias.mean())

    def movies(self) -> Tensor:
        """(I, d) vectors of all movies: id plus side features."""
        return self.movie_embedding + self.movie_features @ self.movie_side

    def users(self, rows: Tensor, history: Tensor, movies: Tensor, *, keep: Tensor) -> Tensor:
        """(B, d) vectors: id plus side features plus |H|^-1/2 times the history's sum.

        Args:
            rows: (B,) int64 user rows.
            history: (B, I) float32, 1 for each movie of the history.
            movies: (I, d) from `movies()`.
            keep: (B, 1) float32, 0 where the id vector is left out (a user nobody knows yet).
        """
        counts = history.sum(dim=1, keepdim=True).clamp(min=1.0)  # (B, 1)
        past = (history / counts.sqrt()) @ movies  # (B, d)
        known = self.user_embedding[rows] * keep  # (B, d)
        return known + self.user_features[rows] @ self.user_side + past

    def forward(self, users: Tensor, movies: Tensor, *, mlp: bool = True) -> Tensor:
        """(B, I) log odds.

        Args:
            users: (B, d) from `users()`.
            movies: (I, d) from `movies()`.
            mlp: whether the MLP tower takes part.
        """
        users = functional.dropout(users, self.dropout, self.training)
        bias = self.movie_bias + self.movie_features @ self.movie_side_bias + self.bias  # (I,)
        logits = torch.addmm(bias, users * self.gmf_out, movies.T)  # (B, I), equation 9
        if mlp:
            blocks = torch.split(users, _MLP_USERS)
            logits = logits + torch.cat([self._mlp(block, movies) for block in blocks])
        return logits

    def _mlp(self, users: Tensor, movies: Tensor) -> Tensor:
        """(B, I), equation 10; W1 [p; q] = W1u p + W1i q, so each half is computed once."""
        user_half = users @ self.mlp_user + self.mlp_bias  # (B, h1)
        movie_half = movies @ self.mlp_movie  # (I, h1)
        hidden = (user_half[:, None, :] + movie_half[None]).relu_()  # (B, I, h1)
        hidden = (hidden @ self.mlp_hidden + self.mlp_hidden_bias).relu_()  # (B, I, h2)
        return hidden @ self.mlp_out  # (B, I)

    def weights(self) -> dict[str, Tensor]:
        """Everything that `ranking.scorer.NeuMF` needs, by the names it reads."""
        names = {
            "user_side": "user_features",
            "movie_side": "movie_features",
            "movie_side_bias": "movie_feature_bias",
        }
        return {names.get(k, k): v.detach().contiguous() for k, v in self.named_parameters()}
