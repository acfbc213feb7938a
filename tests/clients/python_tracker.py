"""Plays a plan of events with the tracker of PyPI, `snowplow-tracker`.

    python python_tracker.py <plan.json> <port of the collector on 127.0.0.1>

Prints, as one JSON array, which event id the tracker gave to which event of the plan. Ends with an error when the
collector did not take every event: nothing may get lost before it reaches the log.
"""

import json
import sys
import warnings

from snowplow_tracker import (
    Emitter,
    PagePing,
    PageView,
    ScreenView,
    SelfDescribing,
    SelfDescribingJson,
    StructuredEvent,
    Subject,
    Tracker,
)

# The helper for transactions is deprecated, and still the only one.
warnings.simplefilter("ignore", DeprecationWarning)

TIMEOUT_SECONDS = 60


class NotedTracker(Tracker):
    """Notes the ids of all events: the helper for transactions does not return them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.event_ids = []

    def track(self, event):
        event_id = super().track(event)
        self.event_ids.append(event_id)
        return event_id


def self_describing(described):
    return SelfDescribingJson(described["schema"], described["data"])


def track(tracker, event):
    """Tracks what one entry of the plan stands for: one event, or a transaction and its items."""
    kind = event["kind"]
    extra = {"context": [self_describing(context) for context in event["contexts"]]}
    if kind == "transaction":
        tracker.track_ecommerce_transaction(
            event["order_id"],
            event["total"],
            affiliation=event["affiliation"],
            tax_value=event["tax"],
            shipping=event["shipping"],
            city=event["city"],
            state=event["state"],
            country=event["country"],
            currency=event["currency"],
            items=[dict(item) for item in event["items"]],
            **extra,
        )
        return
    extra["true_timestamp"] = event.get("true_tstamp")
    if kind == "page_view":
        tracked = PageView(event["url"], event["title"], event["referrer"], **extra)
    elif kind == "page_ping":
        min_x, max_x, min_y, max_y = event["offsets"]
        tracked = PagePing(
            event["url"],
            event["title"],
            event["referrer"],
            min_x=min_x,
            max_x=max_x,
            min_y=min_y,
            max_y=max_y,
            **extra,
        )
    elif kind == "struct":
        tracked = StructuredEvent(
            event["category"],
            event["action"],
            label=event["label"],
            property_=event["property"],
            value=event["value"],
            **extra,
        )
    elif kind == "self_describing":
        tracked = SelfDescribing(self_describing(event["event"]), **extra)
    elif kind == "screen_view":
        tracked = ScreenView(id_=event["id"], name=event["screen"], **extra)
    else:
        raise ValueError("unknown kind of event: " + kind)
    tracker.track(tracked)


def describe(plan):
    subject = Subject()
    subject.set_platform(plan["platform"])
    subject.set_user_id(plan["user_id"])
    subject.set_ip_address(plan["ip"])
    subject.set_useragent(plan["useragent"])
    subject.set_lang(plan["lang"])
    subject.set_timezone(plan["timezone"])
    subject.set_color_depth(plan["color_depth"])
    subject.set_screen_resolution(*plan["resolution"])
    subject.set_viewport(*plan["viewport"])
    subject.set_domain_user_id(plan["domain_user_id"])
    subject.set_domain_session_id(plan["session_id"])
    subject.set_domain_session_index(plan["session_index"])
    subject.set_network_user_id(plan["network_user_id"])
    return subject


def send(sender, port):
    taken = []
    refused = []
    emitter = Emitter(
        "127.0.0.1",
        protocol="http",
        port=port,
        method=sender["method"],
        batch_size=sender["batch"],
        on_success=taken.extend,
        on_failure=lambda _, events: refused.extend(events),
        request_timeout=TIMEOUT_SECONDS,
    )
    tracker = NotedTracker(
        sender["namespace"],
        emitter,
        subject=describe(sender["subject"]) if sender["subject"] else None,
        app_id=sender["app_id"],
        encode_base64=sender["base64"],
    )
    noted = []
    for event in sender["events"]:
        before = len(tracker.event_ids)
        track(tracker, event)
        for part, event_id in enumerate(tracker.event_ids[before:]):
            noted.append(
                {
                    "sender": sender["namespace"],
                    "name": event["name"],
                    "part": part,
                    "event_id": event_id,
                }
            )
        # The emitter would try again later, from a thread that outlives this script.
        if refused:
            break
    emitter.flush()
    if refused or len(taken) != len(noted):
        emitter._cancel_retry_timer()
        raise SystemExit(
            "%s: %d events tracked, %d taken, %d refused"
            % (sender["namespace"], len(noted), len(taken), len(refused))
        )
    return noted


def main(plan_path, port):
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    noted = []
    for sender in plan["senders"]:
        noted.extend(send(sender, int(port)))
    print(json.dumps(noted))


if __name__ == "__main__":
    main(*sys.argv[1:])
