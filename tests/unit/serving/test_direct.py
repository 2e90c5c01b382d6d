"""The short way, on real sockets: what goes it, what doesn't, and that the order stays."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import BinaryIO

import pytest
import uvicorn

from movie_recommender.local import ports
from movie_recommender.serving.direct import Reply
from movie_recommender.serving.gate import Receive, Scope, Send, send_json
from movie_recommender.serving.patience import patient_protocol
from movie_recommender.serving.room import Room

TIMEOUT_S, REST_S = 0.3, 0.5
QUICK = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that it was asked, and what for."""
    assert scope["type"] == "http"
    await send_json(send, 200, b"the application: " + scope["path"].encode())


def at_once(scope: Scope) -> Reply | None:
    if scope["path"] == "/refused":
        return Reply(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", b"", rest_s=REST_S)
    if scope["path"] != "/quick":
        return None
    body = b"at once: " + scope["query_string"]
    return Reply(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n" % len(body), body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    protocol = patient_protocol(TIMEOUT_S, max_body_bytes=100, room=Room(), at_once=at_once)
    config = uvicorn.Config(
        application, http=protocol, ws="none", lifespan="off", loop="uvloop", log_config=None
    )
    server = uvicorn.Server(config)
    with socket.create_server((ports.LOOPBACK, 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()


def bodies(port: int, *pieces: bytes, n: int = 1) -> list[bytes]:
    """On one connection: after each piece that is sent the bodies of `n` answers."""
    with socket.create_connection((ports.LOOPBACK, port), timeout=5) as client:
        with client.makefile("rb") as answers:
            found = []
            for piece in pieces:
                client.sendall(piece)
                found += [body(answers) for _ in range(n)]
            return found


def body(answers: BinaryIO) -> bytes:
    """Of the next answer."""
    length = 0
    assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
    while (line := answers.readline()) != b"\r\n":
        if line.startswith(b"content-length: "):
            length = int(line.split()[1])
    return answers.read(length)


def is_closed_within(port: int, sent: bytes, seconds: float) -> bool:
    """Whether the server ends a connection on which nothing follows what was sent."""
    with socket.create_connection((ports.LOOPBACK, port), timeout=seconds) as client:
        client.sendall(sent)
        try:
            while client.recv(4096):
                pass
        except TimeoutError:
            return False
    return True


def test_a_plain_request_is_answered_at_once_and_the_connection_stays(port: int) -> None:
    asked = QUICK.replace(b"quick", b"quick?k=3")
    assert bodies(port, asked, asked) == [b"at once: k=3"] * 2


def test_what_has_no_answer_at_once_goes_to_the_application(port: int) -> None:
    assert bodies(port, QUICK, SLOW, QUICK) == [
        b"at once: ",
        b"the application: /slow",
        b"at once: ",
    ]


def test_answers_come_in_the_order_of_the_questions(port: int) -> None:
    found = bodies(port, QUICK + SLOW + QUICK + SLOW + QUICK, n=5)
    assert found[0] == b"at once: "
    assert [body.startswith(b"the application") for body in found] == [
        False,
        True,
        True,
        True,
        True,
    ]
    assert [b"slow" in body for body in found] == [False, True, False, True, False]


@pytest.mark.parametrize(
    "request_",
    [
        QUICK.replace(b"1.1", b"1.0").replace(b"Host: x", b"Connection: keep-alive"),
        QUICK.replace(b"quick", b"qu%69ck"),
        QUICK.replace(b"Host: x", b"Host: x\r\nContent-Length: 2") + b"{}",
        QUICK.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked") + b"0\r\n\r\n",
        QUICK.replace(b"Host: x", b"Host: x\r\nConnection: close"),
        QUICK.replace(b"GET", b"POST").replace(b"Host: x", b"Host: x\r\nContent-Length: 0"),
    ],
)
def test_what_is_more_than_a_plain_request_goes_to_the_application(
    port: int, request_: bytes
) -> None:
    assert bodies(port, request_) == [b"the application: /quick"]


def test_a_head_in_pieces_is_answered_when_it_is_whole(port: int) -> None:
    with socket.create_connection((ports.LOOPBACK, port), timeout=5) as client:
        for piece in (QUICK[:9], QUICK[9:30], QUICK[30:]):
            client.sendall(piece)
            time.sleep(TIMEOUT_S / 10)
        assert body(client.makefile("rb")) == b"at once: "


def test_a_silent_connection_stays_and_half_a_head_after_an_answer_doesnt(port: int) -> None:
    assert not is_closed_within(port, QUICK, 3 * TIMEOUT_S)
    assert is_closed_within(port, QUICK + QUICK[:9], 20 * TIMEOUT_S)
    assert is_closed_within(port, QUICK[:9], 20 * TIMEOUT_S)


def test_a_blank_line_after_an_answer_isnt_waited_on_for_ever(port: int) -> None:
    with socket.create_connection((ports.LOOPBACK, port), timeout=20 * TIMEOUT_S) as client:
        client.sendall(QUICK)
        assert client.recv(4096).endswith(b"at once: ")
        client.sendall(b"\r\n")
        assert client.recv(4096) == b""


def test_who_is_refused_is_read_again_after_a_rest(port: int) -> None:
    began = time.monotonic()
    assert bodies(port, QUICK.replace(b"quick", b"refused"), QUICK, SLOW) == [
        b"",
        b"at once: ",
        b"the application: /slow",
    ]
    assert time.monotonic() - began >= REST_S


def test_who_leaves_while_he_rests_breaks_nothing(port: int) -> None:
    with socket.create_connection((ports.LOOPBACK, port), timeout=5) as client:
        client.sendall(QUICK.replace(b"quick", b"refused"))
        assert body(client.makefile("rb")) == b""
    time.sleep(1.5 * REST_S)
    assert bodies(port, QUICK) == [b"at once: "]
