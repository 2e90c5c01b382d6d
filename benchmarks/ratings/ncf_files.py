"""The files of the NCF paper (He et al. 2017), which others take for leave-one-out as well.

`NAME.train.rating` and `NAME.test.rating` have lines "user item rating timestamp", and
`NAME.test.negative` a line "(user,item) negative negative …" for each line of the test file; all
separated by tabs. Ids count from 0.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

from movie_recommender.errors import InputDataError
from movie_recommender.evaluation.task import N_NEGATIVES
from ratings.case import Case
from ratings.leave_one_out import case

TRAIN, TEST, NEGATIVE = ".train.rating", ".test.rating", ".test.negative"

Ints = npt.NDArray[np.int64]

_NEGATIVES = f'"(user,item)" and {N_NEGATIVES} items, tab separated'


def is_ncf(folder: Path) -> bool:
    """Whether the folder holds such files."""
    return any(folder.glob(f"*{TRAIN}"))


def read(folder: Path) -> Case:
    """The one data set in `folder`: every training row a positive, its stars and time unknown.

    Raises:
        InputDataError: a file is missing, or isn't of that form.
    """
    name = _name(folder)
    train = _integers(folder / f"{name}{TRAIN}")[:, :2]
    test = _integers(folder / f"{name}{TEST}")[:, :2]
    negatives = _negatives(folder / f"{name}{NEGATIVE}", test)
    n_users = 1 + int(max(train[:, 0].max(), test[:, 0].max()))
    n_movies = 1 + int(max(train[:, 1].max(), test[:, 1].max(), negatives.max()))
    return case(name, train, test, negatives, (n_users, n_movies))


def write(folder: Path, name: str, train: Ints, test: Ints, negatives: Ints) -> None:
    """Write the three files.

    Args:
        folder: made where it is missing.
        name: before the files' suffixes.
        train: (P, 4) user, movie, rating, seconds.
        test: (T, 4) likewise.
        negatives: (T, 99) movies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    np.savetxt(folder / f"{name}{TRAIN}", train, "%d", "\t")
    np.savetxt(folder / f"{name}{TEST}", test, "%d", "\t")
    lines = (
        "\t".join([f"({user},{movie})", *map(str, rivals)])
        for (user, movie), rivals in zip(test[:, :2].tolist(), negatives.tolist(), strict=True)
    )
    (folder / f"{name}{NEGATIVE}").write_text("\n".join(lines) + "\n")


def _name(folder: Path) -> str:
    found = sorted(file.name.removesuffix(TRAIN) for file in folder.glob(f"*{TRAIN}"))
    if len(found) != 1:
        message = f"{folder} has {len(found)} files *{TRAIN}, {found}; name a folder with one"
        raise InputDataError(message)
    return found[0]


def _integers(file: Path) -> Ints:
    """(N, 4) user, movie, rating, seconds."""
    names = ["user", "item", "rating", "timestamp"]
    try:
        table = pacsv.read_csv(
            file,
            read_options=pacsv.ReadOptions(column_names=names),
            parse_options=pacsv.ParseOptions(delimiter="\t"),
            convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.int64())),
        )
    except (OSError, pa.ArrowInvalid) as error:
        message = f"{file}: expected lines of whole numbers, user item rating timestamp: {error}"
        raise InputDataError(message) from error
    return np.stack([table[name].to_numpy() for name in names], axis=1)


def _negatives(file: Path, test: Ints) -> Ints:
    """(T, 99) movies, in the order of the test file."""
    try:
        lines = [line.split("\t") for line in file.read_text().splitlines()]
        negatives = np.array([line[1:] for line in lines], np.int64)
    except (OSError, ValueError) as error:
        message = f"{file}: expected lines of {_NEGATIVES}: {error}"
        raise InputDataError(message) from error
    if negatives.shape[1:] != (N_NEGATIVES,):
        message = f"{file}: expected lines of {_NEGATIVES}, found {negatives.shape[1:]}"
        raise InputDataError(message)
    if [line[0] for line in lines] != [f"({user},{movie})" for user, movie in test.tolist()]:
        message = f"{file}: its pairs aren't those of the test file, line by line"
        raise InputDataError(message)
    return negatives
