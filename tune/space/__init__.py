"""What a search may vary, and the samplers that propose it."""
