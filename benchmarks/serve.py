"""How many requests a served tagger answers, and how long they take; client and server share cores.

    swiftrnn run ner_crf --preset smoke --out runs/names
    python benchmarks/serve.py runs/names          one sentence of 20 words a request, 15 seconds
    python benchmarks/serve.py runs/names --record     the same with 1 to 16 clients, for the table
    python benchmarks/serve.py runs/names --hostile    what should be refused, and slow clients

The server is a process of its own, `swiftrnn serve`. Clients keep their connection and send the
next request when the last one was answered.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

import rows
from safetensors.torch import load_file
from tables import number, table

from swiftrnn.runs.machine import machine

WORDS = 20


def request(texts: list[str] | bytes, path: str = "/predict") -> bytes:
    """A request as it goes over the wire."""
    body = texts if isinstance(texts, bytes) else json.dumps({"inputs": texts}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split()[1])
    sizes = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    if not sizes:
        return status, await reader.read()
    return status, await reader.readexactly(int(sizes[0].split(b":")[1]))


async def client(port: int, until: float, seed: int, words: list[str]) -> list[tuple[int, float]]:
    """Status and seconds of each request."""
    draw, found = random.Random(seed), []
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        writer.write(request([" ".join(draw.choices(words, k=WORDS))]))
        began = time.perf_counter()
        status, _ = await answer(reader)
        found.append((status, time.perf_counter() - began))
    writer.close()
    return found


async def load(port: int, clients: int, seconds: float, words: list[str]) -> dict[str, float]:
    """Ask for so many seconds; print and give what was seen."""
    await client(port, time.perf_counter() + 1, 0, words)  # warms up
    until = time.perf_counter() + seconds
    each = await asyncio.gather(*(client(port, until, i, words) for i in range(clients)))
    times = sorted(t for found in each for _, t in found)
    cut = statistics.quantiles(times, n=100)
    seen = {
        "clients": clients,
        "requests a second": len(times) / seconds,
        "median ms": 1e3 * cut[49],
        "p99 ms": 1e3 * cut[98],
        "errors": sum(status != 200 for found in each for status, _ in found),
    }
    print(", ".join(f"{name} {value:.4g}" for name, value in seen.items()), flush=True)
    return seen


def served(results: Path) -> str:
    """What was recorded, by machine."""
    parts = []
    for file in sorted(results.glob("serve-*.json")):
        content = json.loads(file.read_text())
        facts, found = content["machine"], content["rows"]
        lines = [[number(value, ",.0f" if "ms" not in name else ".1f")
                  for name, value in row.items()] for row in found]  # fmt: skip
        where = (
            f"{facts['cpu']}, {facts['cores']} cores, torch {facts['torch']}, swiftrnn "
            f"{facts['swiftrnn']} ({facts['commit']}); {content['parameters']:,} parameters."
        )
        parts.append(f"{where}\n\n{table(found[0], lines)}")
    return "\n\n".join(parts)


async def hostile(port: int) -> None:
    """Print how each bad request was answered, and whether good ones still are."""
    cases = {
        "empty body": b"", "no JSON": b"{", "wrong JSON": b'{"inputs": 3}', "empty text": [""],
        "1 MB of text": ["a" * 1_000_000], "null bytes": ["a\0b"],
        "a surrogate": b'{"inputs":["\\ud800"]}',
        "right to left": ["\u202eאבג"], "emoji": ["😀" * 100], "65 texts": ["a"] * 65,
        "20,000 characters": ["Ab. " * 5_000], "10,001 twice": ["a" * 10_001] * 2,
    }  # fmt: skip
    for name, texts in cases.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(texts))
        status, body = await asyncio.wait_for(answer(reader), 30)
        print(f"{name:20}{status}  {body[:70]!r}")
        writer.close()
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
    for _, writer in slow[::2]:  # every second one begins to speak and then stops
        writer.write(request(b"{".ljust(100))[:-99])
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(["Bokima lives in Sotataville"]))
    status, _ = await asyncio.wait_for(answer(reader), 30)
    print(f"beside 1000 slow clients: {status} in {1e3 * (time.perf_counter() - began):.0f} ms")
    ended = [asyncio.wait_for(reader.read(), 30) for reader, _ in slow]
    gone = await asyncio.gather(*ended, return_exceptions=True)
    over = sum(not isinstance(each, TimeoutError) for each in gone)
    print(f"of them {over} were hung up on within {time.perf_counter() - began:.0f} s")


def main(run: Path, clients: list[int], seconds: float, bad: bool, out: Path | None) -> int:
    command = [sys.executable, "-P", "-m", "swiftrnn", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            port = int(line.split("http://")[1].split()[0].rsplit(":", 1)[1])
            known = json.loads((run / "vocabulary.json").read_text())["words"]
            words = [w for w in known[1:2000] if w.isalpha()] or ["word"]
            if bad:
                asyncio.run(hostile(port))
            found = [] if bad else [asyncio.run(load(port, n, seconds, words)) for n in clients]
        finally:
            server.terminate()
    if out and found:
        size = sum(v.numel() for v in load_file(run / "model.safetensors").values())
        content = {"machine": machine(), "parameters": size, "rows": found}
        out.write_text(json.dumps(content, indent=1) + "\n")
    return server.returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time a served tagger.")
    parser.add_argument("run", type=Path, help="a run folder of ner_crf")
    parser.add_argument("--clients", type=int, nargs="+", default=[4], help="how many at a time")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long")
    parser.add_argument("--hostile", action="store_true", help="send what should be refused")
    parser.add_argument("--record", action="store_true", help="1 to 16 clients, for the table")
    given = parser.parse_args()
    clients = [1, 4, 8, 16] if given.record else given.clients
    out = rows.RESULTS / f"serve-{rows.default_path().stem}.json" if given.record else None
    sys.exit(main(given.run, clients, given.seconds, given.hostile, out))
