"""What strangers send: nothing that breaks a server, keeps it busy, or makes it say too much."""

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as options
from schemathesis.specs.openapi.checks import positive_data_acceptance

from movie_recommender import kafka as broker
from movie_recommender.events import INTERACTIONS, PARTITIONS
from movie_recommender.local import ports
from tests.conftest import own_settings
from tests.serving_process import ServingProcess, begin_with
from tests.unit.serving.conftest import bundle, dataset  # noqa: F401  (fixtures)

pytestmark = pytest.mark.integration

BEYOND_A_SCHEMA = positive_data_acceptance
"""An event of one type needs other fields than one of another, and no time ahead."""
TIMEOUT_S = 1.0
SEED = 20261126

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%b\r\n\r\n%b"
LIST = b"/recommendations/3"
PATHS = [
    *(LIST + b"?k=" + k for k in (b"-1", b"1e9", b"NaN", b"", b"0x5", b"9" * 400, b"%00", b"1;2")),
    *(LIST + rest for rest in (b"?genre=%ff%fe", b"?genre=" + b"a" * 3000, b"?&&==", b"?k", b"#k")),
    *(
        LIST + rest
        for rest in (b"%00", b"/../../etc/passwd", b"/..%2f..%2fetc", b"//", b"/explain%00")
    ),
    *(
        b"/recommendations/" + user
        for user in (b"-1", b"%2e%2e", b"9" * 30, b"%D9%A3", b"1e3", b"")
    ),
    *(
        b"/movies?query=" + words
        for words in (b"%F0%9F", b"%00", b"[[(*", b"%22%27;--", b"a" * 201)
    ),
    *(b"/movies/" + movie for movie in (b"-1", b"1.5", b"%00", b"..%2f1", b"1/similar?k=1001")),
    *(b"/m/" + movie for movie in (b"%00", b"..%2f..", b"%ff", b"999999999999999999999999")),
    *(b"/static/" + name for name in (b"..%2fpage.py", b"%2e%2e/", b"page.css%00", b"../gate.py")),
    *(
        b"/history",
        b"/models?version=%00",
        b"/search?query=%00%ff",
        b"/search?query=" + b"%20" * 99,
    ),
    *(
        b"//evil.example/",
        b"/%",
        b"/%zz",
        b"/\xff\xfe",
        b"*",
        b"http://x/health",
        b"/" + b"a" * 9000,
    ),
]
BODIES = [
    *(b"", b"{", b"[]", b"null", b"NaN", b'"x"', b"\xff\xfe", b"\x00", b"[" * 9000, b"{" * 9000),
    *(
        b'{"event_type": "like", "user_id": %b, "movie_id": 3}' % user
        for user in (
            b"-1",
            b"1e999",
            b"NaN",
            b"true",
            b"9" * 400,
            b"9" * 5000,
            b"[]",
            b"null",
            b'"3"',
            b"1.5",
        )
    ),
    b'{"event_type": "search", "user_id": 1, "query": "\\ud800"}',
    b'{"event_type": "search", "user_id": 1, "query": "\\u0000", "session_id": "\xf0\x9f"}',
    b'{"event_type": "rating", "user_id": 1, "movie_id": 2, "rating": Infinity}',
    b'{"event_type": "view", "user_id": 1, "movie_id": 2, "event_time": "99999-01-01T00:00:00Z"}',
    b'{"event_type": "view", "user_id": 1, "movie_id": 2, "event_time": "0001-01-01T00:00:00Z"}',
    b'{"event_type": "view", "user_id": 1, "movie_id": 2, "event_time": -1e300}',
    b"x" * 70_000,
]
FORMS = [
    b"",
    b"&&&",
    b"do=like",
    b"do=like&user_id=%00&movie_id=1",
    b"back=//evil&new=1",
    b"key=%ff",
]
LENGTH = b"Content-Length: %d"
WHOLE = [
    *(GET % path for path in PATHS),
    *(POST % (b"/feedback", LENGTH % len(body), body) for body in BODIES),
    *(
        POST % (path, b"Content-Type: text/plain\r\n" + LENGTH % len(form), form)
        for path in (b"/act", b"/user", b"/sign-in", b"/models/rollback")
        for form in FORMS
    ),
    *(
        b"%b %b HTTP/1.1\r\nHost: x\r\n\r\n" % (method, path)
        for method in (
            b"HEAD",
            b"OPTIONS",
            b"DELETE",
            b"PUT",
            b"PATCH",
            b"TRACE",
            b"CONNECT",
            b"BREW",
        )
        for path in (LIST, b"/", b"/feedback", b"/health", b"/nowhere")
    ),
    POST % (b"/feedback", b"Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
    POST % (b"/feedback", b"Transfer-Encoding: chunked", b"2\r\n{}XX0\r\n\r\n"),
    POST % (b"/feedback", b"Transfer-Encoding: chunked", b"ffffffffffffffffff\r\n{}"),
    POST % (b"/feedback", b"Transfer-Encoding: chunked", b"1\r\nx\r\n" * 70_000 + b"0\r\n\r\n"),
    POST % (b"/feedback", b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    POST % (b"/feedback", b"Content-Length: -5", b"{}"),
    POST % (b"/feedback", b"Content-Length: 5\r\nContent-Length: 6", b"{}"),
    POST % (b"/feedback", b"Content-Length: 99999999999999999999999", b"{}"),
    POST % (b"/feedback", b"Content-Length: 1000000000", b"x" * 100_000),
    POST % (b"/feedback", b"Expect: 100-continue\r\nContent-Length: 3", b"{} "),
    POST % (b"/feedback", b"Idempotency-Key: \xff\xfe\r\nContent-Length: 2", b"{}"),
    GET % LIST * 50,  # pipelined
    GET % LIST * 500,
    (GET % LIST)[:-2]
    + b"Cookie: movie_recommender_user=\xff; movie_recommender_session=\xff.a\r\n\r\n",
    (GET % b"/")[:-2]
    + b"Accept: text/html\r\nCookie: movie_recommender_user="
    + b"9" * 5000
    + b"\r\n\r\n",
    (GET % LIST)[:-2] + b"Authorization: Bearer \xff\xfe\r\nX-API-Key: \r\n\r\n",
    (GET % b"/health")[:-2] + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
    (GET % b"/health")[:-2] + b"A: a\r\n" * 20_000 + b"\r\n",
    (GET % b"/health")[:-2] + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET /health HTTP/9.9\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
    b"\x00" * 1000,
    b"\r\n" * 1000,
]


@pytest.fixture(scope="module")
def serving(
    kafka: str,
    bundle: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServingProcess]:
    """A server whose broker is real; MLflow and the feature store are away."""
    directory = tmp_path_factory.mktemp("serving")
    settings = own_settings(kafka, directory).model_copy(
        update={"mlflow_tracking_uri": "http://127.0.0.1:9"}
    )
    broker.ensure_topics(settings, {INTERACTIONS.topic: PARTITIONS})
    begin_with(bundle, settings, directory)
    with ServingProcess(settings, directory, serving_client_timeout_s=TIMEOUT_S) as server:
        server.wait(
            lambda ready: ready["ready"] and len(ready["workers"]) == 2 and ready["kafka"]["ok"]
        )
        yield server
        assert "Traceback" not in server.log.read_text()


def workers(serving: ServingProcess) -> dict[int, int]:
    """Resident bytes by process id."""
    pids = [worker["pid"] for worker in serving.ready()["workers"]]
    return {pid: psutil.Process(pid).memory_info().rss for pid in pids}


def tell(port: int, data: bytes, *, timeout_s: float = 4 * TIMEOUT_S) -> bytes:
    """All that the server says to `data` until it closes, or is silent for a moment."""
    with socket.create_connection((ports.LOOPBACK, port), timeout=timeout_s) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.settimeout(0.03)
            while part := connection.recv(65_536):
                answer += part
        except (TimeoutError, ConnectionError):
            pass  # silent; or closed before it had read all
    return answer


def check(answer: bytes, sent: bytes) -> None:
    """That it is no failure, and shows nothing of the inside."""
    shown = (sent[:200], answer[:500])
    for status_line in answer.split(b"HTTP/1.1 ")[1:]:
        assert status_line[:1] in b"1234", shown
    for inside in (b"Traceback", b"site-packages", b'File "'):
        assert inside not in answer, shown


def test_what_breaks_the_rules_is_answered_or_closed_and_shows_nothing(
    serving: ServingProcess,
) -> None:
    before = workers(serving)
    for sent in WHOLE:
        check(tell(serving.port, sent), sent)
    after = workers(serving)
    assert after.keys() == before.keys()
    assert max(after[pid] - before[pid] for pid in before) < 40 * 2**20


def mutated(rng: random.Random) -> bytes:
    """One of the above, cut, doubled, or with some bytes replaced."""
    sent = bytearray(rng.choice(WHOLE)[:5000])
    for _ in range(rng.randrange(1, 5)):
        place = rng.randrange(len(sent) + 1)
        match rng.randrange(4):
            case 0:
                sent[place:] = b""
            case 1:
                sent[place : place + 1] = bytes([rng.randrange(256)])
            case 2:
                sent[place:place] = rng.choice(
                    [b"\r\n", b"\x00", b"%00", b"\xff", b"0", b": ", b"/"]
                )
            case _:
                other = rng.choice(WHOLE)[:2000]
                sent[place:place] = other[rng.randrange(len(other)) :]
        if not sent:
            sent += b"\n"
    return bytes(sent)


def test_what_is_nearly_right_too(serving: ServingProcess, fault_s: float | None) -> None:
    rng = random.Random(SEED)
    before = workers(serving)
    until, n = time.monotonic() + (fault_s or 4), 0
    while time.monotonic() < until:
        sent = mutated(rng)
        check(tell(serving.port, sent), sent)
        n += 1
    print(f"{n} mutated requests")  # noqa: T201
    assert workers(serving).keys() == before.keys()
    assert serving.recommend(3)["items"]


def test_a_head_without_an_end_is_cut_off(serving: ServingProcess) -> None:
    before = workers(serving)
    with socket.create_connection((ports.LOOPBACK, serving.port), timeout=5) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nA: ")
        with pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
            send_for_ever(connection, b"a" * 65_536)
    growth = max(rss - before[pid] for pid, rss in workers(serving).items())
    assert growth < 20 * 2**20


def send_for_ever(connection: socket.socket, data: bytes) -> None:
    while True:
        connection.sendall(data)


def test_what_the_schema_allows_and_what_it_does_not(
    serving: ServingProcess, fault_s: float | None
) -> None:
    """Schemathesis makes requests of the schema, right and wrong ones."""
    schema = schemathesis.openapi.from_url(f"{serving.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 8
    n_examples = 6 if fault_s is None else int(5 * fault_s)
    for operation in operations:

        @seed(SEED)
        @options(
            max_examples=n_examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=[BEYOND_A_SCHEMA])

        holds()
