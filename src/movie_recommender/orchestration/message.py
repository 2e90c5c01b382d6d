"""A message, and how Slack and a mail write it; nothing is sent here.

Every value is escaped, because ids, reasons and versions can come from strangers: a movie called
`<!channel>` pings nobody, and a line break can't add a header to a mail.
"""

import html
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

MAX_VALUE_CHARS = 300
"""Longest value quoted in an alert; Slack shows a few thousand characters in all."""


@dataclass(frozen=True)
class Link:
    """An address with the words that stand for it."""

    url: str
    label: object


@dataclass(frozen=True)
class Line:
    """One line: a label, where it has one, and its values, separated by commas."""

    label: str
    values: Sequence[object | Link]


@dataclass(frozen=True)
class Message:
    """What an alert says; `icon` is one character."""

    icon: str
    title: str
    lines: Sequence[Line]


def one_line(value: object) -> str:
    """`value` as one line of visible characters, at most `MAX_VALUE_CHARS` long.

    Control and formatting characters (line breaks, right-to-left marks) become spaces.
    """
    visible = "".join(
        " " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char
        for char in str(value)
    )
    short = " ".join(visible.split())
    return short if len(short) <= MAX_VALUE_CHARS else f"{short[: MAX_VALUE_CHARS - 1]}…"


def mrkdwn(message: Message) -> str:
    """The message in Slack's mark-up."""
    first = f"{message.icon} *{_slack(message.title)}*"
    return "\n".join([first, *(_slack_line(line) for line in message.lines)])


def mail(message: Message) -> str:
    """The message as HTML."""
    rows = "".join(f"<tr>{_mail_line(line)}</tr>" for line in message.lines)
    return f"<h3>{html.escape(one_line(message.title))}</h3><table>{rows}</table>"


def _slack(value: object) -> str:
    """Slack's three control characters as entities; no marks of code or bold type."""
    return html.escape(one_line(value), quote=False).translate({ord("`"): "'", ord("*"): "\u2217"})


def _slack_line(line: Line) -> str:
    values = ", ".join(_slack_value(value) for value in line.values)
    return f"{_slack(line.label)}: {values}" if line.label else values


def _slack_value(value: object) -> str:
    if not isinstance(value, Link):
        return _slack(value)
    url, label = _slack(value.url).replace("|", "%7C"), _slack(value.label).replace("|", "/")
    return f"<{url}|{label}>"


def _mail_line(line: Line) -> str:
    values = ", ".join(_mail_value(value) for value in line.values)
    if not line.label:
        return f'<td colspan="2">{values}</td>'
    return f'<th align="left">{html.escape(one_line(line.label))}</th><td>{values}</td>'


def _mail_value(value: object) -> str:
    if not isinstance(value, Link):
        return html.escape(one_line(value))
    return f'<a href="{html.escape(one_line(value.url))}">{html.escape(one_line(value.label))}</a>'
