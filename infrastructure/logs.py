"""Logs: one JSON object a line on stderr, from whichever library, so that no value can forge a line (promise P12)."""

import logging
import sys
import traceback

import structlog

_QUIET = {
    # These print addresses with their parameters: codes, states.
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "arq": logging.WARNING,
    "alembic": logging.WARNING,
}
MOST_FRAMES = 20


def configure(level: str, part: str) -> None:
    """Everything that this process logs, structlog's and the standard library's, as JSON lines that name the part."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        _where_it_broke,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(part=part)

    def name_part(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event.setdefault("part", part)
        # uvicorn's own second wording, for terminals.
        event.pop("color_message", None)
        return event

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                name_part,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, logging.getLevelName(level)))


def _where_it_broke(logger: object, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The kinds of an error and of its causes and the lines they came from: their words may hold a person's name."""
    given = event.pop("exc_info", None)
    match given:
        case BaseException():
            error: BaseException | None = given
        case (_, error, _):
            pass
        case _:
            error = sys.exc_info()[1] if given else None
    lines: list[str] = []
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
        lines += [f"{type(error).__module__}.{type(error).__qualname__}"]
        lines += [f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        error = error.__cause__ or error.__context__
    if lines:
        event["exception"] = "\n".join(lines)
    return event
