"""The machine under the library: files, seeds, memory, precision, processes, start-up.

Nothing here knows about retrieval.
"""
