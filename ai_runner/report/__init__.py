"""The only rooms that render: text, JSON, HTML."""
