"""The machine that everything runs on: files, seeds, memory, precision, processes.

It knows nothing of retrieval.
"""
