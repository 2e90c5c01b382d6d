"""Words of the synthetic world: vocabularies, titles, people's names."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.simulation.ids import Ints, uniforms

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
LANGUAGES = ("en", "es", "fr", "de", "ja", "ko", "hi", "zh")
COUNTRIES = ("US", "GB", "ES", "FR", "DE", "JP", "KR", "IN", "CN")
DEVICES = ("tv", "phone", "tablet", "desktop")

_QUALITIES = (
    "Silent Golden Last Broken Hidden Distant Crimson Second Burning Frozen Secret Endless Lost "
    "Bright Hollow Wild Quiet Savage Gentle Northern Paper Glass Iron Velvet Borrowed Midnight "
    "Ancient Electric Forgotten Painted Restless Stolen"
).split()
_THINGS = (
    "River Promise City Winter Signal Garden Empire Voyage Harbour Mirror Kingdom Letter Summer "
    "Bridge Station Orchard Island Machine Shadow Window Mountain Dance Road Child Witness Crown "
    "Storm Library Circus Horizon Lighthouse Portrait"
).split()
_FIRST_NAMES = (
    "Ada Bruno Clara Diego Elif Farid Greta Hugo Ines Jonas Keiko Lars Mina Nadia Omar Petra "
    "Quentin Rosa Samir Tara Umberto Vera Wei Ximena Yusuf Zofia Arjun Beatriz Cheng "
    "Dina Emil Freya"
).split()
_LAST_NAMES = (
    "Almeida Bergman Castillo Dubois Eriksen Fontaine Garcia Haddad Ivanova Jansen Kim Laurent "
    "Moreau Nakamura Okafor Petrov Quispe Rossi Sato Tanaka Ulrich Varga Weber Xu Yamada "
    "Zimmer Banerjee Costa Demir Eliasson Fischer Gupta"
).split()


def titles(movies: Ints, franchise: Ints, *scope: object) -> pa.Array:
    """(N,) title of each movie id; a franchise's (-1 is none) begin with its name."""
    own = _phrases(movies, *scope, "title")
    family = pc.binary_join_element_wise(
        _phrases(franchise, *scope, "franchise"), own, pa.scalar(": ")
    )
    return pc.if_else(pa.array(franchise >= 0), family, own)


def franchises(numbers: Ints, *scope: object) -> pa.Array:
    """(N,) name of each franchise, null for -1."""
    names = _phrases(numbers, *scope, "franchise")
    return pc.if_else(pa.array(numbers >= 0), names, pa.scalar(None, pa.string()))


def people(numbers: Ints) -> pa.Array:
    """(N,) a name of its own for each number; namesakes are told apart as IMDb does."""
    first = _words(_FIRST_NAMES, numbers)
    last = _words(_LAST_NAMES, numbers // len(_FIRST_NAMES) * 7)
    namesake = numbers // (len(_FIRST_NAMES) * len(_LAST_NAMES))
    plain = pc.binary_join_element_wise(first, last, pa.scalar(" "))
    number = pc.cast(pa.array(namesake + 1), pa.string())
    told_apart = pc.binary_join_element_wise(plain, pa.scalar(" ("), number, ")", pa.scalar(""))
    return pc.if_else(pa.array(namesake > 0), told_apart, plain)


def _phrases(ids: Ints, *scope: object) -> pa.Array:
    """(N,) "Silent River", "Winter of Glass", …: some 7,000 of them."""
    chance = uniforms(ids, 4, *scope)
    picks = (chance * 2**20).astype(np.int64)
    thing, other = _words(_THINGS, picks[:, 0]), _words(_THINGS, picks[:, 1])
    described = pc.binary_join_element_wise(_words(_QUALITIES, picks[:, 2]), thing, pa.scalar(" "))
    whole = pc.binary_join_element_wise(described, other, pa.scalar(" of the "))
    short = pc.binary_join_element_wise(pa.scalar("The"), described, pa.scalar(" "))
    kind = pa.array(chance[:, 3])
    return pc.if_else(pc.less(kind, 0.35), described, pc.if_else(pc.less(kind, 0.6), short, whole))


def _words(words: list[str], numbers: Ints) -> pa.Array:
    return pa.array(words).take(pa.array(numbers % len(words)))
