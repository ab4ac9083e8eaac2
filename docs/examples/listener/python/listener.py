# SPDX-License-Identifier: Apache-2.0
"""A target of a NotificationEndpoint in Python, with nothing but its standard library.

SECRET_FOLDER=/etc/cloudinary PORT=8080 python3 listener.py
"""

import hashlib
import hmac
import json
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

MAX_AGE = 30 * 24 * 3600  # as long as spec.receiver.retry.maxAge can be: what arrives late keeps its first timestamp
MAX_FUTURE = 5 * 60
MAX_BODY = 3 * 1024 * 1024


def secrets():
    """The files of the mounted Secret, read anew each time: a key that is rotated arrives while the program runs."""
    found = []
    for file in Path(os.environ.get("SECRET_FOLDER", "/etc/cloudinary")).iterdir():
        if file.name == "CLOUDINARY_URL":
            found.append(unquote(urlsplit(file.read_text().strip()).password or ""))
        elif file.name == "api_secret" or file.name.startswith("signing."):
            found.append(file.read_text().strip())
    return [secret for secret in found if secret]  # with an empty secret, anybody could sign


def verify(headers, body, keys, now=None):
    """How to answer: 200 for a genuine notification. body is the bytes as they came, not JSON that was decoded and encoded again."""
    timestamp = headers.get("X-Cld-Timestamp", "")
    signature = headers.get("X-Cld-Signature", "")
    algorithm = {40: hashlib.sha1, 64: hashlib.sha256}.get(len(signature))
    if not re.fullmatch("[1-9][0-9]{9}", timestamp) or not algorithm or not re.fullmatch("[0-9a-f]+", signature):
        return 400
    digests = [algorithm(body + timestamp.encode() + secret.encode()).hexdigest() for secret in keys]
    if not any(hmac.compare_digest(digest, signature) for digest in digests):
        return 503  # perhaps a key that is still on its way here: a 4xx would make a dead letter of it
    age = (time.time() if now is None else now) - int(timestamp)
    return 400 if age > MAX_AGE or age < -MAX_FUTURE else 200


done = set()  # keys of what was handled; keep them where they outlive the process, best in the transaction of the work


def handle(notification):
    """Does the work. It may be called twice for one notification, after a crash in between."""
    print(notification.get("notification_type"), notification.get("public_id"), flush=True)


class Listener(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200 if self.path == "/healthz" else 405)

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            return self.answer(413)
        body = self.rfile.read(length)
        try:
            self.answer(self.take(body))
        except Exception as error:  # the receiver tries again
            print(error, file=sys.stderr)
            self.answer(503)

    def take(self, body):
        status = verify(self.headers, body, secrets())
        if status != 200:
            return status
        try:
            notification = json.loads(body)
        except ValueError:
            return 400
        if not isinstance(notification, dict):
            return 400
        key = self.headers.get("Idempotency-Key")
        if key is None or key not in done:
            handle(notification)
            if key is not None:
                done.add(key)
        return 200  # only now: the work is done

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass  # one line for each request is too many


if __name__ == "__main__":
    ThreadingHTTPServer((os.environ.get("HOST", ""), int(os.environ.get("PORT", "8080"))), Listener).serve_forever()
