"""The trained NeuMF as an ONNX graph with the movies' halves folded into its tables."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from movie_recommender.ranking.folded import Folded

Floats = npt.NDArray[np.float32]

_OPSET, _IR_VERSION = 17, 9
"""Old enough for every ONNX Runtime of the last years."""


def scorer_graph(weights: Mapping[str, Floats], folded: Folded) -> bytes:
    """`user` (B, d) float32 -> `scores` (B, I) float32 log odds, as `ranking.scorer.NeuMF`'s.

    He et al. 2017, equation 12. GMF (equation 9): its output layer is folded into the table of
    movies. MLP tower (equation 10): W1 [p; q] = W1u p + W1i q, and the movies' half W1i q + b is a
    table, with what the movie's bias adds; the tower takes the product of the vectors, too. Movies
    lie along the last axis throughout, so that each step runs over long rows.
    """
    movies = folded.vectors
    movie_half = folded.half(weights) + weights["mlp_bias"]  # (I, h1)
    tables = {
        "gmf": (movies * weights["gmf_out"]).T,  # (d, I)
        "bias": folded.bias,  # (I,)
        "user_half": weights["mlp_user"],  # (d, h1)
        "movie_half": movie_half.T,  # (h1, I)
        "product_weight": weights["mlp_gmf"][:, None],  # (h1, 1)
        "hidden": weights["mlp_hidden"].T,  # (h2, h1)
        "hidden_bias": weights["mlp_hidden_bias"][:, None],  # (h2, 1)
        "out": weights["mlp_out"][None],  # (1, h2)
    }
    last, middle = np.array([2], np.int64), np.array([1], np.int64)
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(table), name)
        for name, table in {**tables, "last": last, "middle": middle}.items()
    ]
    nodes = [
        helper.make_node("MatMul", ["user", "gmf"], ["products"]),  # (B, I)
        helper.make_node("Add", ["products", "bias"], ["linear"]),
        helper.make_node("MatMul", ["user", "user_half"], ["half"]),  # (B, h1)
        helper.make_node("Unsqueeze", ["half", "last"], ["column"]),  # (B, h1, 1)
        helper.make_node("Add", ["movie_half", "column"], ["halves"]),  # (B, h1, I)
        helper.make_node("Unsqueeze", ["products", "middle"], ["row"]),  # (B, 1, I)
        helper.make_node("Mul", ["row", "product_weight"], ["weighed"]),  # (B, h1, I)
        helper.make_node("Add", ["halves", "weighed"], ["first"]),
        helper.make_node("Relu", ["first"], ["first_on"]),
        helper.make_node("MatMul", ["hidden", "first_on"], ["mixed"]),  # (B, h2, I)
        helper.make_node("Add", ["mixed", "hidden_bias"], ["second"]),
        helper.make_node("Relu", ["second"], ["second_on"]),
        helper.make_node("MatMul", ["out", "second_on"], ["tower"]),  # (B, 1, I)
        helper.make_node("Squeeze", ["tower", "middle"], ["deep"]),  # (B, I)
        helper.make_node("Add", ["linear", "deep"], ["scores"]),
    ]
    n_movies, dim = movies.shape
    graph = helper.make_graph(
        nodes,
        "neumf",
        [helper.make_tensor_value_info("user", TensorProto.FLOAT, ["B", dim])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["B", n_movies])],
        constants,
    )
    model = helper.make_model(
        graph,
        producer_name="movie-recommender",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content
