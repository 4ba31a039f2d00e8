"""The method in other people's training loops: hybrid batches, their loss, language pools."""
