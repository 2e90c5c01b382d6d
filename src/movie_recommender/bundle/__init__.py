"""The bundle: one directory with everything that an answer needs, and a manifest of checksums.

In: the files that training wrote. Out: the same files, each of which is what it was when the
manifest was made, and arrays that lie in them. Nothing is loaded before it was checked, and no
file's format can run code. Neither torch nor MLflow is needed to read one.
"""

from movie_recommender.bundle.manifest import Manifest, read_manifest, write_manifest
from movie_recommender.bundle.tensors import TensorFile, open_tensors

__all__ = ["Manifest", "TensorFile", "open_tensors", "read_manifest", "write_manifest"]
