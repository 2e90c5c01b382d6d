"""The notification sink: takes Slack messages by HTTP and mails by SMTP, keeps and shows them.

It stands where Slack and a mail server would, so that alerts can be seen on one machine. Run as
`python -m movie_recommender.local.sink --directory var/sink --http-port 8025 --smtp-port 1025`.
"""

import argparse
import asyncio
import contextlib
import email
import email.policy
import json
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, PlainTextResponse
from jinja2 import Environment

from movie_recommender.local.ports import LOOPBACK

MESSAGES = "notifications.jsonl"

_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="5">
<title>Notifications</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem;
         margin: 2rem auto; padding: 0 1rem }
  article { border: 1px solid #ccc; border-radius: .5rem; padding: .5rem 1rem; margin: 1rem 0 }
  header { color: #555; font-size: .9rem }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; margin: .5rem 0 }
</style>
<h1>Notifications</h1>
<p>What the pipeline sent to Slack and by mail, newest first.</p>
{% for message in messages %}
<article>
  <header>{{ message.time }} · {{ message.channel }}
  {%- if message.to %} · to {{ message.to | join(", ") }}{% endif %}</header>
  {%- if message.subject %}<strong>{{ message.subject }}</strong>{% endif %}
  <pre>{{ message.text }}</pre>
</article>
{% else %}<p>None yet.</p>{% endfor %}
"""
)


class Mailbox:
    """Messages as JSON lines in one file, appended as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            with path.open("a") as file:
                file.write("\n")  # a kill has left half a line: the next must not join it

    def keep(self, channel: str, text: str, **fields: Any) -> None:
        """Append one message with the time of its arrival."""
        message = {
            "time": datetime.now(UTC).isoformat(),
            "channel": channel,
            "text": text,
            **fields,
        }
        with self._path.open("a") as file:
            file.write(json.dumps(message) + "\n")

    def messages(self) -> list[dict[str, Any]]:
        """Every message, oldest first."""
        return read_messages(self._path)


def read_messages(path: Path) -> list[dict[str, Any]]:
    """The messages kept in `path`, oldest first; none where there is no file.

    Half a line, of a sink that was killed while it wrote, is left out.
    """
    messages = []
    for line in path.read_text().splitlines() if path.exists() else []:
        with contextlib.suppress(ValueError):
            messages.append(json.loads(line))
    return messages


def web(mailbox: Mailbox) -> FastAPI:
    """The sink's HTTP side: POST anywhere is a Slack webhook, GET / the page."""
    app = FastAPI(openapi_url=None)

    @app.get("/", response_class=HTMLResponse)
    def page() -> str:
        return _PAGE.render(messages=reversed(mailbox.messages()))

    @app.get("/messages")
    def messages() -> list[dict[str, Any]]:
        return mailbox.messages()

    @app.post("/{path:path}", response_class=PlainTextResponse)
    async def slack(request: Request) -> str:
        body = await request.body()
        try:
            text = str(json.loads(body).get("text") or "")
        except (ValueError, AttributeError):
            text = ""
        mailbox.keep("slack", text or body.decode(errors="replace"))
        return "ok"  # what Slack answers

    return app


class MailHandler:
    """The sink's SMTP side."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, D102 - aiosmtpd's
        parsed = email.message_from_bytes(
            envelope.original_content or b"", policy=email.policy.default
        )
        if not isinstance(parsed, EmailMessage):
            return "554 not a message"
        body = parsed.get_body(("plain", "html"))
        self._mailbox.keep(
            "mail",
            "" if body is None else str(body.get_content()).strip(),
            to=list(envelope.rcpt_tos),
            subject=str(parsed["subject"] or ""),
        )
        return "250 kept"


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    options = parser.parse_args()
    mailbox = Mailbox(options.directory / MESSAGES)
    mail = Controller(MailHandler(mailbox), hostname=LOOPBACK, port=options.smtp_port)
    mail.start()
    config = uvicorn.Config(
        web(mailbox), host=LOOPBACK, port=options.http_port, log_level="warning"
    )
    try:
        asyncio.run(uvicorn.Server(config).serve())
    finally:
        mail.stop()


if __name__ == "__main__":
    main()
