"""HTTP in and out: parse, authorise, call one service, serialise."""

from blueprints import audit_logs, models, operations, providers, streaming
from blueprints.conversations import answers, folders, messages, threads
from blueprints.costs import budgets, pricing, records, usage
from blueprints.http.bodies import Routes
from blueprints.openai import chat as openai_chat
from blueprints.openai import models as openai_models

__all__ = ["BLUEPRINTS"]

BLUEPRINTS: tuple[Routes, ...] = (
    operations.routes,
    models.routes,
    providers.routes,
    folders.routes,
    threads.routes,
    messages.routes,
    answers.routes,
    streaming.routes,
    openai_models.routes,
    openai_chat.routes,
    audit_logs.routes,
    usage.routes,
    records.routes,
    pricing.routes,
    budgets.routes,
)
