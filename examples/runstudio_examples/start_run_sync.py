"""As ``start_run``, for a program that is not async: ``python -m runstudio_examples.start_run_sync``."""

import psycopg

from engine import Engine

REMINDER = {"at": "2026-01-01T09:00:00Z", "to": "office@shop.example", "text": "Call the carrier."}


def main() -> None:
    with Engine.sync(actor="notes") as engine:
        with psycopg.connect(engine.database_url) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS example_notes (run_id uuid PRIMARY KEY, note text)")
            run = engine.runs.start("reminder", REMINDER, connection=connection)
            connection.execute("INSERT INTO example_notes VALUES (%s, %s)", [run.run_id, REMINDER["text"]])
        done = engine.runs.wait(run.run_id, timeout=60)
        print(done.status, engine.runs.output(run.run_id).value)


if __name__ == "__main__":
    main()
