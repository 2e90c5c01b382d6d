"""MovieLens folders, parsed and validated as a whole before anything is sent.

Two forms: `ratings.csv` and `movies.csv` (ml-latest, ml-latest-small, ml-25m), or `ratings.dat`,
`movies.dat` and `users.dat` (ml-1m; `users.dat` may be missing, as in ml-10m).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from movie_recommender.errors import InputDataError

_NO_GENRES = "(no genres listed)"
_LAST_INSTANT_S = 4_102_444_800  # 2100-01-01
_TITLE_LENGTH, _GENRES, _FIRST_YEAR, _LAST_YEAR = 500, 50, 1870, 2200
_ID = r"\d{1,18}"


@dataclass(frozen=True)
class MovieLens:
    """One data set; ids and times as published.

    Attributes:
        ratings: user_id, movie_id, rating (float64), time (int64, seconds since 1970), by time;
            at least one.
        movies: movie_id, title, genres (list of strings), year (int32, null when the title
            doesn't end with one).
        users: user_id, and from `users.dat` age (int32), gender, occupation; else the users of
            the ratings.
        digest: of the files' bytes; two equal data sets have the same.
    """

    ratings: pa.Table
    movies: pa.Table
    users: pa.Table
    digest: str


@dataclass(frozen=True)
class _Form:
    """How the lines of one file look: a regular expression with named groups."""

    pattern: str
    expected: str
    header: str | None = None
    encoding: str = "utf8"


@dataclass(frozen=True)
class _Rule:
    """What one field must match."""

    field: str
    pattern: str
    expected: str


_CSV = {
    "ratings": _Form(
        "^(?P<user>[^,]*),(?P<movie>[^,]*),(?P<rating>[^,]*),(?P<time>[^,]*)$",
        "userId,movieId,rating,timestamp",
        header="userId,movieId,rating,timestamp",
    ),
    "movies": _Form(
        '^(?P<movie>[^,]*),(?P<title>"(?:[^"]|"")*"|[^",][^,]*),(?P<genres>[^,]*)$',
        'movieId,title,genres (a title with a comma in "…")',
        header="movieId,title,genres",
    ),
}
_DAT = {
    "ratings": _Form(
        "^(?P<user>[^:]*)::(?P<movie>[^:]*)::(?P<rating>[^:]*)::(?P<time>[^:]*)$",
        "UserID::MovieID::Rating::Timestamp",
        encoding="latin-1",
    ),
    "movies": _Form(
        "^(?P<movie>[^:]*)::(?P<title>.*)::(?P<genres>.*)$",
        "MovieID::Title::Genres",
        encoding="latin-1",
    ),
    "users": _Form(
        "^(?P<user>[^:]*)::(?P<gender>[^:]*)::(?P<age>[^:]*)::(?P<occupation>[^:]*)::.*$",
        "UserID::Gender::Age::Occupation::Zip-code",
        encoding="latin-1",
    ),
}
_USER = _Rule("user", f"^{_ID}$", "a user id, digits only")
_MOVIE = _Rule("movie", f"^{_ID}$", "a movie id, digits only")


def load(path: Path) -> MovieLens:
    """The MovieLens data set in the folder `path`, every line checked.

    Raises:
        InputDataError: the folder or a file is missing, or a line isn't what it should be; names
            the file, the line, the value, what was expected and the remedy.
    """
    forms, suffix = _forms(path)
    files = {name: path / f"{name}.{suffix}" for name in forms}
    if not files.get("users", path).exists():
        del files["users"]
    lines = {name: _fields(file, forms[name]) for name, file in files.items()}
    movies = _movies(files["movies"], lines["movies"])
    users = _users(files["users"], lines["users"]) if "users" in lines else None
    ratings = _ratings(files["ratings"], lines["ratings"], movies, users)
    if users is None:
        users = pa.table({"user_id": pc.unique(ratings["user_id"]).sort()})
    digest = hashlib.blake2b(digest_size=16)
    for file in files.values():
        digest.update(file.read_bytes())
    return MovieLens(ratings, movies, users, digest.hexdigest())


def _forms(path: Path) -> tuple[dict[str, _Form], str]:
    if not path.is_dir():
        message = (
            f"MovieLens folder {str(path)!r} doesn't exist or isn't a folder. Download a data set "
            "from https://grouplens.org/datasets/movielens, unpack it, and name its folder."
        )
        raise InputDataError(message)
    for forms, suffix in ((_CSV, "csv"), (_DAT, "dat")):
        if (path / f"ratings.{suffix}").is_file():
            if not (path / f"movies.{suffix}").is_file():
                message = (
                    f"MovieLens folder {str(path)!r} has ratings.{suffix} but no movies.{suffix}. "
                    "Unpack the whole archive there, then run again."
                )
                raise InputDataError(message)
            return forms, suffix
    message = (
        f"MovieLens folder {str(path)!r} has neither ratings.csv nor ratings.dat. Name the folder "
        "that holds ratings.csv and movies.csv, or ratings.dat and movies.dat."
    )
    raise InputDataError(message)


def _fields(file: Path, form: _Form) -> pa.Table:
    """The named groups of every line as strings, with its number in `line`."""
    table = _lines(file, form.encoding)
    if form.header is not None:
        first = table["text"][0].as_py() if table.num_rows else ""
        if first != form.header:
            raise _wrong(file, 1, first, f"the header {form.header}")
        table = table.slice(1)
    if table.num_rows == 0:
        raise _wrong(file, 1 + (form.header is not None), "", f"at least one line {form.expected}")
    fields = pc.extract_regex(table["text"], form.pattern)
    bad = pc.is_null(fields)
    if pc.any(bad).as_py():
        wrong = table.filter(bad).slice(0, 1).to_pylist()[0]
        raise _wrong(file, wrong["line"], wrong["text"], form.expected)
    flat = pa.Table.from_struct_array(fields.combine_chunks())
    return flat.append_column("line", table["line"])


def _lines(file: Path, encoding: str) -> pa.Table:
    try:
        table = pacsv.read_csv(
            file,
            read_options=pacsv.ReadOptions(column_names=["text"], encoding=encoding),
            parse_options=pacsv.ParseOptions(
                # No MovieLens file has it, so that a line stays a line.
                delimiter="\x01",
                quote_char=False,
                ignore_empty_lines=False,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types={"text": pa.string()}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        message = (
            f"{file}: not a text file in {encoding} with one record a line ({error}). "
            "Unpack the archive again, then run again."
        )
        raise InputDataError(message) from error
    return table.append_column("line", pa.array(range(1, table.num_rows + 1), pa.int64()))


def _ratings(file: Path, lines: pa.Table, movies: pa.Table, users: pa.Table | None) -> pa.Table:
    rules = (
        _USER,
        _MOVIE,
        _Rule("rating", r"^([0-4]\.5|[1-5](\.0)?)$", "a rating from 0.5 to 5 in steps of 0.5"),
        _Rule("time", r"^\d{1,10}$", "a time in seconds since 1970"),
    )
    _check(file, lines, rules)
    table = pa.table(
        {
            "user_id": lines["user"].cast(pa.int64()),
            "movie_id": lines["movie"].cast(pa.int64()),
            "rating": lines["rating"].cast(pa.float64()),
            "time": lines["time"].cast(pa.int64()),
        }
    )
    _require(
        file,
        lines,
        "time",
        pc.less(table["time"], _LAST_INSTANT_S),
        "a time in seconds since 1970, before the year 2100",
    )
    known = pc.is_in(table["movie_id"], value_set=movies["movie_id"].combine_chunks())
    _require(file, lines, "movie", known, "a movie of the movies file")
    if users is not None:
        known = pc.is_in(table["user_id"], value_set=users["user_id"].combine_chunks())
        _require(file, lines, "user", known, "a user of the users file")
    return table.sort_by(
        [("time", "ascending"), ("user_id", "ascending"), ("movie_id", "ascending")]
    )


def _movies(file: Path, lines: pa.Table) -> pa.Table:
    _check(file, lines, (_MOVIE,))
    _unique(file, lines, "movie")
    raw = lines["title"]
    inner = pc.replace_substring(pc.utf8_slice_codeunits(raw, 1, -1), '""', '"')
    quoted = pc.and_(pc.starts_with(raw, '"'), pc.equal(file.suffix, ".csv"))
    title = pc.utf8_trim_whitespace(pc.if_else(quoted, inner, raw))
    length = pc.utf8_length(title)
    in_bounds = pc.and_(pc.greater(length, 0), pc.less_equal(length, _TITLE_LENGTH))
    _require(file, lines, "title", in_bounds, f"a title of 1 to {_TITLE_LENGTH} characters")
    genres = pc.split_pattern(lines["genres"], "|")
    few = pc.less_equal(pc.list_value_length(genres), _GENRES)
    _require(file, lines, "genres", few, f"at most {_GENRES} genres")
    none = pc.is_in(lines["genres"], value_set=pa.array(["", _NO_GENRES]))
    empty = pa.array([[]], pa.list_(pa.string()))[0]
    return pa.table(
        {
            "movie_id": lines["movie"].cast(pa.int64()),
            "title": title,
            "genres": pc.if_else(none, empty, genres),
            "year": _years(title),
        }
    )


def _years(title: pa.ChunkedArray) -> pa.ChunkedArray:
    """The year at the title's end, as in "Toy Story (1995)"; null when there is none."""
    found = pc.struct_field(pc.extract_regex(title, r"\((?P<year>\d{4})\)$"), "year")
    year = found.cast(pa.int32())
    sensible = pc.and_(pc.greater_equal(year, _FIRST_YEAR), pc.less_equal(year, _LAST_YEAR))
    return pc.if_else(sensible, year, pa.scalar(None, pa.int32()))


def _users(file: Path, lines: pa.Table) -> pa.Table:
    rules = (
        _USER,
        _Rule("gender", "^[MF]$", "M or F"),
        _Rule("age", r"^(\d{1,2}|1[0-2]\d|130)$", "an age in years, 0 to 130"),
        _Rule("occupation", r"^\d{1,3}$", "an occupation's number"),
    )
    _check(file, lines, rules)
    _unique(file, lines, "user")
    return pa.table(
        {
            "user_id": lines["user"].cast(pa.int64()),
            "age": lines["age"].cast(pa.int32()),
            "gender": lines["gender"],
            "occupation": lines["occupation"].cast(pa.int32()),
        }
    )


def _check(file: Path, lines: pa.Table, rules: Sequence[_Rule]) -> None:
    for rule in rules:
        good = pc.match_substring_regex(lines[rule.field], rule.pattern)
        _require(file, lines, rule.field, good, rule.expected)


def _unique(file: Path, lines: pa.Table, field: str) -> None:
    ids = lines[field].cast(pa.int64())
    first = pa.table({"id": ids, "line": lines["line"]}).group_by("id").aggregate([("line", "min")])
    good = pc.is_in(lines["line"], value_set=first["line_min"].combine_chunks())
    _require(file, lines, field, good, "an id that no earlier line has")


def _require(file: Path, lines: pa.Table, field: str, good: pa.ChunkedArray, expected: str) -> None:
    """Raise for the first line that isn't `good`."""
    bad = lines.filter(pc.invert(good))
    if bad.num_rows:
        raise _wrong(file, bad["line"][0].as_py(), bad[field][0].as_py(), expected)


def _wrong(file: Path, line: int, value: str, expected: str) -> InputDataError:
    return InputDataError(
        f"{file}, line {line}: {value[:200]!r}, expected {expected}. "
        "Correct the line or unpack the archive again, then run again."
    )
