"""A terminal in and out: parse, call one service, print."""

from flask import Blueprint

from cli import cache, costs, prepare

__all__ = ["COMMANDS"]

COMMANDS: tuple[Blueprint, ...] = (
    prepare.commands,
    cache.warm_commands,
    cache.commands,
    costs.commands,
)
