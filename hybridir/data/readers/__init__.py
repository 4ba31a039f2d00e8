"""One reader per layout: published files, tables of the user, folders and the hub."""
