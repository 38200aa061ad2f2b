"""What a reader sees: previews, bull's eyes, tables, pages."""
