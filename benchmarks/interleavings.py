"""Every interleaving of two writers and two or three readers: minutes, where the suite has seconds.

    python -m benchmarks.interleavings

Prints, for each protocol, the states that were visited, the steps that served something older than
what was acknowledged, and the quiet states in which an entry differed from the database.
"""

import time

from tests.oracles.interleaving import BAD, OURS, search

__all__: list[str] = []

SIZES = (
    (2, 3, ()),
    (2, 2, ("flush", "save", "restore")),
    (2, 2, ("purge",)),
)


def _main() -> None:
    for writers, readers, faults in SIZES:
        print(f"\n{writers} writers, {readers} readers, faults: {', '.join(faults) or 'none'}")
        for name, protocol in {**OURS, **BAD}.items():
            began = time.process_time()
            found = search(protocol, writers=writers, readers=readers, faults=faults)
            took_s = time.process_time() - began
            print(
                f"  {name:42} {found.states:9,} states {found.stale:6,} stale"
                f" {found.wrong:5,} wrong {took_s:6.1f} s",
                flush=True,
            )


if __name__ == "__main__":
    _main()
