#!/usr/bin/env python
"""Health checks of the containers: 0 if the URL answers, and its JSON says what it should.

healthy URL [PATH=VALUE …]      healthy http://127.0.0.1:8080/health scheduler.status=healthy
"""

import json
import sys
import urllib.request
from functools import reduce


def main(url: str, *expected: str) -> int:
    """Exit code."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            content = answer.read()
        for path, value in (each.split("=", 1) for each in expected):
            found = reduce(lambda part, name: part[name], path.split("."), json.loads(content))
            if found != value:
                return wrong(url, f"{path} is {found!r}, expected {value!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return wrong(url, repr(error))
    return 0


def wrong(url: str, what: str) -> int:
    """Say it to whoever looks at the container's health."""
    sys.stderr.write(f"{url}: {what}\n")
    return 1


if __name__ == "__main__":
    # No proxy is asked for what lies beside the container.
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    sys.exit(main(*sys.argv[1:]))
