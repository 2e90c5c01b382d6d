"""NeuMF: neural collaborative filtering after He et al. 2017 (arXiv:1708.05031).

Departures from the paper, each for a reason: a user's vector also holds the vectors of the movies
he liked and of those he met without liking them (SVD++, Koren 2008), and both sides hold their side
features, so that whoever is new gets a score; one set of vectors feeds both towers; the MLP tower
is also given the GMF tower's product and the movie's bias, because it can't learn a product from
two vectors (Rendle et al. 2020, arXiv:2005.09683), but well how much popularity counts beside it; a
whole row of movies is scored at once.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

MLP_LAYERS = (8, 4)
"""Sizes of the MLP tower's two hidden layers (the paper's tower halves likewise)."""

_MLP_USERS = 16
"""Users that the MLP tower scores at a time: its hidden layers then stay in the CPU's cache."""


@dataclass(frozen=True)
class Sizes:
    """Rows of the embedding tables and columns of the side features."""

    n_users: int
    n_movies: int
    n_user_features: int
    n_movie_features: int
    dim: int


@dataclass(frozen=True)
class Past:
    """What B users have met.

    Attributes:
        vectors: (B, d) weighted sum of the movies' vectors.
        count: (B, 1) float32 movies in it.
    """

    vectors: Tensor
    count: Tensor


class NeuMF(nn.Module):
    """Log odds that a user likes a movie: GMF and MLP tower, fused (equation 12).

    Args:
        sizes: table sizes; d = `sizes.dim`.
        user_features: (U, Fu) float32.
        movie_features: (I, Fi) float32.
    """

    user_features: Tensor
    movie_features: Tensor

    def __init__(self, sizes: Sizes, user_features: Tensor, movie_features: Tensor) -> None:
        super().__init__()
        first, second = MLP_LAYERS
        self.register_buffer("user_features", user_features, persistent=False)
        self.register_buffer("movie_features", movie_features, persistent=False)
        self.user_embedding = nn.Parameter(torch.zeros(sizes.n_users, sizes.dim))
        self.movie_embedding = nn.Parameter(torch.zeros(sizes.n_movies, sizes.dim))
        self.user_side = nn.Parameter(torch.zeros(sizes.n_user_features, sizes.dim))
        self.user_activity = nn.Parameter(torch.zeros(sizes.dim))
        self.movie_side = nn.Parameter(torch.zeros(sizes.n_movie_features, sizes.dim))
        self.movie_bias = nn.Parameter(torch.zeros(sizes.n_movies))
        self.movie_side_bias = nn.Parameter(torch.zeros(sizes.n_movie_features))
        self.bias = nn.Parameter(torch.zeros(()))
        self.gmf_out = nn.Parameter(torch.ones(sizes.dim))
        self.unliked_scale = nn.Parameter(torch.zeros(sizes.dim))
        self.unliked_activity = nn.Parameter(torch.zeros(sizes.dim))
        self.mlp_user = nn.Parameter(torch.zeros(sizes.dim, first))
        self.mlp_movie = nn.Parameter(torch.zeros(sizes.dim, first))
        self.mlp_gmf = nn.Parameter(torch.zeros(first))
        self.mlp_popularity = nn.Parameter(torch.zeros(first))
        self.mlp_bias = nn.Parameter(torch.zeros(first))
        self.mlp_hidden = nn.Parameter(torch.zeros(first, second))
        self.mlp_hidden_bias = nn.Parameter(torch.zeros(second))
        self.mlp_out = nn.Parameter(torch.zeros(second))

    def reset(self, generator: torch.Generator, *, movie_vectors: Tensor, bias: Tensor) -> None:
        """Start from `movie_vectors` (I, d) and `bias` (I,) log odds; the rest small and random.

        The output layer of the MLP tower starts at zero: switched on late, it begins by changing
        nothing.
        """
        with torch.no_grad():
            for weight in (self.user_embedding, self.user_side, self.movie_side):
                weight.normal_(0.0, 0.01, generator=generator)
            self.mlp_hidden.normal_(0.0, MLP_LAYERS[0] ** -0.5, generator=generator)
            for weight in (self.mlp_gmf, self.mlp_popularity):
                weight.normal_(0.0, 0.5, generator=generator)
            self.movie_embedding.copy_(movie_vectors)
            self.bias.copy_(bias.mean())
            self.movie_bias.copy_(bias - bias.mean())

    def movies(
        self, rows: Tensor | None = None, *, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Vectors (C, d) and biases (C,) of the movies at these rows, or of all: id plus side.

        Args:
            rows: (C,) int64 movie rows; None: all.
            known: (C,) float32, 0 where the id's part is left out (a movie nobody has seen yet);
                None: all are known.
        """
        ids: Tensor = self.movie_embedding
        bias: Tensor = self.movie_bias
        features = self.movie_features
        if rows is not None:
            ids, bias, features = ids[rows], bias[rows], features[rows]
        if known is not None:
            ids, bias = ids * known[:, None], bias * known
        vectors = ids + features @ self.movie_side  # (C, d)
        return vectors, bias + features @ self.movie_side_bias + self.bias

    def users(self, rows: Tensor, liked: Past, unliked: Past, *, known: Tensor) -> Tensor:
        """(B, d) vectors: id plus side features plus both pasts, each with its activity.

        Args:
            rows: (B,) int64 user rows.
            liked: the histories.
            unliked: what was met beside them.
            known: (B, 1) float32, 0 where the id vector is left out (a user nobody knows yet).
        """
        # Only the block's rows get a gradient: 200,000 others would cost a step as much as all.
        ids = functional.embedding(rows, self.user_embedding, sparse=True) * known  # (B, d)
        side = self.user_features[rows] @ self.user_side  # (B, d)
        activity = torch.log1p(liked.count) * self.user_activity
        unliked_activity = torch.log1p(unliked.count) * self.unliked_activity
        met = unliked.vectors * self.unliked_scale + unliked_activity
        return ids + side + activity + liked.vectors + met

    def forward(self, users: Tensor, movies: Tensor, bias: Tensor, *, mlp: bool = True) -> Tensor:
        """(B, C) log odds.

        Args:
            users: (B, d) from `users()`.
            movies: (C, d) from `movies()`.
            bias: (C,) from `movies()`.
            mlp: whether the MLP tower takes part.
        """
        gmf = (users * self.gmf_out) @ movies.T  # (B, C), equation 9
        if not mlp:
            return gmf + bias
        n = _MLP_USERS if users.device.type == "cpu" else len(users)
        parts = zip(torch.split(users, n), torch.split(gmf, n), strict=True)
        return gmf + bias + torch.cat([self._mlp(part, movies, bias, own) for part, own in parts])

    def _mlp(self, users: Tensor, movies: Tensor, bias: Tensor, gmf: Tensor) -> Tensor:
        """(B, C), equation 10; W1 [p; q] = W1u p + W1i q, so each half is computed once.

        Hidden units come first in memory: the layer above is then one matrix product.
        """
        user_half = users @ self.mlp_user + self.mlp_bias  # (B, h1)
        movie_half = movies @ self.mlp_movie + bias[:, None] * self.mlp_popularity  # (C, h1)
        halves = user_half.T[:, :, None] + movie_half.T[:, None, :]  # (h1, B, C)
        first = torch.addcmul(halves, gmf, self.mlp_gmf[:, None, None]).relu_().flatten(1)
        second = torch.addmm(self.mlp_hidden_bias[:, None], self.mlp_hidden.T, first).relu_()
        return (self.mlp_out @ second).view_as(gmf)
