"""What happens in the processes that run trials."""
