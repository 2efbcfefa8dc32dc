"""The source as the architecture's tests look at it: files, and what stands in them.

What looks into a file takes its text, so that each rule is tried on a text that breaks it.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "ROOT",
    "home_of_tests",
    "imported_names",
    "imported_packages",
    "listed_names",
    "method_calls",
    "module_of",
    "packages",
    "python_files",
    "source_files",
    "top_names",
]

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCE = {"tests", "benchmarks", "migrations"}


def python_files() -> list[Path]:
    """Every Python file of the repository, by its path from the root."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return sorted(path for path in found if not _is_foreign(path))


def source_files() -> list[Path]:
    """Every Python file of the application."""
    return [path for path in python_files() if path.parts[0] not in NOT_SOURCE]


def packages() -> set[str]:
    """The application's top-level packages: folders at the root that have code."""
    return {path.parts[0] for path in source_files() if len(path.parts) > 1}


def home_of_tests(source: Path) -> Path:
    """Where the tests of a source file are: the same folder under `tests`, the same name."""
    stem = source.stem.replace(".", "_")
    return Path("tests") / source.with_name(f"test_{stem}.py")


def module_of(path: Path) -> str:
    """The name that a file is imported by."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_packages(text: str) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def imported_names(text: str) -> Iterator[tuple[str, str]]:
    """What a file takes from where, as (module, name): by import, or through an imported module."""
    tree = ast.parse(text)
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield node.module, alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id)
            if module is not None:
                yield module, node.attr


def listed_names(text: str) -> list[str] | None:
    """A module's `__all__`, or `None` where it has none."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def top_names(text: str) -> set[str]:
    """The names that a module has at its top level, imported ones included."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
        else:
            stored = (each for each in ast.walk(node) if isinstance(each, ast.Name))
            found |= {each.id for each in stored if isinstance(each.ctx, ast.Store)}
    return found


def method_calls(text: str, method: str) -> list[int]:
    """The lines on which something's `method` is called."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


def _is_foreign(path: Path) -> bool:
    """Whether a file is an environment's or a tool's own."""
    return any(part.startswith(".") or part in {"build", "node_modules"} for part in path.parts)
