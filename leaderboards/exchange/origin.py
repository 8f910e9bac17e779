"""Which data set on the Hugging Face hub a task is of."""

from __future__ import annotations

from tasks.cards import Card


def hub_dataset(card: Card | None) -> tuple[str, str] | None:
    """Name and revision of the set, or None if it does not come from the hub."""
    if card is None or card.origin.kind != "hub":
        return None
    return card.origin.url, card.origin.revision
