import socket

from movie_recommender.local import ports


def test_the_expected_port_where_it_is_free() -> None:
    free = ports.choose(0)
    assert ports.choose(free) == free


def test_another_port_where_it_is_taken() -> None:
    with socket.socket() as server:
        server.bind((ports.LOOPBACK, 0))
        server.listen()
        taken = server.getsockname()[1]
        assert not ports.is_free(taken)
        assert ports.choose(taken) != taken


def test_a_port_is_given_once() -> None:
    free = ports.choose(0)
    assert ports.choose(free, taken=frozenset({free})) != free
