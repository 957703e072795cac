"""What changed since the tables of models and prices were written: shutdown dates, new models, other prices.

    python benchmarks/refresh_models.py --prices model_prices_and_context_window.json [--ask]

``--prices``: litellm's price table (a file; in its repository BerriAI/litellm). ``--ask``: look at OpenAI's list of
models with $OPENAI_API_KEY, which is free. Prints what differs, and rows for prices.yaml; writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from simbench_api.prices import find_price
from simbench_openai.backend import OpenAI, OpenAIConfig

HOSTS = {"openai": "api.openai.com", "anthropic": "api.anthropic.com"}
FIELDS = {
    "input": "input_cost_per_token",
    "output": "output_cost_per_token",
    "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
}


def price_rows(table: dict[str, Any]) -> list[str]:
    """Rows for prices.yaml, in US dollars per million tokens, where the shipped table has another price or none."""
    rows = []
    for model, told in sorted(table.items()):
        host = HOSTS.get(str(told.get("litellm_provider")))
        if host is None or told.get("mode") != "chat" or "/" in model or not told.get(FIELDS["input"]):
            continue
        new = {name: round(told[key] * 1e6, 6) for name, key in FIELDS.items() if told.get(key)}
        old = find_price(host, model)
        if old is None or any(getattr(old, name) != value for name, value in new.items()):
            words = ", ".join(f"{name}: {value}" for name, value in new.items())
            rows.append(f"  - {{host: {host}, model: {model}, {words}}}  # {'new' if old is None else 'other price'}")
    return rows


def shutdown_rows(listed: list[dict[str, Any]]) -> list[str]:
    """Models whose announced shutdown date is not the declared one, and chat models that are not declared."""
    rows = []
    for each in sorted(listed, key=lambda row: str(row["id"])):
        backend = OpenAI(OpenAIConfig(model=each["id"], base_url=f"https://{HOSTS['openai']}/v1"))
        date = each.get("shutdown_date")
        if date != backend.terms.shutdown():
            rows.append(f"{each['id']}: shut down {date}, declared {backend.terms.shutdown()}")
        if str(each["id"]).startswith(("gpt-", "o")) and not backend.terms.capabilities().known:
            rows.append(f"{each['id']}: not declared")
    return rows


def main() -> None:
    """Print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prices", type=Path)
    parser.add_argument("--ask", action="store_true")
    chosen = parser.parse_args()
    if chosen.prices is not None:
        print("\n".join(price_rows(json.loads(chosen.prices.read_text("utf-8")))) or "all prices are as shipped")
    if chosen.ask:
        import openai

        client = openai.OpenAI(api_key=os.environ["OPENAI_API_KEY"])
        listed = [each.to_dict() for each in client.models.list()]
        print("\n".join(shutdown_rows(listed)) or "all dates are as declared")


if __name__ == "__main__":
    main()
