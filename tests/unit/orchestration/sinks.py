"""Small local servers that keep what Slack and a mail server would get."""

import email
import email.policy
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SlackSink:
    """An HTTP server that keeps what is posted: `messages` as (path, text), `status` to answer."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.status = 200
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if sink.status == 200:
                    sink.messages.append((self.path, json.loads(body)["text"]))
                self.send_response(sink.status)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


class MailSink:
    """Keeps the mails as (recipients, subject and decoded content)."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        content = "".join(
            part.get_content() for part in message.walk() if part.get_content_maintype() == "text"
        )
        self.mails.append((envelope.rcpt_tos, f"Subject: {message['Subject']}\n{content}"))
        return "250 OK"
