"""Reads enriched events with the analytics SDK of PyPI, `snowplow-analytics-sdk`.

    python read_enriched.py <folder with part files>

Prints a JSON object for each line of the part files: `{"event": ..., "millis": ...}` with what the SDK made of the line
and its timestamps once more, as milliseconds since the epoch, or `{"refused": [...], "line": ...}` with the SDK's errors.
"""

import calendar
import json
import pathlib
import sys
import time

from snowplow_analytics_sdk.event_transformer import transform
from snowplow_analytics_sdk.snowplow_event_transformation_exception import (
    SnowplowEventTransformationException,
)


def millis(text):
    """Milliseconds since the epoch of the SDK's form of a timestamp, such as `2018-07-24T10:15:30.123Z`."""
    seconds, fraction = text.split(".")
    if len(fraction) != 4 or not fraction.endswith("Z"):
        raise ValueError("not a timestamp with milliseconds: " + text)
    return calendar.timegm(time.strptime(seconds, "%Y-%m-%dT%H:%M:%S")) * 1000 + int(
        fraction[:3]
    )


def read(line):
    try:
        event = transform(line)
    except SnowplowEventTransformationException as error:
        return {"refused": error.error_messages, "line": line}
    return {
        "event": event,
        "millis": {
            name: millis(value)
            for name, value in event.items()
            if name.endswith("_tstamp")
        },
    }


def main(folder):
    for path in sorted(pathlib.Path(folder).glob("part-*")):
        # Only a line feed ends a line of the output; texts may hold anything else that Python takes for an end.
        with open(path, encoding="utf-8", newline="\n") as file:
            for line in file:
                print(json.dumps(read(line.rstrip("\n"))))


if __name__ == "__main__":
    main(sys.argv[1])
