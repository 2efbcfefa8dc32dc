"""A terminal in and out: parse, call one service, print."""

from flask import Blueprint

from cli import admin, cache, costs, models, prepare

__all__ = ["COMMANDS"]

COMMANDS: tuple[Blueprint, ...] = (
    admin.commands,
    prepare.commands,
    cache.warm_commands,
    cache.commands,
    costs.commands,
    models.commands,
)
