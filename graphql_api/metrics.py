"""What this process measures of itself, for Prometheus."""

from prometheus_client import Gauge, Histogram

OPERATION_SECONDS = Histogram(
    "sferum_graphql_operation_seconds",
    "How long a GraphQL operation, or one message of a subscription, took.",
    ["type", "outcome"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
SOCKETS = Gauge("sferum_websockets", "WebSockets that are open.")
SUBSCRIPTIONS = Gauge("sferum_websocket_operations", "Operations that run on WebSockets.")
OVERDUE = Gauge("sferum_overdue_videoconferences", "Videoconferences whose next step is due and not done.")
UNDELIVERED = Gauge("sferum_undelivered_events", "Events in the outbox that are not handed on yet.")
