"""A terminal in and out: parse, call one service, print."""

from flask import Blueprint

__all__ = ["COMMANDS"]

COMMANDS: tuple[Blueprint, ...] = ()
