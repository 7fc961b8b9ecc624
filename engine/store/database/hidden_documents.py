# ruff: noqa: S608 - statements are put together from our own fragments; every value is a bound parameter
"""Which documents hold what is hidden in a run: they are listed here, and what is in them.

A copy of a hidden value can be anywhere in its run, so whoever shows a run asks for the documents its values come from: the
payloads of the run, of those above it and of those it replays; and in the whole tree of the run the events it took, the answers
of people, and what actions were given and answered.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import TextClause, text

Json = Any

SENSITIVE_SCHEMAS: Final = "sensitive"
"""In ``action_traits`` of a version: the schemas of an action that mark something, ``{"input": ..., "output": ...}``."""
MAX_DOCUMENTS: Final = 20_000
"""Of the runs that are asked for together."""
MAX_OUTPUTS: Final = 200
"""Latest outputs of one run's actions, beside those of actions that mark something."""
MAX_HOPS: Final = 32
"""How far up a run is followed."""

_FOUND: Final = """
    WITH RECURSIVE line AS (
        SELECT r.run_id AS of_run, r.run_id, coalesce(r.root_run_id, r.run_id) AS root, r.parent_run_id, r.replay_of_run_id,
            r.workflow_id, r.workflow_version, 0 AS hops,
            r.bodies_deleted_at IS NULL AS own, false AS gone
        FROM workflow_runs AS r
        WHERE r.run_id = ANY(<runs>) AND r.tenant = CAST(:tenant AS uuid)
        UNION
        SELECT l.of_run, p.run_id, coalesce(p.root_run_id, p.run_id), p.parent_run_id, p.replay_of_run_id, p.workflow_id,
            p.workflow_version, l.hops + 1, l.own, p.run_id = l.parent_run_id AND p.bodies_deleted_at IS NOT NULL
        FROM line AS l
        JOIN workflow_runs AS p ON p.run_id = ANY(ARRAY[l.parent_run_id, l.replay_of_run_id])
            AND p.tenant = CAST(:tenant AS uuid)
        WHERE l.hops < :hops
    ), roots AS (SELECT DISTINCT root FROM line),
    own AS (SELECT DISTINCT run_id FROM line),
    members AS (
        SELECT root, root AS run_id FROM roots
        UNION ALL
        SELECT o.root, m.run_id FROM roots AS o
        JOIN workflow_runs AS m ON m.tenant = CAST(:tenant AS uuid) AND m.root_run_id = o.root
    ), marked AS (
        SELECT m.root, m.run_id, v.action_traits, v.updated_at FROM members AS m
        CROSS JOIN LATERAL (
            SELECT o.tenant, o.workflow_id, o.workflow_version FROM workflow_runs AS o WHERE o.run_id = m.run_id LIMIT 1
        ) AS r
        JOIN workflow_definition_versions AS v
            ON v.tenant = r.tenant AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
        WHERE jsonb_path_exists(v.action_traits, '$.*.sensitive')
    ), taken AS (
        SELECT m.root, w.matched_event_id AS event_id FROM members AS m
        JOIN workflow_run_waits AS w ON w.run_id = m.run_id WHERE w.matched_event_id IS NOT NULL
        UNION
        SELECT m.root, d.event_id FROM members AS m
        JOIN workflow_event_deliveries AS d ON d.run_id = m.run_id WHERE d.event_id IS NOT NULL
    ), listed AS (
        SELECT * FROM (
            SELECT 'run' AS kind, CAST(l.of_run AS text) AS of, CAST(l.root AS text) AS id,
                coalesce(CAST(v.updated_at AS text), '') AS stamp,
                CAST(l.run_id AS text) AS member, l.own AND (l.gone OR l.parent_run_id IS NOT NULL
                    AND (SELECT true FROM workflow_runs AS above WHERE above.run_id = l.parent_run_id LIMIT 1) IS NULL) AS gone
            FROM line AS l
            LEFT JOIN workflow_definition_versions AS v
                ON v.tenant = CAST(:tenant AS uuid) AND v.workflow_id = l.workflow_id AND v.version = l.workflow_version
            UNION ALL
            SELECT 'event', CAST(t.root AS text), t.event_id, concat(e.created_at, ' ', s.updated_at), NULL, false
            FROM taken AS t
            JOIN workflow_runtime_events AS e ON e.tenant = CAST(:tenant AS uuid) AND e.event_id = t.event_id
            LEFT JOIN workflow_payload_schemas AS s ON s.tenant = e.tenant AND s.ref = e.payload_schema_ref
            UNION ALL
            SELECT 'event', '', e.event_id, concat(e.created_at, ' ', s.updated_at), NULL, false
            FROM workflow_runtime_events AS e
            LEFT JOIN workflow_payload_schemas AS s ON s.tenant = e.tenant AND s.ref = e.payload_schema_ref
            WHERE e.tenant = CAST(:tenant AS uuid) AND e.event_id = ANY(<events>)
            UNION ALL
            SELECT 'answer', CAST(m.root AS text), CAST(t.task_id AS text), coalesce(CAST(f.updated_at AS text), ''), NULL, false
            FROM members AS m
            JOIN workflow_human_tasks AS t ON t.run_id = m.run_id AND t.response_json IS NOT NULL
            LEFT JOIN workflow_task_forms AS f ON f.tenant = t.tenant AND f.task_type = t.task_type
            UNION ALL
            SELECT 'attempt', CAST(m.root AS text), CAST(i.invocation_id AS text), i.status || CAST(m.updated_at AS text),
                NULL, false
            FROM marked AS m
            JOIN workflow_action_invocations AS i ON i.run_id = m.run_id
                AND m.action_traits -> (i.action_id || '@' || i.action_version) -> 'sensitive' IS NOT NULL
            UNION ALL
            SELECT 'output', CAST(own.run_id AS text), CAST(i.invocation_id AS text), '', NULL, false
            FROM own CROSS JOIN LATERAL (
                SELECT a.invocation_id FROM workflow_action_invocations AS a
                WHERE a.run_id = own.run_id AND a.status = 'SUCCEEDED'
                ORDER BY a.created_at DESC, a.invocation_id DESC LIMIT :outputs
            ) AS i
        ) AS every LIMIT :most
    )
"""
LISTED: Final[TextClause] = text(
    _FOUND.replace("<runs>", "CAST(:runs AS uuid[])").replace("<events>", "CAST(:events AS text[])")
    + "SELECT * FROM listed"
)
"""``run``: of this run, the root ``id`` of a tree and a run ``member`` whose payload counts. Else a document ``id`` of the root,
or of the run (``output``), ``of``; ``stamp`` changes when what is hidden in it may have. ``gone``: a run above it was deleted, or
the payload of one, and its own was not: what is a copy cannot be told any more."""

_DIGESTS: Final = """
    SELECT kind, of, id, stamp, member, gone, 1 AS documents FROM listed WHERE kind = 'run' OR of = ''
    UNION ALL
    SELECT kind, of, '', encode(sha256(convert_to(CAST(array_agg(ARRAY[id, stamp] ORDER BY id, stamp) AS text), 'UTF8')), 'hex'),
        NULL, false, CAST(count(*) AS int)
    FROM listed WHERE kind <> 'run' AND of <> '' GROUP BY kind, of
"""
_SHOWN: Final = """
    WITH RECURSIVE shown AS MATERIALIZED (<page>),
    named AS (SELECT <run> AS run_id, <event> AS event_id FROM shown WHERE <telling>),
"""
DIGESTED: Final[TextClause] = text(
    _FOUND.replace("<runs>", "ARRAY(SELECT run_id FROM named)").replace("<events>", "ARRAY(SELECT event_id FROM named)")
    + _DIGESTS
)
"""For the runs and events ``named``, which stand before it (``digested``): the rows of ``LISTED``, but for the documents of each
root and run together one row of each kind, whose ``stamp`` changes when there are others."""


def digested(page: str, statement: str, run: str | None, event: str | None, texts: tuple[str, ...]) -> str:
    """``statement``, which is ``DIGESTED`` as the driver takes it, for what another statement, ``page``, shows: the run and the
    event in these columns of each row in which one of the columns ``texts`` is not null.
    """
    shown = (
        _SHOWN.replace("<run>", run or "CAST(NULL AS uuid)")
        .replace("<event>", event or "CAST(NULL AS text)")
        .replace("<telling>", " OR ".join(f"{name} IS NOT NULL" for name in texts))
        .replace("<page>", page)
    )
    return statement.replace("WITH RECURSIVE", shown, 1)


CONTENTS: Final[TextClause] = text("""
    SELECT 'payload' AS kind, CAST(r.run_id AS text) AS id, r.input_json AS document, v.payload_schema_json AS schema
    FROM workflow_runs AS r
    LEFT JOIN workflow_definition_versions AS v
        ON v.tenant = r.tenant AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
    WHERE r.run_id = ANY(CAST(:payloads AS uuid[])) AND r.tenant = CAST(:tenant AS uuid) AND r.input_json IS NOT NULL
    UNION ALL
    SELECT 'event', e.event_id, e.payload, s.schema_json
    FROM workflow_runtime_events AS e
    LEFT JOIN workflow_payload_schemas AS s ON s.tenant = e.tenant AND s.ref = e.payload_schema_ref
    WHERE e.tenant = CAST(:tenant AS uuid) AND e.event_id = ANY(CAST(:events AS text[]))
    UNION ALL
    SELECT 'answer', CAST(t.task_id AS text), t.response_json, f.schema_json
    FROM workflow_human_tasks AS t
    LEFT JOIN workflow_task_forms AS f ON f.tenant = t.tenant AND f.task_type = t.task_type
    WHERE t.task_id = ANY(CAST(:answers AS uuid[])) AND t.tenant = CAST(:tenant AS uuid)
    UNION ALL
    SELECT 'attempt', CAST(i.invocation_id AS text), jsonb_build_object(
            'input', coalesce(i.input_json, (SELECT p.value_json FROM workflow_payloads AS p
                WHERE p.payload_id = i.input_ref AND p.run_id = i.run_id AND p.tenant = i.tenant)),
            'output', coalesce(i.output_json, (SELECT p.value_json FROM workflow_payloads AS p
                WHERE p.payload_id = i.output_ref AND p.run_id = i.run_id AND p.tenant = i.tenant))
        ), v.action_traits -> (i.action_id || '@' || i.action_version) -> 'sensitive'
    FROM workflow_action_invocations AS i
    JOIN workflow_runs AS r ON r.run_id = i.run_id
    LEFT JOIN workflow_definition_versions AS v
        ON v.tenant = r.tenant AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
    WHERE i.invocation_id = ANY(CAST(:attempts AS uuid[])) AND i.tenant = CAST(:tenant AS uuid)
    UNION ALL
    SELECT 'output', CAST(i.invocation_id AS text), coalesce(i.output_json, (SELECT p.value_json FROM workflow_payloads AS p
            WHERE p.payload_id = i.output_ref AND p.run_id = i.run_id AND p.tenant = i.tenant)), NULL
    FROM workflow_action_invocations AS i
    WHERE i.invocation_id = ANY(CAST(:outputs AS uuid[])) AND i.tenant = CAST(:tenant AS uuid)
""")
"""Documents by their ids, with the schema that marks places in them; that of an attempt is ``{"input": ..., "output": ...}``."""

SCHEMAS: Final[TextClause] = text("""
    SELECT v.payload_schema_json AS payload, v.action_traits AS actions
    FROM workflow_runs AS r
    LEFT JOIN workflow_definition_versions AS v
        ON v.tenant = r.tenant AND v.workflow_id = r.workflow_id AND v.version = r.workflow_version
    WHERE r.run_id = CAST(:run_id AS uuid) AND r.tenant = CAST(:tenant AS uuid)
""")
"""The schemas of one run: of its payload, and of its actions in ``action_traits``."""
