"""Pages for a browser: one file each, that opens from disk and asks no network for anything."""
