"""What changed since the tables of models and prices were written: shutdown dates, new models, other prices.

    python benchmarks/refresh_models.py --prices model_prices_and_context_window.json [--ask]

``--prices``: litellm's price table (a file; in its repository BerriAI/litellm, or in the wheel as
``model_prices_and_context_window_backup.json``). It holds shutdown dates, too. ``--ask``: look at OpenAI's list of
models with $OPENAI_API_KEY, which is free. Prints what differs, rows for prices.yaml, and which of our rows could not
be checked; writes nothing. Only models that a backend declares are looked at, and prices only of those that have not
ended; ``--all``: every chat model of the table.
"""

from __future__ import annotations

import argparse
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from simbench_anthropic.backend import Anthropic, AnthropicConfig
from simbench_api import Terms
from simbench_api.prices import find_price, shipped_prices
from simbench_openai.backend import OpenAI, OpenAIConfig

HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}
FIELDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}


def terms_of(host: str, model: str) -> Terms:
    """What we declare of a model."""
    base_url = f"https://{host}/v1"
    if host == HOSTS["openai"]:
        return OpenAI(OpenAIConfig(model=model, base_url=base_url)).terms
    return Anthropic(AnthropicConfig(model=model, base_url=base_url)).terms


def chat_models(table: dict[str, Any], everything: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """Host, name and row of the chat models of litellm's table that we declare, or of all."""
    found = []
    for model, told in sorted(table.items()):
        host = HOSTS.get(str(told.get("litellm_provider")))
        if host is None or told.get("mode") != "chat" or "/" in model or not told.get(FIELDS["input"]):
            continue
        if everything or terms_of(host, model).capabilities().takes("json_schema") is not None:
            found.append((host, model, told))
    return found


def price_rows(table: dict[str, Any], everything: bool = False) -> list[str]:
    """Rows for prices.yaml, in US dollars per million tokens, where the shipped table has another price or none."""
    rows = []
    for host, model, told in chat_models(table, everything):
        if (terms_of(host, model).shutdown() or "9") <= date.today().isoformat() and not everything:
            continue
        new = {name: round(told[key] * 1e6, 6) for name, key in FIELDS.items() if told.get(key)}
        old = find_price(host, model)
        if old is None or any(getattr(old, name) != value for name, value in new.items()):
            words = ", ".join(f"{name}: {value}" for name, value in new.items())
            rows.append(f"  - {{host: {host}, model: {model}, {words}}}  # {'new' if old is None else 'other price'}")
    return rows


def date_rows(table: dict[str, Any], everything: bool = False) -> list[str]:
    """Models whose shutdown date in litellm's table is not the declared one."""
    rows = []
    for host, model, told in chat_models(table, everything):
        declared = terms_of(host, model).shutdown()
        if told.get("deprecation_date") != declared:
            rows.append(f"{model}: shut down {told.get('deprecation_date')}, declared {declared}")
    return rows


def unchecked_rows(table: dict[str, Any]) -> list[str]:
    """Rows of prices.yaml that no model of litellm's table is priced by."""
    used = {find_price(host, model) for host, model, _ in chat_models(table, everything=True)}
    return [f"{row.host} {row.model}: not in that table" for row in shipped_prices() if row not in used]


def shutdown_rows(listed: list[dict[str, Any]]) -> list[str]:
    """Models whose announced shutdown date is not the declared one, and chat models that are not declared."""
    rows = []
    for each in sorted(listed, key=lambda row: str(row["id"])):
        terms = terms_of(HOSTS["openai"], each["id"])
        told = each.get("shutdown_date")
        if told != terms.shutdown():
            rows.append(f"{each['id']}: shut down {told}, declared {terms.shutdown()}")
        if str(each["id"]).startswith(("gpt-", "o")) and not terms.capabilities().known:
            rows.append(f"{each['id']}: not declared")
    return rows


def main() -> None:
    """Print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--ask", action="store_true")
    chosen = parser.parse_args()
    if chosen.prices is not None:
        table = json.loads(chosen.prices.read_text("utf-8"))
        print("\n".join(price_rows(table, chosen.all)) or "all prices are as shipped")
        print("\n".join(date_rows(table, chosen.all)) or "all dates are as declared")
        print("\n".join(unchecked_rows(table)) or "every shipped price was checked")
    if chosen.ask:
        import openai

        client = openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"])
        listed = [each.to_dict() for each in client.models.list()]
        print("\n".join(shutdown_rows(listed)) or "all dates are as declared")


if __name__ == "__main__":
    main()
