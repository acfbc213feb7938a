#!/usr/bin/env python3
"""Shreds enriched TSV with DuckDB (PyPI package `duckdb`): the work of `camonica-engine shred` without validation.

In: --input, a folder of enriched TSV; out: --output with good/atomic-events, good/shredded-types and bad. Started by
`benches/pipeline --peer duckdb`, which compares the lines by type with ours.

What it does: split columns; check id, two timestamps and the syntax of three JSON columns; explode contexts, unstruct event
and derived contexts into one line for each self-describing JSON, with schema object and hierarchy; write by vendor, name,
format and version; atomic lines without JSON columns, cut to their widths; natural duplicates once, synthetic ones with new
ids (`uuid()`) and the duplicate context; bad rows as JSON. What it leaves out: JSON Schema, the exact messages of bad rows,
a commit that is seen whole or not at all.
"""

import argparse
import os
import re

import duckdb

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LEAST_COLUMNS = 108
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
JSON_COLUMNS = ["contexts", "unstruct_event", "derived_contexts"]
# No input has these: quoting is off, and an empty column is an empty text.
NO_NULL = "\\N\\N"
LINE_ONLY = "FORMAT csv, HEADER false, DELIMITER '\x1f', QUOTE '', ESCAPE '', NULLSTR ''"


def columns():
    """Names and widths of the columns of an enriched event, from the engine's table."""
    with open(os.path.join(PROJECT, "engine/src/event/fields.rs")) as text:
        found = re.findall(r'^\s+\w+ = "(\w+)", \w+, (?:Some\((\d+)\)|None);', text.read(), re.M)
    if len(found) != 131:
        raise SystemExit(f"the engine's table has {len(found)} columns instead of 131")
    return [(name, int(width) if width else None) for name, width in found]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gzip", action="store_true", help="compress the good files")
    return parser.parse_args()


def read(db, folder, fields):
    """Table `raw`: all columns as text (NULL where the line is too short), and where the line stands."""
    types = ", ".join(f"'{name}': 'VARCHAR'" for name, _ in fields)
    db.execute(f"""
        CREATE TEMP TABLE raw AS SELECT row_number() OVER () AS place, *
        FROM read_csv('{folder}/*', auto_detect = false, header = false, delim = '\t', quote = '', escape = '',
                      nullstr = '{NO_NULL}', columns = {{{types}}}, null_padding = true, strict_mode = false,
                      max_line_size = 16777216)""")


def check(db, fields):
    """Table `wrong`: places of bad lines and why."""
    is_json = " AND ".join(f"(coalesce({name}, '') = '' OR json_valid({name}))" for name in JSON_COLUMNS)
    db.execute(f"""
        CREATE TEMP TABLE wrong AS SELECT place, CASE
            WHEN {fields[LEAST_COLUMNS - 1][0]} IS NULL THEN 'Line does not match Snowplow enriched event'
            WHEN NOT regexp_full_match(event_id, '{UUID}') THEN 'Field [event_id]: [' || event_id || '] is not a valid UUID'
            WHEN try_strptime(collector_tstamp, '%Y-%m-%d %H:%M:%S.%g') IS NULL
              OR try_strptime(etl_tstamp, '%Y-%m-%d %H:%M:%S.%g') IS NULL THEN 'Timestamp is not in the expected format'
            WHEN NOT ({is_json}) THEN 'Field is not JSON'
            END AS message FROM raw WHERE message IS NOT NULL""")


def deduplicate(db):
    """Table `fate`: for ids that occur more than once, whether each line stays, and its new id."""
    db.execute("""
        CREATE TEMP TABLE fate AS
        WITH good AS (SELECT place, event_id, nullif(event_fingerprint, '') AS fingerprint, etl_tstamp
                      FROM raw WHERE place NOT IN (SELECT place FROM wrong)),
             several AS (SELECT event_id FROM good GROUP BY event_id HAVING count(*) > 1),
             ranked AS (SELECT place, event_id, fingerprint IS NULL OR row_number() OVER (
                            PARTITION BY event_id, fingerprint ORDER BY etl_tstamp, place) = 1 AS stays
                        FROM good WHERE event_id IN (SELECT event_id FROM several)),
             kept AS (SELECT place, count(*) OVER (PARTITION BY event_id) AS others FROM ranked WHERE stays)
        SELECT place, stays, CASE WHEN others > 1 THEN uuid()::VARCHAR END AS new_id
        FROM ranked LEFT JOIN kept USING (place)""")
    # no lateral work on this view: each reader of it picks the columns that it needs
    db.execute("""
        CREATE TEMP VIEW event AS SELECT raw.*, new_id, coalesce(new_id, event_id) AS root_id
        FROM raw LEFT JOIN fate USING (place)
        WHERE place NOT IN (SELECT place FROM wrong) AND coalesce(stays, true)""")


def write_atomic(db, folder, fields, compression):
    os.makedirs(folder)
    cells = []
    for index, (name, width) in enumerate(fields):
        if name in JSON_COLUMNS:
            continue
        text = "root_id" if name == "event_id" else name
        if index >= LEAST_COLUMNS:
            text = f"coalesce({text}, '')"
        cells.append(f"left({text}, {width})" if width else text)
    # one text column, for which nothing has to be quoted
    line = "concat_ws('\t', " + ", ".join(cells) + ")"
    db.execute(f"COPY (SELECT {line} FROM event) TO '{folder}/part-00000.txt' ({LINE_ONLY}{compression})")


def write_types(db, folder, compression):
    """One line for each self-describing JSON, in folders by type."""
    explode = "unnest(json_extract({0}, '$.data[*]'))"
    some = "SELECT root_id, collector_tstamp, {1} AS json FROM event WHERE {0} <> ''"
    parts = [some.format("contexts", explode.format("contexts"))]
    parts += [some.format("derived_contexts", explode.format("derived_contexts"))]
    parts += [some.format("unstruct_event", "json_extract(unstruct_event, '$.data')")]
    db.execute(f"""
        COPY (
            WITH json AS ({" UNION ALL ".join(parts)}),
                 taken AS (SELECT root_id, collector_tstamp, json_extract(json, '$.data')::VARCHAR AS data,
                                  string_split(substr(json_extract_string(json, '$.schema'), 6), '/') AS key FROM json
                           UNION ALL
                           SELECT root_id, collector_tstamp, '{{"originalEventId":"' || event_id || '"}}',
                                  ['com.snowplowanalytics.snowplow', 'duplicate', 'jsonschema', '1-0-0']
                           FROM event WHERE new_id IS NOT NULL)
            SELECT '{{"schema":{{"vendor":"' || key[1] || '","name":"' || key[2] || '","format":"' || key[3]
                   || '","version":"' || key[4] || '"}},"data":' || data || ',"hierarchy":{{"rootId":"' || root_id
                   || '","rootTstamp":"' || collector_tstamp || '","refRoot":"events","refTree":["events","' || key[2]
                   || '"],"refParent":"events"}}}}' AS line,
                   key[1] AS vendor, key[2] AS name, key[3] AS format, key[4] AS version
            FROM taken
        ) TO '{folder}' ({LINE_ONLY}{compression}, PARTITION_BY (vendor, name, format, version))""")


def write_bad(db, folder, fields):
    os.makedirs(folder)
    line = "concat_ws('\t', " + ", ".join(name for name, _ in fields) + ")"
    db.execute(f"""
        COPY (SELECT to_json({{line: {line}, errors: [{{level: 'error', message: message}}],
                               failure_tstamp: strftime(now()::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%gZ')}})::VARCHAR
              FROM raw JOIN wrong USING (place)) TO '{folder}/part-00000.txt' ({LINE_ONLY})""")


def main():
    options = arguments()
    fields = columns()
    compression = ", COMPRESSION gzip" if options.gzip else ""
    db = duckdb.connect(":memory:")
    db.execute(f"SET threads = {options.threads}")
    db.execute("SET preserve_insertion_order = false")
    read(db, options.input, fields)
    check(db, fields)
    deduplicate(db)
    good = os.path.join(options.output, "good")
    write_atomic(db, os.path.join(good, "atomic-events"), fields, compression)
    write_types(db, os.path.join(good, "shredded-types"), compression)
    write_bad(db, os.path.join(options.output, "bad"), fields)


if __name__ == "__main__":
    main()
