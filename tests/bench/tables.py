"""What the bench prints: tables on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

Cells = Sequence[str]


def show_machine(machine: dict[str, Any]) -> None:
    """Print what `machine.facts` gave."""
    flags = " ".join(machine["flags"]) or "no wide vectors"
    versions = " ".join(f"{name} {number}" for name, number in machine["versions"].items())
    print(f"{machine['cpu']}, {machine['cores']} cores, {flags}\n{versions}\n{machine['command']}", flush=True)


def show_case(name: str, case: dict[str, Any]) -> None:
    """Print the figures of a case and its ratios."""
    _table(_title(name, case), ("stage", "images / CPU-s", "CPU-s / GB", "load average"), list(_lines(case)))
    print("peak memory:", ", ".join(f"{who} {size / 1e6:,.0f} MB" for who, size in case["peak_rss_bytes"].items()))
    for ratio in case.get("ratios", ()):
        aim = f" (aim {ratio['aim']}{'' if ratio['met'] else ': MISSED'})" if ratio["aim"] else ""
        print(f"{ratio['text']} = {ratio['value']:.3f}{aim}")
    sys.stdout.flush()


def show_loads(taken: Sequence[dict[str, Any]], ratios: dict[str, float]) -> None:
    """Print how rows came into Milvus, and how the ways stand to each other."""
    lines = [
        (
            f"{one['way']}, {one['dim']}-d",
            *(f"{one[f'{step}_s']:.1f}" for step in ("write", "load", "index")),
            f"{one['rows_per_second']:,}",
            "{} to {}".format(*one["load_average"]),
        )
        for one in taken
    ]
    _table("rows into Milvus", ("way", "write s", "load s", "index s", "rows / s", "load average"), lines)
    for text, value in ratios.items():
        print(f"{text} = {value:.2f}")
    sys.stdout.flush()


def _title(name: str, case: dict[str, Any]) -> str:
    title = f"{name}: {case['pictures']} pictures ({case['origin']}), {case['size_bytes'] / 1e6:.1f} MB"
    return f"{title}, {case['precision']}" if "precision" in case else title


def _lines(case: dict[str, Any]) -> Iterator[Cells]:
    for name, rate in case["images_per_cpu_s"].items():
        same = [one for measurements in case["taken"] for one in measurements if one["name"] == name]
        loads = [load for one in same for load in (one["load_before"], one["load_after"])]
        yield name, f"{rate:,.1f}", f"{case['cpu_s_per_gb'][name]:,.1f}", f"{min(loads):.1f} to {max(loads):.1f}"


def _table(title: str, head: Cells, rows: Sequence[Cells]) -> None:
    if sys.stdout.isatty():
        _rich_table(title, head, rows)
        return
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    print(f"\n{title}")
    for first, *others in [head, *rows]:
        figures = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join([f"{first:<{widths[0]}}", *figures]))


def _rich_table(title: str, head: Cells, rows: Sequence[Cells]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, cell in enumerate(head):
        table.add_column(cell, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console().print("", table)


def show_figures(name: str, figures: dict[str, Any]) -> None:
    """Print the figures of a case by name, those of its parts below."""
    _table(name, ("figure", "value"), list(_named(figures)))
    sys.stdout.flush()


def _named(figures: dict[str, Any], prefix: str = "") -> Iterator[Cells]:
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _named(value, f"{prefix}{name}.")
        elif not isinstance(value, list):
            yield f"{prefix}{name}", f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
        elif not any(isinstance(one, dict) for one in value):
            yield f"{prefix}{name}", ", ".join(f"{one:,}" for one in value)
