"""HTTP in and out: parse, authorise, call one service, serialise."""

from blueprints import (
    audit_logs,
    files,
    keys,
    me,
    models,
    operations,
    providers,
    streaming,
    users,
    workspaces,
)
from blueprints.anthropic import messages as anthropic_messages
from blueprints.cache_admin import keys as cache_keys
from blueprints.cache_admin import namespaces as cache_namespaces
from blueprints.cache_admin import stats as cache_stats
from blueprints.cache_admin import warming as cache_warming
from blueprints.conversations import answers, folders, messages, search, threads, transfer
from blueprints.costs import budgets, pricing, records, usage
from blueprints.http.bodies import Routes
from blueprints.openai import chat as openai_chat
from blueprints.openai import embeddings as openai_embeddings
from blueprints.openai import models as openai_models

__all__ = ["BLUEPRINTS"]

BLUEPRINTS: tuple[Routes, ...] = (
    operations.routes,
    models.routes,
    providers.routes,
    folders.routes,
    threads.routes,
    search.routes,
    transfer.routes,
    messages.routes,
    answers.routes,
    streaming.routes,
    openai_models.routes,
    openai_chat.routes,
    openai_embeddings.routes,
    anthropic_messages.routes,
    me.routes,
    users.routes,
    keys.routes,
    workspaces.routes,
    files.routes,
    cache_stats.routes,
    cache_namespaces.routes,
    cache_keys.routes,
    cache_warming.routes,
    audit_logs.routes,
    usage.routes,
    records.routes,
    pricing.routes,
    budgets.routes,
)
