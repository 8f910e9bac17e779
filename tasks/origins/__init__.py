"""Data sets from their public origins, checked and in the one row schema."""

from tasks.origins.fetching import FetchReport, Status, fetch, fetch_all, status

__all__ = ["FetchReport", "Status", "fetch", "fetch_all", "status"]
