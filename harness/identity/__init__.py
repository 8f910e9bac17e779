"""What makes two things the same: every identity is made here, and compared here.

- `content`: files, by what is in them.
- `things`: models, adapters, artifacts, embedding models, servers, tasks, and which of
  their settings can change an answer.
- `recorded`: what a record says of these, and which records belong together.

docs/reuse.md is the page to it.
"""

__all__ = ["answers", "content", "recorded", "task", "things"]
