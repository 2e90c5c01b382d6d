"""Whether a server that is none of ours can be reached: its name, its port, and nothing sent."""

import socket
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from movie_recommender.doctor.finding import PATIENCE_S

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """Where something is sent to.

    Attributes:
        host: a name or an address.
        port: of TCP.
        proxied: whether what is sent goes by way of a proxy.
    """

    host: str
    port: int
    proxied: bool = False


def place_of(url: str) -> Place:
    """Where an http(s) address leads; the host is empty where it has none."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxied = bool(urllib.request.getproxies()) and not urllib.request.proxy_bypass(host)
    return Place(host, parts.port or _PORTS.get(parts.scheme, 443), proxied)


def trouble(place: Place) -> str | None:
    """Why no connection to the port can be made; None: it can, and was ended at once."""
    try:
        socket.create_connection((place.host, place.port), timeout=PATIENCE_S).close()
    except socket.gaierror:
        return f"no address is known for {place.host}"
    except UnicodeError:  # a label that is empty, or too long
        return f"{place.host!r} is no host's name"
    except OSError as error:
        return f"{place.host}:{place.port} doesn't answer: {error.strerror or error}"
    return None
