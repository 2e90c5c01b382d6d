"""Small local servers that keep what Slack and a mail server would get, or refuse it."""

import asyncio
import email
import email.policy
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SlackSink:
    """An HTTP server that keeps what is posted: `messages` as (path, text).

    `status`, `headers` and `delay_s` are those of its answers, until `recovers_after` requests;
    `asked` counts them.
    """

    def __init__(self, port: int = 0) -> None:
        self.messages: list[tuple[str, str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.asked = 0
        self.recovers_after: int | None = None
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sink.asked == sink.recovers_after:
                    sink.status = 200
                sink.asked += 1
                time.sleep(sink.delay_s)
                if sink.status == 200 and not sink.delay_s:
                    sink.messages.append((self.path, _text(json.loads(body))))
                self.send_response(sink.status)
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: object) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:  # the client has given up on a slow answer
                    pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.messages]

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class MailSink:
    """Keeps the mails as (recipients, subject and decoded content), and their Message-IDs.

    `refuses` maps RCPT or DATA to what is answered; `delay_s` is waited before the last answer.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.ids: list[str] = []
        self.refuses: dict[str, str] = {}
        self.delay_s = 0.0
        self.asked = 0

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self.asked += 1
        if "RCPT" in self.refuses:
            return self.refuses["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.delay_s)
        if self.delay_s or "DATA" in self.refuses:
            return self.refuses.get("DATA", "250 OK")
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        content = "".join(
            part.get_content() for part in message.walk() if part.get_content_maintype() == "text"
        )
        self.mails.append((envelope.rcpt_tos, f"Subject: {message['Subject']}\n{content}"))
        self.ids.append(str(message["Message-ID"]))
        return "250 OK"

    @property
    def texts(self) -> list[str]:
        return [text for _, text in self.mails]


def _text(message: dict[str, Any]) -> str:
    """What Slack's form of a message says, or Apprise's."""
    return str(message.get("text") or message.get("message"))
