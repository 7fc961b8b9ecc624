"""A note and its reminder in one transaction: ``python -m runstudio_examples.start_run`` beside a worker of the examples."""

import asyncio

import psycopg

from engine import Engine

REMINDER = {"at": "2026-01-01T09:00:00Z", "to": "office@shop.example", "text": "Call the carrier."}


async def main() -> None:
    async with Engine.from_env(actor="notes") as engine:
        async with await psycopg.AsyncConnection.connect(engine.database_url) as connection:
            await connection.execute("CREATE TABLE IF NOT EXISTS example_notes (run_id uuid PRIMARY KEY, note text)")
            run = await engine.runs.start("reminder", REMINDER, connection=connection)
            await connection.execute("INSERT INTO example_notes VALUES (%s, %s)", [run.run_id, REMINDER["text"]])
        done = await engine.runs.wait(run.run_id, timeout=60)
        print(done.status, (await engine.runs.output(run.run_id)).value)


if __name__ == "__main__":
    asyncio.run(main())
