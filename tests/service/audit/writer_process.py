"""A process that stores predictions until it is killed, telling each id once it is stored."""

import asyncio
import sys
from pathlib import Path

from service.audit.heads import SigningInterval
from service.audit.store import Store
from tests.service.audit.stores import a_record


async def _write(store: Store) -> None:
    async def one_after_another() -> None:
        while True:
            record = a_record()
            await store.append([record])
            sys.stdout.write(record.prediction_id + "\n")
            sys.stdout.flush()

    await asyncio.gather(*(one_after_another() for _ in range(8)))


if __name__ == "__main__":
    url, key_file = sys.argv[1:]
    asyncio.run(_write(Store.open(url, Path(key_file), interval=SigningInterval(rows=50))))
