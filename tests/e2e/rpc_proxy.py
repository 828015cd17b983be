"""A process between a node and its endpoint: `python -m tests.e2e.rpc_proxy UPSTREAM MODE` prints its URL.

It passes everything on, and in the mode `lying` changes what the contract says of its configuration; in the mode
`stranger` it claims to serve chain 5.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ocr_peer.evm.aggregator import LATEST_CONFIG_DETAILS
from ocr_peer.evm.quantity import to_hex

DETAILS = to_hex(LATEST_CONFIG_DETAILS.encode_call())


def changed(mode: str, item: Any, answer: Any) -> Any:
    if "result" not in answer:
        return answer
    if mode == "lying" and item["method"] == "eth_call" and item["params"][0].get("data") == DETAILS:
        return {**answer, "result": answer["result"][:-64] + "00" * 28 + "deadbeef"}
    if mode == "lying" and item["method"] == "eth_getLogs":
        return {**answer, "result": []}
    if mode == "stranger" and item["method"] == "eth_chainId":
        return {**answer, "result": "0x5"}
    return answer


def main(upstream: str, mode: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            request = urllib.request.Request(upstream, content, {"content-type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as response:
                answers = json.loads(response.read())
            asked = json.loads(content)
            if isinstance(asked, list):
                by_id = {item["id"]: item for item in asked}
                answers = [changed(mode, by_id[answer["id"]], answer) for answer in answers]
            else:
                answers = changed(mode, asked, answers)
            body = json.dumps(answers).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
