"""Whether a server that is none of ours can be reached: its name, its port, and nothing sent."""

import socket
import urllib.request
from urllib.parse import urlsplit

from movie_recommender.doctor.finding import PATIENCE_S

_PORTS = {"http": 80, "https": 443}


def place_of(url: str) -> tuple[str, int]:
    """Host and port of an http(s) address; the host is empty where there is none."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)


def proxied(host: str) -> bool:
    """Whether the environment has what is for `host` go by way of a proxy."""
    return bool(urllib.request.getproxies()) and not urllib.request.proxy_bypass(host)


def trouble(host: str, port: int) -> str | None:
    """Why no connection to the port can be made; None: it can, and was ended at once."""
    try:
        socket.create_connection((host, port), timeout=PATIENCE_S).close()
    except socket.gaierror:
        return f"no address is known for {host}"
    except OSError as error:
        return f"{host}:{port} doesn't answer: {error.strerror or error}"
    return None
