"""Relaying measured: `python -m benchmarks.streams [completions] [tokens] [capacity]`.

Larder on gevent and on gthread against a bare aiohttp relay of the same mock provider, and against
the least that the same frame takes, in turn within one run. Larder's part includes
authentication, budgets, the ledger and the stream's log; the others have none of them. CPU is that
of all the server's processes.
"""

import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import click

from benchmarks.relaying import load, servers
from benchmarks.relaying.load import Seen, percentile
from benchmarks.relaying.servers import Server

__all__ = ["main"]

ROUNDS = 3
SECONDS = 3.0
LENGTHS = (64, 256, 1024)
"""Tokens of an answer: a sentence or two, a few paragraphs, a page."""
STEPS = (100, 200, 300, 400, 500, 600, 700, 800, 1000, 1200, 1500, 2000)
FIRST_TOKEN_LIMIT_S = 1.0


def completions(all_servers: Sequence[Server], direct: Server) -> None:
    """Added p50 of a completion that is not streamed, with 1 and 16 clients."""
    click.echo("\nCompletions, not streamed: p50 in ms (added over asking the provider directly)")
    for clients in (1, 16):
        rounds: dict[str, list[float]] = {}
        cpu: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for server in (direct, *all_servers):
                before_s = server.cpu_s()
                seen = load.ask_repeatedly(
                    server.url, f"{server.prefix}mock-64-0", clients=clients, seconds=SECONDS
                )
                assert not seen.failed, (server.name, seen.failed)
                rounds.setdefault(server.name, []).append(percentile(seen.whole_s, 0.5))
                cpu.setdefault(server.name, []).append((server.cpu_s() - before_s) / seen.answers)
        floor_s = statistics.median(rounds[direct.name])
        for name, taken in rounds.items():
            p50_s = statistics.median(taken)
            click.echo(
                f"  {clients:>3} clients  {name:<16}{p50_s * 1e3:>8.2f}"
                f"  (+{(p50_s - floor_s) * 1e3:.2f})"
                f"   CPU {statistics.median(cpu[name]) * 1e6:>6.0f} µs"
            )


def tokens(all_servers: Sequence[Server], direct: Server) -> None:
    """CPU of a streamed token by the answer's length, and the delay of one that is paced."""
    click.echo("\nStreamed tokens: CPU of the server a token, 16 clients, no pause between tokens")
    spent = {length: _cpu_of_tokens(all_servers, length) for length in LENGTHS}
    _show_price(spent[LENGTHS[0]], spent[LENGTHS[-1]])
    click.echo("Delay of a token: one client, 10 ms between tokens; p50 of the gaps, and the first")
    for server in (direct, *all_servers):
        seen = load.stream_repeatedly(
            server.url, f"{server.prefix}mock-64-10", clients=1, seconds=SECONDS
        )
        gap_s, first_s = percentile(seen.gaps_s, 0.5), percentile(seen.first_s, 0.5)
        click.echo(
            f"  {server.name:<16} gap {gap_s * 1e3:>6.2f} ms  first {first_s * 1e3:>6.2f} ms"
        )


def _cpu_of_tokens(all_servers: Sequence[Server], length: int) -> dict[str, float]:
    """Seconds a token for each server, the call's own price spread over its tokens."""
    spent: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for server in all_servers:
            before_s = server.cpu_s()
            seen = load.stream_repeatedly(
                server.url, f"{server.prefix}mock-{length}-0", clients=16, seconds=SECONDS
            )
            _check(server, seen, length)
            spent.setdefault(server.name, []).append((server.cpu_s() - before_s) / seen.tokens)
            rates.setdefault(server.name, []).append(seen.answers / seen.took_s)
    medians = {name: statistics.median(each) for name, each in spent.items()}
    floor_s = medians[all_servers[0].name]
    for name, cpu_s in medians.items():
        click.echo(
            f"  {length:>5} tokens  {name:<16}{cpu_s * 1e6:>7.1f} µs  {cpu_s / floor_s:>5.2f}"
            f" x aiohttp  {statistics.median(rates[name]):>7.0f} streams/s"
        )
    return medians


def _show_price(short: dict[str, float], long: dict[str, float]) -> None:
    """A call and each token of it apart: the line through the shortest and the longest answer."""
    fewest, most = LENGTHS[0], LENGTHS[-1]
    further = {name: (long[name] * most - short[name] * fewest) / (most - fewest) for name in long}
    floor_s = next(iter(further.values()))
    for name, token_s in further.items():
        call_s = (short[name] - token_s) * fewest
        click.echo(
            f"  a further token  {name:<11}{token_s * 1e6:>7.1f} µs  {token_s / floor_s:>5.2f}"
            f" x aiohttp  {call_s * 1e6:>7.0f} µs for a call without its tokens"
        )


def capacity(all_servers: Sequence[Server], direct: Server) -> None:
    """How many streams of 20 tokens a second hold with p99 of the first token below a second."""
    del direct
    click.echo(
        "\nStreams at once, 20 tokens a second each, begun within 1 s: p99 of the first token"
    )
    held: dict[str, int] = {}
    for server in all_servers:
        for streams in STEPS:
            before_s = server.cpu_s()
            seen = load.open_many(
                server.url, f"{server.prefix}mock-100-50", streams=streams, ramp_s=1.0
            )
            first_s = percentile(seen.first_s, 0.99)
            holds = first_s < FIRST_TOKEN_LIMIT_S and not seen.failed
            cpu_us = (server.cpu_s() - before_s) / seen.tokens * 1e6
            click.echo(
                f"  {server.name:<16}{streams:>5}  first p99 {first_s:>6.2f} s"
                f"  gap p99 {percentile(seen.gaps_s, 0.99) * 1e3:>5.0f} ms"
                f"  CPU {cpu_us:>4.0f} µs/token"
                f"  {server.memory_mb():>5.0f} MB  {'holds' if holds else 'fails'}"
                f"{f', {seen.failed} refused' if seen.failed else ''}"
            )
            if not holds:
                break
            held[server.name] = streams
    floor = held.get(all_servers[0].name, 0) or 1
    for name, streams in held.items():
        click.echo(f"  {name:<16} holds {streams} ({streams / floor:.2f} x aiohttp)")


def _check(server: Server, seen: Seen, each: int) -> None:
    assert not seen.failed, (server.name, seen.failed)
    assert seen.tokens == seen.answers * each, (server.name, seen.tokens, seen.answers)


PARTS: dict[str, Callable[[Sequence[Server], Server], None]] = {
    "completions": completions,
    "tokens": tokens,
    "capacity": capacity,
}


def main(wanted: Sequence[str]) -> None:
    """Start everything, measure what is asked for, and print ratios."""
    with ExitStack() as opened:
        provider_url = opened.enter_context(servers.provider())
        direct = Server("direct", provider_url.removesuffix("/v1"), "", [])
        all_servers = [
            opened.enter_context(servers.relay(provider_url)),
            *(
                opened.enter_context(start(provider_url, each))
                for start in (servers.stack, servers.larder)
                for each in ("gevent", "gthread")
            ),
        ]
        for part in wanted or PARTS:
            PARTS[part](all_servers, direct)


if __name__ == "__main__":
    main(sys.argv[1:])
