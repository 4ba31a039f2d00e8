"""One reader a layout: published files, tables of one's own, folders and the hub."""
